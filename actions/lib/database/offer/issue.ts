import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { toOpsError } from '../../errors/index.ts';
import { createGitHub, type GitHub } from '../../github/index.ts';
import type { AdviseData } from './data.ts';
import { evidence } from './text.ts';

export const adviceLabel = 'ops-advice';

/** GitHub takes 65,536; the rest is room for the marker and for what a person adds. */
const mostCharacters = 60_000;

const issueSchema = z.object({
  number: z.int(),
  title: z.string(),
  body: z.string().nullish(),
  state: z.enum(['open', 'closed']),
  user: z.object({ login: z.string(), type: z.string().optional() }).nullable(),
  pull_request: z.unknown().optional(),
});
type Issue = z.output<typeof issueSchema>;

/**
 * The evidence as one issue for each database, brought up to date in place: opened when something is offered, closed when
 * nothing is any more, and none that a person wrote is touched. What fails here is a note: the advice itself is made.
 */
export async function publishAdvice(data: AdviseData, context: OpsContext): Promise<string[]> {
  const { githubToken: token, githubRepository: repository, githubApiUrl: apiUrl } = context.secrets;
  if (!token || !repository) return ['No issue was written: GITHUB_TOKEN or GITHUB_REPOSITORY is not set'];
  const { log, signal } = context;
  const github = createGitHub({ token, repository, ...(apiUrl && { apiUrl }), log, signal });
  try {
    await write(data, github, context.config.alerts.authors);
    return [];
  } catch (thrown) {
    signal.throwIfAborted();
    const { message, hint } = toOpsError(thrown);
    return [`The issue with the evidence was not written: ${message}${hint ? `. ${hint}` : ''}`];
  }
}

async function write(data: AdviseData, github: GitHub, authors: readonly string[]): Promise<void> {
  const marker = markerOf(data.database);
  const found = await findIssue(github, marker, authors);
  const isOffering = data.changes.length > 0;
  if (!found && !isOffering) return;
  const title = `Indexes: ${data.changes.length} proved changes for ${data.database.replace(/[@#\s]+/g, ' ')}`;
  const body = issueBody(data);
  if (!found) {
    await github.request('POST /repos/{owner}/{repo}/issues', { title, body, labels: [adviceLabel] });
    return;
  }
  const state = isOffering ? 'open' : 'closed';
  if (found.body?.replaceAll('\r\n', '\n') === body && found.state === state && found.title === title) return;
  await github.request('PATCH /repos/{owner}/{repo}/issues/{number}', {
    number: found.number,
    title,
    body,
    state,
    ...(state === 'closed' && { state_reason: 'completed' }),
  });
}

export function issueBody(data: AdviseData): string {
  const marker = markerOf(data.database);
  return `${marker}\n${evidence(data, mostCharacters - marker.length - 1)}`;
}

/** The oldest that is ours: should two runs have opened one each, the same one is kept from then on. */
async function findIssue(github: GitHub, marker: string, authors: readonly string[]): Promise<Issue | undefined> {
  const list = github.paginate(
    'GET /repos/{owner}/{repo}/issues',
    { state: 'all', labels: adviceLabel, sort: 'created', direction: 'asc' },
    { mostPages: 5 },
  );
  for await (const raw of list) {
    const parsed = issueSchema.safeParse(raw);
    if (!parsed.success || parsed.data.pull_request || !parsed.data.user) continue;
    const { login, type } = parsed.data.user;
    const isProgram = type === 'Bot' || login.endsWith('[bot]') || authors.includes(login);
    if (isProgram && parsed.data.body?.startsWith(marker)) return parsed.data;
  }
  return undefined;
}

/** A name cannot end the comment that it stands in. */
function markerOf(database: string): string {
  return `<!-- production-ops advice ${Buffer.from(database).toString('base64url')} -->`;
}
