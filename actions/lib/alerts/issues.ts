import { z } from 'zod';
import { type GitHub, isProgram } from '../github/index.ts';
import type { ExistingAlert } from './actions.ts';
import type { Severity } from './policy.ts';
import { type AlertState, decodeMarker } from './state.ts';

/** An issue that is an alert of ours, with what is written in it. */
export interface AlertIssue extends ExistingAlert {
  url: string;
  title: string;
  body: string;
}

export const alertLabel = 'ops-alert';

const issueSchema = z.object({
  number: z.int(),
  html_url: z.string(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']),
  created_at: z.string(),
  user: z.object({ login: z.string(), type: z.string().optional() }).nullable(),
  labels: z.array(z.union([z.string(), z.object({ name: z.string().nullish() })])),
  pull_request: z.unknown().optional(),
});
export type RawIssue = z.input<typeof issueSchema>;

// Closed ones are looked for among those that changed in this time. One that a person closed while it is breached is
// written to within 30 days (reconcile.ts), so a job that runs at least every other month finds it.
const lookBackSeconds = 100 * 86_400;
const mostPages = 20;

/**
 * Every open alert, and those that were closed or changed lately, by the list endpoint: the search is late by seconds and
 * would miss the issue of the run before. Two lists, since `since` would hide an open issue that nothing has touched.
 *
 * @throws GitHubError
 */
export async function listAlertIssues(
  github: GitHub,
  options: { authors: readonly string[]; reopenWindowSeconds: number; now: Date },
): Promise<AlertIssue[]> {
  const { authors, reopenWindowSeconds, now } = options;
  const back = Math.max(lookBackSeconds, reopenWindowSeconds);
  const since = new Date(now.getTime() - back * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
  const found = new Map<number, AlertIssue>();
  for (const filter of [
    { state: 'open', sort: 'created', direction: 'asc' },
    { state: 'closed', sort: 'updated', direction: 'desc', since },
  ]) {
    const list = github.paginate('GET /repos/{owner}/{repo}/issues', { ...filter, labels: alertLabel }, { mostPages });
    for await (const raw of list) {
      const issue = readAlertIssue(raw, authors);
      // Closed between the two lists, it is in both: the second word counts.
      if (issue) found.set(issue.number, issue);
    }
  }
  return [...found.values()];
}

/**
 * The issue as an alert; undefined for one that is not ours: it needs the label, the marker on its first line, and an
 * author who is a program. What a person wrote is never touched, whatever it says.
 *
 * @param authors persons whose tokens are used for alerts
 */
export function readAlertIssue(raw: unknown, authors: readonly string[]): AlertIssue | undefined {
  const parsed = issueSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { number, html_url: url, title, body, state: openness, created_at, user, labels, pull_request } = parsed.data;
  if (pull_request || !user || !isProgram(user, authors)) return undefined;
  if (!labels.some(label => (typeof label === 'string' ? label : label.name)?.toLowerCase() === alertLabel))
    return undefined;
  const marker = decodeMarker(body ?? '');
  if (!marker) return undefined;
  const state = marker.state ?? unknownState(marker.key, created_at, title);
  return { number, url, title, body: body ?? '', isOpen: openness === 'open', state };
}

/** Somebody damaged the marker, and the key is left: what is known of it besides is written anew. */
function unknownState(key: string, createdAt: string, title: string): AlertState {
  const [id, ...target] = key.split(' ');
  const severity: Severity = /^warning/i.test(title) ? 'warning' : 'critical';
  const since = new Date(createdAt).toISOString();
  return {
    key,
    id: id!,
    target: target.length > 0 ? target.join(' ') : null,
    kind: id!,
    severity,
    since,
    clearSince: null,
    notifiedAt: since,
    writtenAt: since,
    closedAt: null,
    mergedInto: null,
    episodes: 1,
    reading: {
      status: severity,
      value: null,
      threshold: null,
      unit: '',
      message: title,
      at: since,
      reportId: '',
      runUrl: null,
    },
    recent: [],
    members: null,
    unlisted: 0,
  };
}
