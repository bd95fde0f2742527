import type { z } from 'zod';
import type { AlertAction, Existing, Pending } from '../../actions/lib/alerts/actions.ts';
import { alertKey, type Desired } from '../../actions/lib/alerts/desired.ts';
import { type IssueText, issueBody, issueTitle } from '../../actions/lib/alerts/issue-body.ts';
import { alertLabel, type RawIssue, readAlertIssue } from '../../actions/lib/alerts/issues.ts';
import { type AlertPolicy, alertPolicy } from '../../actions/lib/alerts/policy.ts';
import { reconcile } from '../../actions/lib/alerts/reconcile.ts';
import { configSchema } from '../../actions/lib/config/schema.ts';
import type { Status } from '../../actions/lib/reports/index.ts';

export type AlertsInput = NonNullable<z.input<typeof configSchema>['alerts']>;

export function policyOf(alerts: AlertsInput = {}): AlertPolicy {
  return alertPolicy(configSchema.parse({ alerts }).alerts);
}

export const text: IssueText = {
  platform: 'shop',
  reportUrl: (kind, id) => `https://github.com/acme/ops/blob/HEAD/reports/${kind}/${id}.json`,
};

/** What GitHub holds, as far as alerts can see it: an issue is text, labels and an author, and nothing else. */
export class GitHubModel {
  issues: RawIssue[] = [];
  pending: Record<string, Pending> = {};
  #next = 1;

  existing(): Existing {
    return { alerts: this.issues.flatMap(issue => readAlertIssue(issue, []) ?? []), pending: this.pending };
  }

  apply(actions: readonly AlertAction[], now: Date): void {
    for (const action of actions) {
      switch (action.kind) {
        case 'remember':
          this.pending = { ...this.pending, [action.key]: action.pending };
          break;
        case 'forget': {
          const { [action.key]: _, ...rest } = this.pending;
          this.pending = rest;
          break;
        }
        case 'open':
          this.write({ title: issueTitle(action.state), body: issueBody(action.state, text) }, now);
          break;
        default: {
          const issue = this.issue(action.number);
          issue.title = issueTitle(action.state);
          issue.body = issueBody(action.state, text);
          if (action.kind === 'reopen') issue.state = 'open';
          if (action.kind === 'close' || action.kind === 'merge') issue.state = 'closed';
        }
      }
    }
  }

  write(issue: Partial<RawIssue>, now: Date): number {
    const number = this.#next++;
    this.issues.push({
      number,
      html_url: `https://github.com/acme/ops/issues/${number}`,
      title: '',
      body: '',
      state: 'open',
      created_at: now.toISOString(),
      user: { login: 'github-actions[bot]', type: 'Bot' },
      labels: [{ name: alertLabel }],
      ...issue,
    });
    return number;
  }

  issue(number: number): RawIssue {
    const found = this.issues.find(issue => issue.number === number);
    if (!found) throw new Error(`There is no issue ${number}`);
    return found;
  }

  /** The newest issue of a key, open or closed. */
  of(key: string): RawIssue {
    const found = this.issues.findLast(issue => readAlertIssue(issue, [])?.state.key === key);
    if (!found) throw new Error(`There is no issue of ${key}`);
    return found;
  }
}

/** One thing that happens in a story: something is measured, or a person does something. */
export type Happening =
  | {
      does: 'measure';
      status: Status;
      id: string;
      target: string | null;
      value?: number;
      kind?: string;
      early?: number;
    }
  | { does: 'close' | 'reopen' | 'delete'; key: string }
  /** Another run had the same thought at the same time. */
  | { does: 'twin'; key: string };

const measure =
  (status: Status) =>
  (id: string, target: string | null = 'shop', value?: number): Happening => ({
    does: 'measure',
    status,
    id,
    target,
    ...(value !== undefined && { value }),
  });
export const critical = measure('critical');
export const warning = measure('warning');
export const unknown = measure('unknown');
export const well = measure('ok');
/** A value whose status the check itself finds well: only a rule can object to it. */
export const value = (number: number, id = 'cpu', target: string | null = 'shop') => well(id, target, number);
/** A reading that is this many minutes older than the run that brings it. */
export const late = (minutes: number, of: Happening): Happening => ({ ...of, early: minutes }) as Happening;
export const personCloses = (key: string): Happening => ({ does: 'close', key });
export const personReopens = (key: string): Happening => ({ does: 'reopen', key });
export const personDeletes = (key: string): Happening => ({ does: 'delete', key });
export const twin = (key: string): Happening => ({ does: 'twin', key });

/** Minutes since the story began, what happens then, and what is done about it. */
export type Scene = readonly [minutes: number, happenings: readonly Happening[], done: readonly string[]];

export const storyBegins = new Date('2026-11-23T00:00:00Z');

/** Plays the scenes one after the other; calls back with what was done in each, and what would be done if asked again. */
export function play(
  alerts: AlertsInput,
  scenes: readonly Scene[],
  each: (scene: Scene, done: string[], again: string[], model: GitHubModel) => void,
  begins = storyBegins,
): void {
  const model = new GitHubModel();
  const policy = policyOf(alerts);
  for (const scene of scenes) {
    const [minutes, happenings] = scene;
    const now = new Date(begins.getTime() + minutes * 60_000);
    const desired = happenings.flatMap(happening => happen(happening, model, now));
    const actions = reconcile(desired, model.existing(), now, policy);
    model.apply(actions, now);
    const again = reconcile(desired, model.existing(), now, policy);
    each(scene, actions.map(describeAction), again.map(describeAction), model);
  }
}

function happen(happening: Happening, model: GitHubModel, now: Date): Desired[] {
  switch (happening.does) {
    case 'measure':
      return [desiredOf(happening, now)];
    case 'close':
      model.of(happening.key).state = 'closed';
      return [];
    case 'reopen':
      model.of(happening.key).state = 'open';
      return [];
    case 'delete': {
      const gone = model.of(happening.key);
      model.issues = model.issues.filter(issue => issue !== gone);
      return [];
    }
    case 'twin': {
      const { title, body } = model.of(happening.key);
      model.write({ title, body: body ?? '' }, now);
      return [];
    }
  }
}

export function desiredOf(
  { status, id, target, value: number, kind = id, early = 0 }: Extract<Happening, { does: 'measure' }>,
  now: Date,
): Desired {
  return {
    key: alertKey({ id, target }),
    id,
    target,
    kind,
    severity: status === 'ok' ? null : status === 'unknown' ? 'critical' : status,
    reading: {
      status,
      value: number ?? null,
      threshold: null,
      unit: '',
      message: `${id} is ${status}${number === undefined ? '' : ` at ${number}`}`,
      at: new Date(now.getTime() - early * 60_000).toISOString(),
      reportId: '20261123T000000Z-0001',
      runUrl: null,
    },
  };
}

/** `open critical backup shop` */
export function describeAction(action: AlertAction): string {
  switch (action.kind) {
    case 'open':
    case 'reopen':
      return `${action.kind} ${action.state.severity} ${action.state.key}`;
    case 'edit':
      return `edit ${action.state.key}`;
    case 'comment':
      return `comment ${action.reason} ${action.state.key}`;
    case 'close':
      return `close ${action.isQuiet ? 'quietly ' : ''}${action.state.key}`;
    case 'merge':
      return `merge #${action.number} into #${action.into}`;
    case 'remember':
    case 'forget':
      return `${action.kind} ${action.key}`;
  }
}
