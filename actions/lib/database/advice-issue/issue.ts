import { z } from 'zod';
import { type GitHub, isProgram } from '../../github/index.ts';

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
  const issue = readAnyAdviceIssue(raw, authors);
  return issue && isAdviceFor(issue, database) ? issue : undefined;
}

/**
 * Those of all databases, oldest first: should two runs have opened one each, the same one is kept from then on.
 * @throws GitHubError
 */
export async function listAdviceIssues(github: GitHub, authors: readonly string[]): Promise<AdviceIssue[]> {
  const list = github.paginate(
    'GET /repos/{owner}/{repo}/issues',
    { state: 'all', labels: adviceLabel, sort: 'created', direction: 'asc' },
    { mostPages: 5 },
  );
  const found: AdviceIssue[] = [];
  for await (const raw of list) {
    const issue = readAnyAdviceIssue(raw, authors);
    if (issue) found.push(issue);
  }
  return found;
}

export function isAdviceFor({ body }: AdviceIssue, database: string): boolean {
  return body.startsWith(adviceMarker(database));
}

/** A name cannot end the comment that it stands in. */
export function adviceMarker(database: string): string {
  return `<!-- production-ops advice ${Buffer.from(database).toString('base64url')} -->`;
}

function readAnyAdviceIssue(raw: unknown, authors: readonly string[]): AdviceIssue | undefined {
  const parsed = issueSchema.safeParse(raw);
  if (!parsed.success || parsed.data.pull_request || !parsed.data.user) return undefined;
  const { number, title, body, state, user } = parsed.data;
  const labels = parsed.data.labels.flatMap(label => (typeof label === 'string' ? label : label.name) ?? []);
  if (!isProgram(user, authors) || !labels.some(label => label.toLowerCase() === adviceLabel)) return undefined;
  if (!body || !/^<!-- production-ops advice [\w-]* -->/.test(body)) return undefined;
  return { number, title, body: body.replaceAll('\r\n', '\n'), state, labels };
}
