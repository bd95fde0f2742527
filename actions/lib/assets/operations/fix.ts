import { join } from 'node:path';
import type { GitHub } from '../../github/index.ts';
import { formatBytes, formatCount } from '../../log/index.ts';
import type { AssetCache } from '../cache/index.ts';
import { commitSmaller, type PullRequest, type Replacement, smallerFiles, writePatch } from '../pull-request/index.ts';
import type { FileResult } from '../result.ts';

export interface FixInput {
  fix: 'none' | 'commit' | 'patch';
  pullRequest: PullRequest;
  /** Absolute, where a patch goes. */
  folder: string;
  /** Absolute. */
  root: string;
  results: readonly FileResult[];
  cache: AssetCache;
  signal: AbortSignal;
}

export interface Fixed {
  /** What happened, for a person; null for nothing. */
  text: string | null;
  /** Paths of what was committed. */
  committed: readonly string[];
  /** The file. */
  patch: string | null;
}

/** Does with what could be smaller what is asked for. Throws what `commitSmaller` throws. */
export async function applyFix(github: GitHub, input: FixInput): Promise<Fixed> {
  const { fix, root, results, cache, pullRequest } = input;
  const replacements = fix === 'none' ? [] : smallerFiles(root, results, cache);
  if (replacements.length === 0) return { text: null, committed: [], patch: null };
  // A branch of another repository is not ours to write to.
  if (fix === 'patch' || pullRequest.isFork) return patched(input, replacements);
  const { sha, committed, skipped, waiting } = await commitSmaller(github, {
    branch: pullRequest.headRef,
    replacements,
    message: files => `Make ${files.length === 1 ? files[0] : filesOf(files.length)} smaller`,
    protectedHint: 'Use fix: patch, or let this token bypass the rule.',
    signal: input.signal,
  });
  const left = [
    sha === null
      ? 'Nothing was committed.'
      : `${filesOf(committed.length)} made smaller by commit ${sha.slice(0, 12)}.`,
    skipped.length > 0 ? `${filesOf(skipped.length)} left, since the branch has another version.` : '',
    waiting > 0 ? `${filesOf(waiting)} more than one commit takes: run it again.` : '',
  ];
  return { text: left.filter(Boolean).join(' '), committed, patch: null };
}

async function patched({ folder, signal }: FixInput, replacements: readonly Replacement[]): Promise<Fixed> {
  const path = join(folder, 'assets.patch');
  const { files, bytes } = await writePatch(path, replacements, signal);
  const text = `The run has a patch with ${filesOf(files)} made smaller (${formatBytes(bytes)}): git apply assets.patch`;
  return { text, committed: [], patch: path };
}

function filesOf(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'file' : 'files'}`;
}
