import { commitFiles, type GitHub, type Head, type NewContent } from '../../github/index.ts';
import { gitBlobSha } from './git-blob.ts';
import type { ReplacedFile, Replacement } from './smaller-files.ts';

/**
 * Most replacements of one commit: each is a request that makes content, of which GitHub takes 500 an hour (REST, "Rate
 * limits", secondary limits), and 1,000 requests are all that GITHUB_TOKEN has in an hour for the whole repository.
 */
const mostReplacements = 400;

export interface CommittedFiles {
  /** Null when there was nothing to commit. */
  sha: string | null;
  /** Paths of the sources that were replaced. */
  committed: string[];
  /** On the branch these are neither what they were here nor what they would be. */
  skipped: string[];
  /** More than one commit takes: the next run goes on. */
  waiting: number;
}

export interface SmallerCommit {
  branch: string;
  /** Those that matter most first. */
  replacements: readonly Replacement[];
  /** @param files the sources that are replaced */
  message: (files: readonly string[]) => string;
  protectedHint: string;
  signal: AbortSignal;
  most?: number;
}

/**
 * One commit with the smaller files, for those that are on the branch the very ones that they were made of; of a branch
 * that moves meanwhile, those that still are. Never forced. Throws what `commitFiles` throws.
 */
export async function commitSmaller(github: GitHub, commit: SmallerCommit): Promise<CommittedFiles> {
  const { branch, message, protectedHint, signal } = commit;
  let plan: Plan = { changes: new Map(), committed: [], skipped: [], waiting: 0 };
  const done = await commitFiles(github, {
    branch,
    protectedHint,
    signal,
    message: () => message(plan.committed),
    async files(head) {
      plan = await planCommit(head, commit);
      return plan.changes;
    },
  });
  const { committed, skipped, waiting } = plan;
  return done.isChanged
    ? { sha: done.sha, committed, skipped, waiting }
    : { sha: null, committed: [], skipped, waiting };
}

interface Plan {
  changes: Map<string, NewContent>;
  committed: string[];
  skipped: string[];
  waiting: number;
}

async function planCommit(head: Head, { replacements, most = mostReplacements, signal }: SmallerCommit): Promise<Plan> {
  const plan: Plan = { changes: new Map(), committed: [], skipped: [], waiting: 0 };
  for (const { files } of replacements) {
    signal.throwIfAborted();
    if (plan.committed.length >= most) {
      plan.waiting++;
      continue;
    }
    const source = files[0]!.path;
    const states = await Promise.all(files.map(file => stateOf(file, head)));
    if (states.includes('other')) plan.skipped.push(source);
    else if (states.includes('open')) {
      plan.committed.push(source);
      for (const [at, { path, after }] of files.entries()) if (states[at] === 'open') plan.changes.set(path, after);
    }
  }
  return plan;
}

/** What a file is on the branch: still to be replaced, replaced by an earlier run, or something else. */
async function stateOf({ path, before, after }: ReplacedFile, head: Head): Promise<'open' | 'done' | 'other'> {
  const sha = (await head.entry(path))?.sha;
  if (sha === undefined) return 'other';
  const bytes = await before();
  if (bytes && gitBlobSha(bytes) === sha) return 'open';
  return gitBlobSha(await after()) === sha ? 'done' : 'other';
}
