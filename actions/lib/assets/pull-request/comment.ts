import { z } from 'zod';
import { type GitHub, GitHubError, isProgram, onceOnly } from '../../github/index.ts';

/** Where a pull request has several checks, each has a name, and its own comment. */
export const checkNameSchema = z.string().regex(/^[\w-]{1,40}$/);

export interface CommentInput {
  /** Of the pull request. */
  number: number;
  /** Of the check. */
  name: string | null;
  body: string;
  /** Later ones are larger: what an earlier run says does not replace what a later one said. */
  run: { id: number; attempt: number };
  /** False: only a comment that is there already is brought up to date. */
  mayCreate: boolean;
}

export type CommentDone = 'created' | 'updated' | 'unchanged' | 'superseded' | 'none';

const commentSchema = z.object({
  id: z.int(),
  body: z.string().nullish(),
  user: z.object({ login: z.string(), type: z.string().optional() }).nullable(),
});

interface OwnComment {
  id: number;
  body: string;
  run: { id: number; attempt: number };
}

/**
 * One comment, found by its marker and its author, and edited in place. Two runs that both found none, and both wrote one,
 * end with the first: each looks again after it has written, and who is not the first takes its own away.
 */
export async function upsertComment(github: GitHub, input: CommentInput): Promise<CommentDone> {
  const authors = await ownLogins(github);
  const body = `${markerOf(input)}\n${input.body}`;
  const [first] = await ownComments(github, input, authors);
  if (first) return update(github, first, input, body);
  if (!input.mayCreate) return 'none';

  const mine = await create(github, input, body, authors);
  const [oldest] = await ownComments(github, input, authors);
  if (!oldest || oldest.id === mine) return 'created';
  const done = await update(github, oldest, input, body);
  await github.request('DELETE /repos/{owner}/{repo}/issues/comments/{id}', { id: mine }).catch((error: unknown) => {
    if (!(error instanceof GitHubError) || error.status !== 404) throw error;
  });
  return done;
}

function markerOf({ name, run: { id, attempt } }: Pick<CommentInput, 'name' | 'run'>): string {
  return `<!-- production-ops:assets${name === null ? '' : `:${name}`} run=${id}.${attempt} -->`;
}

const marker = /^<!-- production-ops:assets(?::([\w-]+))? run=(\d+)\.(\d+) -->/;

/** Oldest first. What a person wrote is not ours, whatever it begins with. */
async function ownComments(
  github: GitHub,
  { number, name }: Pick<CommentInput, 'number' | 'name'>,
  authors: readonly string[],
): Promise<OwnComment[]> {
  const own: OwnComment[] = [];
  const list = github.paginate('GET /repos/{owner}/{repo}/issues/{number}/comments', { number });
  for await (const raw of list) {
    const comment = commentSchema.safeParse(raw).data;
    const match = marker.exec(comment?.body ?? '');
    if (!comment?.user || !match || (match[1] ?? null) !== name) continue;
    if (!isProgram(comment.user, authors)) continue;
    own.push({ id: comment.id, body: comment.body!, run: { id: Number(match[2]), attempt: Number(match[3]) } });
  }
  return own.sort((a, b) => a.id - b.id);
}

async function update(github: GitHub, comment: OwnComment, { run }: CommentInput, body: string): Promise<CommentDone> {
  const isOlder = run.id < comment.run.id || (run.id === comment.run.id && run.attempt < comment.run.attempt);
  if (isOlder) return 'superseded';
  // The web editor ends lines with CRLF.
  if (comment.body.replaceAll('\r\n', '\n') === body) return 'unchanged';
  await github.request('PATCH /repos/{owner}/{repo}/issues/comments/{id}', { id: comment.id, body });
  return 'updated';
}

/** @returns its id, also when the answer was lost and it is found in the list */
async function create(github: GitHub, input: CommentInput, body: string, authors: readonly string[]): Promise<number> {
  const make = async () => {
    const { data } = await github.request<{ id: number }>('POST /repos/{owner}/{repo}/issues/{number}/comments', {
      number: input.number,
      body,
    });
    return data.id;
  };
  const find = async () =>
    (await ownComments(github, input, authors)).find(({ body: of }) => of.startsWith(markerOf(input)))?.id;
  return onceOnly(make, find);
}

/** A person's token writes as that person. Tokens of Actions and of apps may not ask who they are, and are bots. */
async function ownLogins(github: GitHub): Promise<string[]> {
  try {
    const { data } = await github.request<{ login: string }>('GET /user');
    return [data.login];
  } catch (error) {
    if (error instanceof GitHubError && (error.status === 403 || error.status === 404)) return [];
    throw error;
  }
}
