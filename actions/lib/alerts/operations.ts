import { resolve } from 'node:path';
import { z } from 'zod';
import { requireGitHub } from '../github/index.ts';
import { formatDuration } from '../log/index.ts';
import { createDirectoryReader, type Operation, type Report, type ReportReader } from '../reports/index.ts';
import { announce, describeAnnouncement } from './announce.ts';
import { createGitHubAlerts } from './github-alerts.ts';
import { alertPolicy } from './policy.ts';

const listedAlert = z.strictObject({
  number: z.int(),
  url: z.string(),
  key: z.string(),
  severity: z.enum(['warning', 'critical']),
  /** Closed by a person while it is breached: it stays closed until it was well. */
  isAcknowledged: z.boolean(),
  since: z.iso.datetime(),
  /** Null while it is breached. */
  clearSince: z.iso.datetime().nullable(),
  ageSeconds: z.number(),
  message: z.string(),
});

const listDataSchema = z.strictObject({ alerts: z.array(listedAlert) });
export type AlertListData = z.infer<typeof listDataSchema>;

/** The alerts that are not over, the gravest first. Changes nothing and stores no report. */
export const alertListOperation: Operation<Record<string, never>, AlertListData> = {
  kind: 'alerts.list',
  dataSchema: listDataSchema,
  async execute(_input, context) {
    const { alerts: config, platform } = context.config;
    const now = context.now();
    const text = { platform, reportUrl: () => undefined };
    const policy = alertPolicy(config);
    const github = requireGitHub(context, "'issues: write'");
    const issues = await createGitHubAlerts({ ...context, github, policy, authors: config.authors, text, now }).list();
    const alerts = issues
      .filter(({ state }) => state.closedAt === null && state.mergedInto === null)
      .map(({ number, url, isOpen, state }) => ({
        number,
        url,
        key: state.key,
        severity: state.severity,
        isAcknowledged: !isOpen,
        since: state.since,
        clearSince: state.clearSince,
        ageSeconds: Math.max(0, (now.getTime() - Date.parse(state.since)) / 1000),
        message: state.reading.message,
      }))
      .sort((a, b) => (a.severity === b.severity ? a.number - b.number : a.severity === 'critical' ? -1 : 1));
    return { data: { alerts }, checks: [], isDryRun: true };
  },
  lines: ({ data }) => (data ? listLines(data) : []),
  summary: ({ data }) => (data ? ['```', ...listLines(data), '```', ''].join('\n') : ''),
};

const syncDataSchema = z.strictObject({
  isDryRun: z.boolean(),
  /** How many latest reports were looked at. */
  reports: z.int(),
  announced: z.array(
    z.strictObject({
      channel: z.enum(['issues', 'webhook']),
      action: z.enum(['open', 'reopen', 'edit', 'comment', 'close', 'merge', 'remember', 'forget']),
      key: z.string(),
      number: z.int().nullable(),
      url: z.string().nullable(),
      text: z.string(),
    }),
  ),
  failures: z.array(
    z.strictObject({
      channel: z.enum(['issues', 'webhook', 'memory']),
      code: z.string(),
      message: z.string(),
      hint: z.string().nullable(),
    }),
  ),
});
export type AlertSyncData = z.infer<typeof syncDataSchema>;

export interface AlertSyncInput {
  dryRun: boolean;
}

/** Makes the issues and the webhook agree with the latest report of every kind in the working tree. */
export const alertSyncOperation: Operation<AlertSyncInput, AlertSyncData> = {
  kind: 'alerts.sync',
  dataSchema: syncDataSchema,
  async execute({ dryRun }, context) {
    if (context.config.alerts.issues && !context.secrets.alertsWebhookUrl) requireGitHub(context, "'issues: write'");
    const reader = createDirectoryReader(resolve(context.cwd, context.config.reports.path));
    const reports = await latestReports(reader);
    const summary = await reader.summary();
    const { announced, failures } = await announce(reports, { ...context, summary, isDryRun: dryRun });
    const data: AlertSyncData = {
      isDryRun: dryRun,
      reports: reports.length,
      announced: announced.map(each => ({
        channel: each.channel,
        action: each.action.kind,
        key: 'state' in each.action ? each.action.state.key : each.action.key,
        number: each.number || null,
        url: each.url || null,
        text: describeAnnouncement(each),
      })),
      failures: failures.map(({ channel, code, message, hint }) => ({ channel, code, message, hint: hint ?? null })),
    };
    const first = failures[0];
    return {
      data,
      checks: [
        {
          id: 'alerts.announced',
          status: first ? 'critical' : 'ok',
          value: failures.length,
          threshold: 0,
          unit: 'failures',
          message: first
            ? `${first.code}: ${first.message}${first.hint ? `. ${first.hint}` : ''}`
            : 'Everything is announced',
        },
      ],
      isDryRun: dryRun,
    };
  },
  lines: ({ data }) => (data ? syncLines(data) : []),
  summary: ({ data, error }) =>
    data
      ? [
          data.failures.length > 0 ? '## Alerts could not all be announced' : '## Alerts',
          '',
          ...syncLines(data).map(line => `- ${line.trim()}`),
          '',
        ].join('\n')
      : `## Alerts failed\n\n${error?.message ?? ''}\n`,
};

/** The latest report of every kind; one that cannot be read is left out. Alerts about announcing are made by the run itself. */
async function latestReports(reader: ReportReader): Promise<Report[]> {
  const kinds = (await reader.kinds()).filter(kind => kind !== alertSyncOperation.kind);
  return (await Promise.all(kinds.map(kind => reader.latest(kind)))).filter(report => report !== undefined);
}

function listLines({ alerts }: AlertListData): string[] {
  if (alerts.length === 0) return ['No alert is open.'];
  return alerts.flatMap(alert => [
    `${alert.severity.padEnd(8)}  #${alert.number}  ${alert.key}  for ${formatDuration(alert.ageSeconds)}${alert.clearSince ? `, well since ${alert.clearSince}` : ''}${alert.isAcknowledged ? ', closed by hand' : ''}`,
    `  ${alert.message}`,
    `  ${alert.url}`,
  ]);
}

function syncLines({ isDryRun, reports, announced, failures }: AlertSyncData): string[] {
  const lead = `${reports} latest reports: ${announced.length === 0 ? 'nothing to announce' : `${announced.length} ${isDryRun ? 'things would be done' : 'things done'}`}`;
  return [
    lead,
    ...announced.map(({ text }) => `  ${isDryRun ? 'would have ' : ''}${text}`),
    ...failures.map(
      ({ channel, code, message, hint }) =>
        `  NOT ANNOUNCED (${channel}): ${code}: ${message}${hint ? `. ${hint}` : ''}`,
    ),
  ];
}
