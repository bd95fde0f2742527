import { OpsError } from '../../errors/index.ts';
import { branchSha, defaultBranch, type GitHub, GitHubError } from '../../github/index.ts';
import { formatCount } from '../../log/index.ts';
import { type CommittedFiles, commitSmaller } from './commit.ts';
import type { Replacement } from './smaller-files.ts';

export interface Proposal {
  branch: string;
  replacements: readonly Replacement[];
  /** What the pull request says of those that are in it. */
  describe: (inBranch: readonly Replacement[], waiting: number) => { title: string; body: string };
  signal: AbortSignal;
}

export interface Proposed {
  pullRequest: { number: number; url: string; isNew: boolean } | null;
  committed: CommittedFiles;
}

/**
 * One branch and one pull request, opened or brought up to date. A branch that is there gets the default branch merged
 * into it and a commit on top: what a person added to it stays, and nothing is ever forced.
 *
 * @throws OpsError `ASSETS_BRANCH` when the default branch cannot be merged into it, `GITHUB_PERMISSION`, and what
 * `request` and `commitFiles` throw
 */
export async function propose(github: GitHub, { branch, replacements, describe, signal }: Proposal): Promise<Proposed> {
  const base = await defaultBranch(github);
  if (branch === base) {
    throw new OpsError('CONFIG_INVALID', `assets.branch is ${branch}, which is the default branch`, {
      hint: 'Name a branch of its own, e.g. ops/assets.',
      exit: 'usage',
    });
  }
  const open = await openPullRequest(github, branch);
  const isThere = (await branchSha(github, branch)) !== null;
  // Nothing to do, and nothing that was begun: no branch is made for that.
  if (replacements.length === 0 && !isThere) {
    return { pullRequest: null, committed: { sha: null, committed: [], skipped: [], waiting: 0 } };
  }
  if (isThere) await mergeBase(github, branch, base);
  else await createBranch(github, branch, base);

  const committed = await commitSmaller(github, {
    branch,
    replacements,
    message: files => `Make ${files.length === 1 ? files[0] : `${formatCount(files.length)} files`} lighter`,
    protectedHint: 'Set assets.branch to a branch without rules, or let this token bypass the rule.',
    signal,
  });
  const inBranch = inBranchOf(replacements, committed);
  const { title, body } = describe(inBranch, committed.waiting);
  if (open) {
    if (inBranch.length === 0) return { pullRequest: { number: open.number, url: open.url, isNew: false }, committed };
    if (open.title !== title || open.body.replaceAll('\r\n', '\n') !== body) {
      await github.request('PATCH /repos/{owner}/{repo}/pulls/{number}', { number: open.number, title, body });
    }
    return { pullRequest: { number: open.number, url: open.url, isNew: false }, committed };
  }
  if (!(await isAhead(github, base, branch))) return { pullRequest: null, committed };
  return { pullRequest: await openNew(github, { branch, base, title, body }), committed };
}

/** Those of this run and of the runs before; what waits is at the end. */
function inBranchOf(replacements: readonly Replacement[], { skipped, waiting }: CommittedFiles): Replacement[] {
  const left = new Set(skipped);
  return replacements.slice(0, replacements.length - waiting).filter(({ files }) => !left.has(files[0]!.path));
}

interface OpenPullRequest {
  number: number;
  url: string;
  title: string;
  body: string;
}

async function openPullRequest(github: GitHub, branch: string): Promise<OpenPullRequest | undefined> {
  const [owner] = github.repository.split('/');
  const list = github.paginate<{
    number: number;
    html_url: string;
    title: string;
    body: string | null;
    head: { ref: string };
  }>('GET /repos/{owner}/{repo}/pulls', { state: 'open', head: `${owner}:${branch}` });
  for await (const { number, html_url: url, title, body, head } of list) {
    if (head.ref === branch) return { number, url, title, body: body ?? '' };
  }
  return undefined;
}

async function openNew(
  github: GitHub,
  { branch, base, title, body }: { branch: string; base: string; title: string; body: string },
): Promise<{ number: number; url: string; isNew: boolean }> {
  try {
    const { data } = await github.request<{ number: number; html_url: string }>('POST /repos/{owner}/{repo}/pulls', {
      title,
      head: branch,
      base,
      body,
    });
    return { number: data.number, url: data.html_url, isNew: true };
  } catch (error) {
    // Made although the answer was lost, or by another run: 422, "A pull request already exists".
    const found = await openPullRequest(github, branch);
    if (found) return { number: found.number, url: found.url, isNew: true };
    if (error instanceof GitHubError && error.status === 403) {
      throw new OpsError('GITHUB_PERMISSION', `The pull request could not be opened: ${error.reason}`, {
        hint: "The job needs 'pull-requests: write', and the repository Settings → Actions → General → Allow GitHub Actions to create pull requests.",
        cause: error,
      });
    }
    throw error;
  }
}

async function createBranch(github: GitHub, branch: string, base: string): Promise<void> {
  const sha = await branchSha(github, base);
  try {
    await github.request('POST /repos/{owner}/{repo}/git/refs', { ref: `refs/heads/${branch}`, sha });
  } catch (error) {
    if ((await branchSha(github, branch)) === null) throw error;
  }
}

async function mergeBase(github: GitHub, branch: string, base: string): Promise<void> {
  try {
    // Merged twice, there is nothing to merge the second time.
    await github.request(
      'POST /repos/{owner}/{repo}/merges',
      { base: branch, head: base, commit_message: `Merge ${base} into ${branch}` },
      { isRepeatable: true },
    );
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 409) throw error;
    throw new OpsError('ASSETS_BRANCH', `${base} cannot be merged into ${branch}: they have conflicts`, {
      hint: `Merge or close its pull request, or delete the branch ${branch}; the next run begins it anew.`,
      cause: error,
    });
  }
}

async function isAhead(github: GitHub, base: string, branch: string): Promise<boolean> {
  const [from, to] = [await branchSha(github, base), await branchSha(github, branch)];
  if (from === to) return false;
  const { data } = await github.request<{ status: string; files?: unknown[] }>(
    'GET /repos/{owner}/{repo}/compare/{basehead}',
    { basehead: `${from}...${to}`, per_page: 1 },
  );
  // Squashed into the base, the branch still has commits of its own, and nothing that differs.
  return (data.status === 'ahead' || data.status === 'diverged') && data.files?.length !== 0;
}
