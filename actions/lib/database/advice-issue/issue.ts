import { z } from 'zod';
import type { GitHub } from '../../github/index.ts';

export const adviceLabel = 'ops-advice';

const issueSchema = z.object({
  number: z.int(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']),
  user: z.object({ login: z.string(), type: z.string().optional() }).nullable(),
  labels: z.array(z.union([z.string(), z.object({ name: z.string().nullish() })])),
  pull_request: z.unknown().optional(),
});

/** The issue that holds the advice for one database. */
export interface AdviceIssue {
  number: number;
  title: string;
  body: string;
  state: 'open' | 'closed';
  labels: string[];
}

/**
 * The issue as ours; undefined for any other: it needs the label, the marker of this database at its beginning, and an
 * author who is a program. What a person wrote is never touched, whatever it says.
 *
 * @param authors persons whose tokens are used for issues (`alerts.authors`)
 */
export function readAdviceIssue(raw: unknown, database: string, authors: readonly string[]): AdviceIssue | undefined {
  const parsed = issueSchema.safeParse(raw);
  if (!parsed.success || parsed.data.pull_request || !parsed.data.user) return undefined;
  const { number, title, body, state, user } = parsed.data;
  const labels = parsed.data.labels.flatMap(label => (typeof label === 'string' ? label : label.name) ?? []);
  // No person can have brackets in a login.
  const isProgram = user.type === 'Bot' || user.login.endsWith('[bot]') || authors.includes(user.login);
  if (!isProgram || !labels.some(label => label.toLowerCase() === adviceLabel)) return undefined;
  if (!body?.startsWith(adviceMarker(database))) return undefined;
  return { number, title, body: body.replaceAll('\r\n', '\n'), state, labels };
}

/** The oldest that is ours: should two runs have opened one each, the same one is kept from then on. @throws GitHubError */
export async function findAdviceIssue(
  github: GitHub,
  database: string,
  authors: readonly string[],
): Promise<AdviceIssue | undefined> {
  const list = github.paginate(
    'GET /repos/{owner}/{repo}/issues',
    { state: 'all', labels: adviceLabel, sort: 'created', direction: 'asc' },
    { mostPages: 5 },
  );
  for await (const raw of list) {
    const issue = readAdviceIssue(raw, database, authors);
    if (issue) return issue;
  }
  return undefined;
}

/** A name cannot end the comment that it stands in. */
export function adviceMarker(database: string): string {
  return `<!-- production-ops advice ${Buffer.from(database).toString('base64url')} -->`;
}
