import { setTimeout as wait } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import type { GitHub } from './client.ts';
import { GitHubError } from './failures.ts';
import { defaultBranch } from './repository.ts';
import { type Head, headOf, ObjectCache } from './tree.ts';

/**
 * A file's whole new text, or null to remove it, or what gives its bytes: these keep the mode of the file that they
 * replace, are asked for one after the other, and once however often the commit is tried.
 */
export type NewContent = string | null | (() => Promise<Uint8Array>);

export interface CommitOptions {
  /** Default: the repository's default branch. Another one that is missing is made, without a past. */
  branch?: string | undefined;
  /** A function is asked after `files`. */
  message: string | (() => string);
  /**
   * What is to change; nothing for no commit. Asked again, with what is there then, when another commit came first: all
   * that follows from what it reads must be derived again.
   */
  files: (head: Head) => Promise<ReadonlyMap<string, NewContent>>;
  /** What to do about a branch whose rules refuse the commit. Default: another `reports.branch`. */
  protectedHint?: string;
  signal: AbortSignal;
  /** How often it is tried when others write at the same time. */
  tries?: number;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  random?: () => number;
}

export interface Committed {
  branch: string;
  /** Of the commit; of the head when there was nothing to change. */
  sha: string | null;
  isChanged: boolean;
  /** How many commits were made until one was not overtaken. */
  tries: number;
}

const defaultTries = 30;

/**
 * One commit by the Git Data API, without a checkout and never forced: either all files change or none. Without an
 * author GitHub signs the commit for whom the token belongs to.
 *
 * @throws OpsError `GITHUB_CONFLICT` when others were faster at every try, `GITHUB_PROTECTED` when a rule keeps the
 * branch, `GITHUB_NOT_FOUND` when the default branch does not exist, and what `request` throws
 */
export async function commitFiles(github: GitHub, options: CommitOptions): Promise<Committed> {
  const { signal, files, message, protectedHint, tries = defaultTries } = options;
  const branch = options.branch ?? (await defaultBranch(github));
  const cache = new ObjectCache(github);
  const blobs: Blobs = new Map();
  for (let number = 1; number <= tries; number++) {
    signal.throwIfAborted();
    if (number > 1) await pause(number, options);
    const base = await readHead(github, branch);
    if (base === null) await refuseDefaultBranch(github, branch);
    const head = headOf(cache, base);
    const changes = await files(head);
    const said = typeof message === 'function' ? message() : message;
    const commit = await makeCommit(github, base, { changes, message: said, head, blobs });
    if (commit === null) return { branch, sha: base?.sha ?? null, isChanged: false, tries: number };
    if (await moveBranch(github, { branch, base, commit, protectedHint }))
      return { branch, sha: commit, isChanged: true, tries: number };
  }
  throw new OpsError('GITHUB_CONFLICT', `Branch ${branch} was changed by others ${tries} times in a row`, {
    hint: 'Run it again. If this happens often, give the workflows that write one concurrency group with queue: max.',
  });
}

interface Commit {
  sha: string;
  treeSha: string;
}

async function readHead(github: GitHub, branch: string): Promise<Commit | null> {
  const sha = await branchSha(github, branch);
  if (sha === null) return null;
  const { data } = await github.request<{ tree: { sha: string } }>('GET /repos/{owner}/{repo}/git/commits/{sha}', {
    sha,
  });
  return { sha, treeSha: data.tree.sha };
}

/** The commit that a branch is at; null when it is not there, or the repository is empty. */
export async function branchSha(github: GitHub, branch: string): Promise<string | null> {
  try {
    const { data } = await github.request<{ object: { sha: string } }>(`GET /repos/{owner}/{repo}/git/ref/{+ref}`, {
      ref: refOf(branch),
    });
    return data.object.sha;
  } catch (error) {
    // 409: the repository is empty.
    if (error instanceof GitHubError && (error.status === 404 || error.status === 409)) return null;
    throw error;
  }
}

/** A branch may be called `team/reports`; its slashes stay, the rest is encoded. */
function refOf(branch: string): string {
  return `heads/${branch.split('/').map(encodeURIComponent).join('/')}`;
}

/** A default branch that is missing means an empty repository, or a token that sees nothing: not ours to found. */
async function refuseDefaultBranch(github: GitHub, branch: string): Promise<void> {
  if ((await defaultBranch(github)) !== branch) return;
  throw new OpsError('GITHUB_NOT_FOUND', `${github.repository} has no branch ${branch} yet`, {
    hint: 'Push a first commit.',
  });
}

/** The hashes of what was sent already. */
type Blobs = Map<() => Promise<Uint8Array>, string>;

interface Changes {
  changes: ReadonlyMap<string, NewContent>;
  message: string;
  head: Head;
  blobs: Blobs;
}

/** @returns the hash of the commit; null when nothing differs from the base */
async function makeCommit(
  github: GitHub,
  base: Commit | null,
  { changes, message, head, blobs }: Changes,
): Promise<string | null> {
  const tree: object[] = [];
  for (const [path, content] of changes) {
    if (typeof content === 'function') {
      const mode = (await head.entry(path))?.mode ?? '100644';
      const sha = blobs.get(content) ?? (await makeBlob(github, await content()));
      blobs.set(content, sha);
      tree.push({ path, mode, type: 'blob', sha });
    } else tree.push({ path, mode: '100644', type: 'blob', ...(content === null ? { sha: null } : { content }) });
  }
  if (tree.length === 0) return null;
  // Made twice, an object is the same, or one that nothing refers to.
  const { data: made } = await github.request<{ sha: string }>(
    'POST /repos/{owner}/{repo}/git/trees',
    { ...(base && { base_tree: base.treeSha }), tree },
    { isRepeatable: true },
  );
  if (made.sha === base?.treeSha) return null;
  const { data: commit } = await github.request<{ sha: string }>(
    'POST /repos/{owner}/{repo}/git/commits',
    { message, tree: made.sha, parents: base ? [base.sha] : [] },
    { isRepeatable: true },
  );
  return commit.sha;
}

/** A tree takes text; what is none is sent before it. */
async function makeBlob(github: GitHub, bytes: Uint8Array): Promise<string> {
  const { data } = await github.request<{ sha: string }>(
    'POST /repos/{owner}/{repo}/git/blobs',
    { content: Buffer.from(bytes).toString('base64'), encoding: 'base64' },
    { isRepeatable: true },
  );
  return data.sha;
}

/** @returns false when another commit came first */
async function moveBranch(
  github: GitHub,
  {
    branch,
    base,
    commit,
    protectedHint,
  }: { branch: string; base: Commit | null; commit: string; protectedHint: string | undefined },
): Promise<boolean> {
  try {
    if (base === null) {
      await github.request('POST /repos/{owner}/{repo}/git/refs', { ref: `refs/heads/${branch}`, sha: commit });
    } else {
      await github.request(
        'PATCH /repos/{owner}/{repo}/git/refs/{+ref}',
        { ref: refOf(branch), sha: commit, force: false },
        // Repeated after others have built on it, a move that was made would look like one that was refused.
        { isRepeatable: false },
      );
    }
    return true;
  } catch (error) {
    if (!(error instanceof GitHubError)) throw error;
    const now = await branchSha(github, branch);
    if (error.mayHaveHappened) return now !== null && (await contains(github, now, commit));
    if (now !== (base?.sha ?? null) || isMoved(error)) return false;
    throw protectedBranch(error, branch, protectedHint);
  }
}

/** Whether a commit is the head, or what the head was built on. */
async function contains(github: GitHub, head: string, commit: string): Promise<boolean> {
  if (head === commit) return true;
  const { data } = await github.request<{ status: string }>('GET /repos/{owner}/{repo}/compare/{basehead}', {
    basehead: `${commit}...${head}`,
    per_page: 1,
  });
  return data.status === 'ahead';
}

/** The answers differ between what finds it out: the check, the lock of the ref, the name that exists meanwhile. */
function isMoved({ status, reason }: GitHubError): boolean {
  return status === 409 || /fast.?forward|already exists|but expected|cannot lock ref|cannot be updated$/i.test(reason);
}

function protectedBranch(error: GitHubError, branch: string, hint: string | undefined): OpsError {
  const isRule = error.status === 422 || (error.status === 403 && /protected|rule/i.test(error.reason));
  if (!isRule) return error;
  return new OpsError(
    'GITHUB_PROTECTED',
    `Branch ${branch} is protected and takes no commit of this token: ${error.reason}`,
    {
      hint:
        hint ??
        "Set reports.branch to a branch without rules, e.g. 'reports' (it is made when missing), or let this token bypass the rule.",
      cause: error,
    },
  );
}

const firstDelayMs = 100;
const longestDelayMs = 4_000;

/** Full jitter: those who were overtaken together must not come back together. */
async function pause(number: number, { signal, sleep, random = Math.random }: CommitOptions): Promise<void> {
  const milliseconds = random() * Math.min(longestDelayMs, firstDelayMs * 2 ** number);
  if (sleep) await sleep(milliseconds, signal);
  else await wait(milliseconds, undefined, { signal });
}
