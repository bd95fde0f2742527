import { resolve } from 'node:path';
import type { Config, SecretValues } from '../config/index.ts';
import { type GitHub, githubOf } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import { type Report, reportPath, reportUrl, type Summary } from '../reports/index.ts';
import { type AlertMemory, createDirectoryMemory } from './memory.ts';
import { type AlertSync, syncAlerts } from './sync.ts';

/** What surrounds a run, as far as alerts need it. */
export interface AnnounceFrame {
  config: Config;
  secrets: SecretValues;
  log: Log;
  signal: AbortSignal;
  now: () => Date;
  cwd: string;
  /** That of the report store: `createGitHubMemory` beside the GitHub store. Default: the folder of the reports. */
  memory?: AlertMemory;
  /** Default: by GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL; without the first two, no issues. */
  github?: GitHub | undefined;
  /** Of the stored reports: the values before these, for the chart. Without it, a chart begins with the alert. */
  summary?: Summary | undefined;
  isDryRun?: boolean;
}

/**
 * Announces what stored reports say, as issues and by the webhook, and logs in one line what was done and a warning for
 * each thing that could not be. Needs `issues: write`; with `createGitHubMemory`, `contents: write` as well.
 *
 * Never throws but for an abort: the exit code of the work is not changed by its announcement.
 */
export async function announce(reports: readonly Report[], frame: AnnounceFrame): Promise<AlertSync> {
  const { config, secrets, log, signal, cwd } = frame;
  const { alertsWebhookUrl, alertsWebhookSecret } = secrets;
  const folder = resolve(cwd, config.reports.path);
  const sync = await syncAlerts({
    reports,
    config,
    github: 'github' in frame ? frame.github : githubOf(frame),
    webhook: alertsWebhookUrl ? { url: alertsWebhookUrl, secret: alertsWebhookSecret } : undefined,
    memory: frame.memory ?? createDirectoryMemory(folder, log),
    reportUrl: reportUrlOf(frame),
    summary: frame.summary,
    log,
    signal,
    now: frame.now(),
    isDryRun: frame.isDryRun ?? false,
  });
  const said = sync.announced.filter(({ action }) => action.kind !== 'edit');
  if (said.length > 0 && !frame.isDryRun) log.info(`Alerts: ${said.map(describeAnnouncement).join(', ')}`);
  for (const { channel, code, message, hint } of distinct(sync.failures))
    log.warn(`Alerts could not be announced (${channel}): ${code}: ${message}${hint ? `. ${hint}` : ''}`);
  return sync;
}

/** `opened drill.rpo shop (#12)` */
export function describeAnnouncement({ action, number, channel }: AlertSync['announced'][number]): string {
  const key = 'state' in action ? action.state.key : action.key;
  const verb = {
    open: 'opened',
    reopen: 'reopened',
    edit: 'updated',
    comment: 'commented',
    close: 'closed',
    merge: 'merged',
    remember: 'waiting',
    forget: 'no longer waiting',
  }[action.kind];
  const where = channel === 'webhook' ? 'webhook' : number ? `#${number}` : 'new';
  return `${verb} ${key} (${where})`;
}

function reportUrlOf({ config, secrets }: AnnounceFrame): (kind: string, id: string) => string | undefined {
  const { githubRepository: repository, githubServerUrl: server = 'https://github.com' } = secrets;
  // The folder may lie outside of what is committed.
  const folder = config.reports.path.replace(/^\.\/+|\/+$/g, '');
  if (!repository || folder.startsWith('/') || folder.split('/').includes('..')) return () => undefined;
  // HEAD is the default branch, whatever it is called.
  const branch = config.reports.branch ?? 'HEAD';
  return (kind, id) =>
    id === '' ? undefined : reportUrl(server, repository, branch, `${folder}/${reportPath({ kind, id })}`);
}

/** One refusal fails everything behind it with the same words. */
function distinct(failures: AlertSync['failures']): AlertSync['failures'] {
  const byWords = new Map(failures.map(failure => [`${failure.channel} ${failure.code} ${failure.message}`, failure]));
  return [...byWords.values()];
}
