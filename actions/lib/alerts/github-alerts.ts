import { OpsError, toOpsError } from '../errors/index.ts';
import { createLabel, type GitHub, GitHubError, isProgram, onceOnly } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import type { AlertAction, Reason } from './actions.ts';
import { commentBody, commentMarker, type IssueText, issueBody, issueTitle } from './issue-body.ts';
import { type AlertIssue, alertLabel, listAlertIssues, readAlertIssue } from './issues.ts';
import type { AlertPolicy } from './policy.ts';
import type { AlertState } from './state.ts';
import { stormKey } from './storm.ts';

export interface GitHubAlertsOptions {
  github: GitHub;
  policy: AlertPolicy;
  /** Persons whose tokens are used for alerts. */
  authors: readonly string[];
  text: IssueText;
  log: Log;
  signal: AbortSignal;
  now: Date;
}

/** Something that was to be announced and was not. */
export interface AlertFailure {
  channel: 'issues' | 'webhook' | 'memory';
  /** What was to be done; null: it did not come to that. */
  action: AlertAction | null;
  code: string;
  message: string;
  hint: string | undefined;
}

export interface Applied {
  done: { action: AlertAction; number: number; url: string }[];
  failures: AlertFailure[];
}

/** The issues of a repository as the place where alerts stand. */
export interface GitHubAlerts {
  /** @throws OpsError of the GitHub client, with a hint on the permission or the setting that is missing */
  list(): Promise<AlertIssue[]>;
  /** Carries out what concerns issues; goes on after a failure unless nothing else can succeed either. */
  apply(actions: readonly AlertAction[], listed: readonly AlertIssue[]): Promise<Applied>;
}

export function createGitHubAlerts(options: GitHubAlertsOptions): GitHubAlerts {
  const context: Context = { ...options, knownLabels: new Set(), identity: undefined };
  return {
    async list() {
      try {
        return await listAlertIssues(options.github, { ...options, ...options.policy });
      } catch (thrown) {
        throw explained(thrown);
      }
    },
    async apply(actions, listed) {
      const applied: Applied = { done: [], failures: [] };
      let stop: OpsError | undefined;
      for (const action of actions) {
        if (action.kind === 'remember' || action.kind === 'forget') continue;
        options.signal.throwIfAborted();
        try {
          if (stop) throw stop;
          applied.done.push({ action, ...(await carryOut(action, listed, context)) });
        } catch (thrown) {
          if (options.signal.aborted) throw options.signal.reason;
          const error = explained(thrown);
          if (isForAll(error)) stop = error;
          const { code, message, hint } = error;
          applied.failures.push({ channel: 'issues', action, code, message, hint });
        }
      }
      return applied;
    },
  };
}

interface Context extends GitHubAlertsOptions {
  knownLabels: Set<string>;
  identity: Promise<void> | undefined;
}

type IssueAction = Exclude<AlertAction, { kind: 'remember' | 'forget' }>;

async function carryOut(
  action: IssueAction,
  listed: readonly AlertIssue[],
  context: Context,
): Promise<{ number: number; url: string }> {
  if (action.kind === 'open') return openIssue(action.state, context);
  const issue = listed.find(({ number }) => number === action.number);
  // A number that was not listed as ours is nobody's to write to.
  if (!issue) throw new OpsError('INTERNAL', `Issue ${action.number} is not an alert`);
  switch (action.kind) {
    case 'reopen':
      await comment(issue, { reason: 'reopened', before: issue.state, state: action.state }, context);
      await update(issue, action.state, { state: 'open' }, context);
      break;
    case 'comment':
      await comment(issue, action, context);
      await update(issue, action.state, {}, context);
      break;
    case 'close':
      if (!action.isQuiet)
        await comment(issue, { reason: 'recovered', before: issue.state, state: action.state }, context);
      await update(issue, action.state, { state: 'closed', state_reason: 'completed' }, context);
      break;
    case 'merge':
      await comment(issue, { reason: 'merged', before: issue.state, state: action.state, into: action.into }, context);
      await update(issue, action.state, { state: 'closed', state_reason: 'not_planned' }, context);
      break;
    case 'edit':
      await update(issue, action.state, {}, context);
  }
  return { number: issue.number, url: issue.url };
}

async function openIssue(state: AlertState, context: Context): Promise<{ number: number; url: string }> {
  const { github, policy, authors, text, log } = context;
  context.identity ??= checkIdentity(context);
  await context.identity;
  const { assignees, labels } = state.key === stormKey ? policy : policy.ruleOf(state);
  const allLabels = [...new Set([alertLabel, ...labels])];
  for (const label of allLabels) await ensureLabel(label, context);
  const issue = { title: issueTitle(state), body: issueBody(state, text), labels: allLabels };
  const create = async (given: readonly string[]) => {
    const route = 'POST /repos/{owner}/{repo}/issues';
    const { data } = await github.request<{ number: number; html_url: string }>(route, {
      ...issue,
      ...(given.length > 0 && { assignees: given }),
    });
    return { number: data.number, url: data.html_url };
  };
  // Made, although the answer was lost?
  const find = async () => {
    const list = github.paginate('GET /repos/{owner}/{repo}/issues', { state: 'open', labels: alertLabel });
    for await (const raw of list) {
      const found = readAlertIssue(raw, authors);
      if (found?.state.key === state.key) return { number: found.number, url: found.url };
    }
    return undefined;
  };
  try {
    return await onceOnly(() => create(assignees), find);
  } catch (error) {
    if (!(error instanceof GitHubError) || error.code !== 'GITHUB_INVALID' || assignees.length === 0) throw error;
    log.warn(`The alert ${state.key} is opened without assignees (${assignees.join(', ')}): ${error.reason}`);
    return onceOnly(() => create([]), find);
  }
}

/**
 * An issue that a person's token writes is a person's issue, and the next run would not know it again and write another
 * one. GITHUB_TOKEN and those of apps are not let ask who they are, which is answer enough.
 */
async function checkIdentity({ github, authors }: Context): Promise<void> {
  let login: string;
  try {
    const { data } = await github.request<{ login: string; type?: string }>('GET /user');
    if (isProgram(data, authors)) return;
    login = data.login;
  } catch (error) {
    if (error instanceof GitHubError && (error.status === 403 || error.status === 404)) return;
    throw error;
  }
  throw new OpsError('ALERTS_AUTHOR', `GITHUB_TOKEN is that of ${login}, whose issues are not taken for alerts`, {
    hint: `Let a workflow announce with its own token, or add '${login}' to alerts.authors in .github/ops.yml.`,
  });
}

async function ensureLabel(name: string, { github, knownLabels }: Context): Promise<void> {
  if (knownLabels.has(name)) return;
  try {
    await github.request('GET /repos/{owner}/{repo}/labels/{name}', { name });
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 404) throw error;
    const isOurs = name === alertLabel;
    await createLabel(
      github,
      isOurs
        ? { name, color: 'b60205', description: 'Opened, kept and closed by Production Ops' }
        : { name, color: 'ededed' },
    );
  }
  knownLabels.add(name);
}

/** The comment comes before the body that says it was made: should the second fail, the next run finds the first. */
async function comment(
  { number }: AlertIssue,
  { reason, before, state, into }: { reason: Reason; before: AlertState; state: AlertState; into?: number },
  { github }: Context,
): Promise<void> {
  const marker = commentMarker(reason, before, state);
  const find = async () => {
    const list = github.paginate<{ body?: string | null }>('GET /repos/{owner}/{repo}/issues/{number}/comments', {
      number,
      since: before.notifiedAt,
    });
    for await (const each of list) if (each.body?.startsWith(marker)) return true;
    return undefined;
  };
  const make = async () => {
    const body = commentBody(reason, before, state, into);
    await github.request('POST /repos/{owner}/{repo}/issues/{number}/comments', { number, body });
    return true;
  };
  if (await find()) return;
  await onceOnly(make, find);
}

interface Change {
  state?: 'open' | 'closed';
  state_reason?: 'completed' | 'not_planned';
}

async function update(issue: AlertIssue, state: AlertState, change: Change, { github, text }: Context): Promise<void> {
  const title = issueTitle(state);
  const body = issueBody(state, text);
  // The web editor ends lines with CRLF.
  const isSame = title === issue.title && body === issue.body.replaceAll('\r\n', '\n');
  if (isSame && change.state === undefined) return;
  await github.request('PATCH /repos/{owner}/{repo}/issues/{number}', {
    number: issue.number,
    ...(title !== issue.title && { title }),
    body,
    ...change,
  });
}

/** What fails for one issue for a reason that the others share. */
function isForAll({ code }: OpsError): boolean {
  return [
    'GITHUB_AUTH',
    'GITHUB_PERMISSION',
    'GITHUB_GONE',
    'GITHUB_LIMITED',
    'GITHUB_UNREACHABLE',
    'ALERTS_AUTHOR',
  ].includes(code);
}

function explained(thrown: unknown): OpsError {
  const error = toOpsError(thrown);
  const hint = hintOf(error);
  return hint === undefined ? error : new OpsError(error.code, error.message, { hint, cause: error });
}

function hintOf({ code, hint }: OpsError): string | undefined {
  switch (code) {
    case 'GITHUB_PERMISSION':
      return `The token may not write issues: add 'issues: write' to 'permissions:' of the job. ${hint ?? ''}`.trim();
    case 'GITHUB_NOT_FOUND':
      return `${hint ?? ''} Alerts need 'issues: write' in 'permissions:' of the job, and GITHUB_REPOSITORY.`.trim();
    case 'GITHUB_GONE':
      return 'Issues are switched off: switch them on under Settings → General → Features, or set alerts.issues: false in .github/ops.yml.';
    default:
      return undefined;
  }
}
