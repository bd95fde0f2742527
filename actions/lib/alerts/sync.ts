import type { Config } from '../config/index.ts';
import { toOpsError } from '../errors/index.ts';
import type { GitHub } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import { type Report, recentValues, type Summary, seriesOf } from '../reports/index.ts';
import type { AlertAction, ExistingAlert } from './actions.ts';
import { alertKey, type Desired, desiredAlerts, newestOfEach, silentRecoveries } from './desired.ts';
import { type AlertFailure, createGitHubAlerts } from './github-alerts.ts';
import type { IssueText } from './issue-body.ts';
import type { AlertIssue } from './issues.ts';
import { type AlertMemory, emptyMemory, type Memory, type Remembered, withUnannounced } from './memory.ts';
import { type AlertPolicy, alertPolicy, type Subject } from './policy.ts';
import { reconcile } from './reconcile.ts';
import { standingAlerts } from './twins.ts';
import { notificationOf, sendNotification, type WebhookOptions } from './webhook.ts';

export interface AlertSyncOptions {
  /** What was just stored: one report of a run, or the latest of every kind. */
  reports: readonly Report[];
  config: Config;
  /** Undefined: no token, so no issues. */
  github: GitHub | undefined;
  webhook: Pick<WebhookOptions, 'url' | 'secret'> | undefined;
  memory: AlertMemory;
  reportUrl: IssueText['reportUrl'];
  /** Of the stored reports: the values before these, for the chart. */
  summary?: Summary | undefined;
  log: Log;
  signal: AbortSignal;
  now: Date;
  /** Decides and does nothing. */
  isDryRun?: boolean;
}

/** What was done, or in a dry run would be. */
export interface Announcement {
  channel: 'issues' | 'webhook';
  action: AlertAction;
  /** Of the issue. */
  number: number | null;
  url: string | null;
}

export interface AlertSync {
  announced: Announcement[];
  failures: AlertFailure[];
}

/**
 * Makes issues and the webhook agree with the reports. To be called when the reports are stored, not before: what cannot be
 * announced now is remembered, and announced by the next run.
 *
 * Never throws for what fails on the way: the work that was done is not to be lost for it. It is in `failures`.
 * @throws what the signal was aborted with
 */
export async function syncAlerts(options: AlertSyncOptions): Promise<AlertSync> {
  const { config, memory: store, signal, isDryRun = false } = options;
  const policy = alertPolicy(config.alerts);
  const failures: AlertFailure[] = [];
  const note = (channel: AlertFailure['channel'], thrown: unknown) => {
    if (signal.aborted) throw signal.reason;
    const { code, message, hint } = toOpsError(thrown);
    failures.push({ channel, action: null, code, message, hint });
  };

  const memory = await store.read().catch(thrown => void note('memory', thrown));
  const fresh = options.reports.flatMap(report => desiredAlerts(report, policy)).map(withHistory(options));
  const { unannounced: waiting } = memory ?? emptyMemory();
  // What has recovered since, or was measured again, is not to be said as it was.
  const desired = newestOfEach([...fresh, ...Object.values(waiting)]);
  const run: Run = { options, policy, desired, memory: memory ?? emptyMemory(), isDryRun };

  const issues = await syncIssues(run).catch(thrown => void note('issues', thrown));
  // Without knowing what it was told, the webhook would be told all of it again.
  const webhook = memory && (await syncWebhook(run, issues));
  failures.push(...(issues?.failures ?? []), ...(webhook?.failures ?? []));

  const wasListed = issues !== undefined;
  const failed = new Set(failures.flatMap(({ action }) => (action ? keysOf(action) : [])));
  // All that is well need not be kept; that something is over of which the breach was kept has to be.
  const isNews = ({ key, severity }: Desired) => severity !== null || key in waiting;
  const unannounced = desired.filter(each => failed.has(each.key) || (!wasListed && isNews(each)));
  const change = (before: Memory): Memory => {
    const after = structuredClone(before);
    for (const { key, reading } of desired) {
      // Another run may have kept a newer word meanwhile.
      const kept = after.unannounced[key];
      if (kept && Date.parse(kept.reading.at) <= Date.parse(reading.at)) delete after.unannounced[key];
    }
    after.unannounced = withUnannounced(after, unannounced);
    applyPending(after.issues.pending, issues?.actions ?? [], failed);
    if (webhook) {
      applyPending(after.webhook.pending, webhook.actions, failed);
      for (const [key, remembered] of webhook.remembered) after.webhook.alerts[key] = remembered;
      forgetOld(after.webhook.alerts, policy, options.now);
    }
    return after;
  };
  // Asked first on what was read: in quiet times there is nothing to write, and so nothing to ask GitHub for.
  const isChanged = JSON.stringify(change(run.memory)) !== JSON.stringify(run.memory);
  if (!isDryRun && isChanged) await store.update(change).catch(thrown => note('memory', thrown));
  return { announced: [...(issues?.announced ?? []), ...(webhook?.announced ?? [])], failures };
}

interface Run {
  options: AlertSyncOptions;
  policy: AlertPolicy;
  desired: readonly Desired[];
  memory: Memory;
  isDryRun: boolean;
}

interface Synced {
  actions: readonly AlertAction[];
  announced: Announcement[];
  failures: AlertFailure[];
}

interface SyncedIssues extends Synced {
  urls: ReadonlyMap<string, string>;
  /** Closed by a person while they are breached. */
  acknowledged: ReadonlySet<string>;
}

async function syncIssues({ options, policy, desired, memory, isDryRun }: Run): Promise<SyncedIssues> {
  const { github, config, now } = options;
  const nothing = { actions: [], announced: [], failures: [], urls: new Map(), acknowledged: new Set<string>() };
  if (!github || !config.alerts.issues) return nothing;
  const text: IssueText = { platform: config.platform, reportUrl: options.reportUrl };
  const alerts = createGitHubAlerts({ ...options, github, policy, authors: config.alerts.authors, text });
  const listed = await alerts.list();
  const standing = [...standingAlerts(listed, now).standing.values()];
  const silent = options.reports.flatMap(report => silentRecoveries(report, subjectsOf(standing)));
  const actions = reconcile([...desired, ...silent], { alerts: listed, pending: memory.issues.pending }, now, policy);
  const { done, failures } = isDryRun ? supposed(actions, listed) : await alerts.apply(actions, listed);
  const urls = new Map(listed.map(({ state, url }) => [state.key, url]));
  for (const { action, url } of done) for (const key of keysOf(action)) urls.set(key, url);
  const isByHand = ({ isOpen, state }: ExistingAlert) => !isOpen && state.closedAt === null;
  const acknowledged = new Set(standing.filter(isByHand).map(({ state }) => state.key));
  const announced = done.map(({ action, number, url }): Announcement => ({ channel: 'issues', action, number, url }));
  return { actions, announced, failures, urls, acknowledged };
}

function supposed(actions: readonly AlertAction[], listed: readonly AlertIssue[]) {
  const done = actions
    .filter(({ kind }) => kind !== 'remember' && kind !== 'forget')
    .map(action => {
      const issue = 'number' in action ? listed.find(({ number }) => number === action.number) : undefined;
      return { action, number: issue?.number ?? 0, url: issue?.url ?? '' };
    });
  return { done, failures: [] };
}

interface SyncedWebhook extends Synced {
  remembered: ReadonlyMap<string, Remembered>;
}

async function syncWebhook(
  { options, policy, desired, memory, isDryRun }: Run,
  issues: SyncedIssues | undefined,
): Promise<SyncedWebhook> {
  const { webhook, config, now, reportUrl } = options;
  const synced: SyncedWebhook & { remembered: Map<string, Remembered> } = {
    actions: [],
    announced: [],
    failures: [],
    remembered: new Map(),
  };
  if (!webhook) return synced;
  const told = Object.values(memory.webhook.alerts).map(each => ({ ...each, number: 0 }));
  const silent = options.reports.flatMap(report => silentRecoveries(report, subjectsOf(told)));
  const actions = reconcile(
    [...desired, ...silent],
    { alerts: told, pending: memory.webhook.pending },
    now,
    webhookPolicy(policy, issues?.acknowledged ?? new Set()),
  );
  for (const action of actions) {
    if (!('state' in action)) continue;
    const { key, kind, reading } = action.state;
    const before = memory.webhook.alerts[key]?.state;
    const notification = notificationOf(action, {
      platform: config.platform,
      before,
      issueUrl: issues?.urls.get(key) ?? null,
      reportUrl: reportUrl(kind, reading.reportId) ?? null,
    });
    try {
      if (notification && !isDryRun) await sendNotification(notification, { ...options, ...webhook });
      synced.remembered.set(key, { isOpen: action.kind !== 'close', state: { ...action.state, recent: [] } });
      if (notification) synced.announced.push({ channel: 'webhook', action, number: null, url: null });
    } catch (thrown) {
      if (options.signal.aborted) throw options.signal.reason;
      const { code, message, hint } = toOpsError(thrown);
      synced.failures.push({ channel: 'webhook', action, code, message, hint });
    }
  }
  return { ...synced, actions };
}

/** Only what it is told needs to be remembered, and each write is a commit; and what a person has seen is no news. */
function webhookPolicy(policy: AlertPolicy, acknowledged: ReadonlySet<string>): AlertPolicy {
  return {
    ...policy,
    refreshSeconds: Number.POSITIVE_INFINITY,
    quietReason: (subject, now) =>
      acknowledged.has(alertKey(subject)) ? 'its issue was closed by hand' : policy.quietReason(subject, now),
  };
}

/** What is announced and not over, each member of a storm by itself. */
function subjectsOf(alerts: readonly ExistingAlert[]): (Subject & { key: string; kind: string })[] {
  return alerts
    .filter(({ state }) => state.closedAt === null)
    .flatMap(({ state }): readonly (Subject & { kind: string })[] => state.members ?? [state])
    .map(({ id, target, kind }) => ({ key: alertKey({ id, target }), id, target, kind }));
}

function keysOf(action: AlertAction): string[] {
  if (!('state' in action)) return [action.key];
  return [action.state.key, ...(action.state.members ?? []).map(alertKey)];
}

/** Another run may have written meanwhile: the earlier time is the true one. */
function applyPending(
  pending: Record<string, { since: string }>,
  actions: readonly AlertAction[],
  failed: ReadonlySet<string>,
): void {
  for (const action of actions) {
    if (action.kind === 'remember') pending[action.key] ??= action.pending;
    // What could not be opened has not begun later for that.
    if (action.kind === 'forget' && !failed.has(action.key)) delete pending[action.key];
    if (action.kind === 'open' && failed.has(action.state.key))
      pending[action.state.key] ??= { since: action.state.since };
  }
}

function forgetOld(alerts: Record<string, Remembered>, policy: AlertPolicy, now: Date): void {
  for (const [key, { state }] of Object.entries(alerts)) {
    if (state.closedAt === null) continue;
    if (now.getTime() - Date.parse(state.closedAt) > policy.reopenWindowSeconds * 1000) delete alerts[key];
  }
}

function withHistory({ summary }: AlertSyncOptions): (desired: Desired) => Desired {
  return desired => {
    const { kind, id, target, reading } = desired;
    const values = summary ? recentValues(summary, kind, seriesOf(id, target ?? undefined), reading.reportId) : [];
    return values.length === 0 ? desired : { ...desired, history: values };
  };
}
