import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import type { GitHub } from '../../github/index.ts';
import { formatBytes } from '../../log/index.ts';
import type { Check, Operation } from '../../reports/index.ts';
import { annotationsOf } from '../annotations.ts';
import { openCache } from '../cache/index.ts';
import { type AssetsData, assetsDataSchema } from '../data.ts';
import { githubOf } from '../github-of.ts';
import {
  binaryPatch,
  changedFiles,
  commentBody,
  commitSmaller,
  type PullRequest,
  type ReviewFile,
  smallerFiles,
  upsertComment,
} from '../pull-request/index.ts';
import type { FileResult } from '../result.ts';
import { runTree } from '../run-tree.ts';
import { linesOf, summaryOf } from '../text-of.ts';
import { finish, writeWhole } from './finish.ts';

export interface AssetsReviewInput {
  pullRequest: PullRequest;
  globs: readonly string[];
  /** What is done with what could be smaller: a commit on the branch, a patch to apply, or nothing. */
  fix: 'none' | 'commit' | 'patch';
  /** Where the patch goes. */
  patch: string;
  comment: boolean;
  /** File for the workflow that comments, where this one may not (forks). */
  results: string | undefined;
  run: { id: number; attempt: number; url: string | null };
}

const reviewDataSchema = assetsDataSchema.extend({
  pullRequest: z.int(),
  headSha: z.string(),
  fix: z.string().nullable().describe('What happened to the smaller files'),
  comment: z.string().nullable(),
});
export type AssetsReviewData = z.infer<typeof reviewDataSchema>;

/**
 * The files that a pull request changes, and no other: one comment, annotations, and what could be smaller as a commit or a
 * patch. Throws what `changedFiles` and `runTree` throw; a comment that may not be written is a warning.
 */
export const assetsReviewOperation: Operation<AssetsReviewInput, AssetsReviewData> = {
  kind: 'assets.review',
  dataSchema: reviewDataSchema,
  async execute(input, context) {
    const { pullRequest, globs } = input;
    const github = githubOf(context, "'pull-requests: write'");
    const only = await changedFiles(github, pullRequest.number);
    const run = await runTree({ mode: 'check', globs, only, inPlace: false, ownFiles: [input.patch] }, context);
    const fix = await applyFix(input, run.results, context, github);
    const { data, checks } = await finish(
      { ...run, mode: 'check', kind: 'assets.review', shard: null, isTaken: fix.isCommitted, manifest: null },
      context,
    );
    const review: Review = { data, checks, fix: fix.text };
    if (input.results !== undefined) await writeResults(input, review, context);
    const comment = input.comment && !pullRequest.isFork ? await say(input, review, context, github) : null;
    return {
      data: { ...data, pullRequest: pullRequest.number, headSha: pullRequest.headSha, fix: fix.text, comment },
      checks,
    };
  },
  lines: report => [...linesOf(report), ...(report.data?.fix ? [report.data.fix] : [])],
  summary: summaryOf,
  annotations: annotationsOf,
};

interface Review {
  data: AssetsData;
  checks: Check[];
  fix: string | null;
}

async function applyFix(
  { fix, patch, pullRequest }: AssetsReviewInput,
  results: readonly FileResult[],
  context: OpsContext,
  github: GitHub,
): Promise<{ isCommitted: boolean; text: string | null }> {
  if (fix === 'none' || results.every(({ after }) => after === null)) return { isCommitted: false, text: null };
  const { config, cwd, now, signal } = context;
  const { path, keepDays } = config.assets.cache;
  const cache = await openCache({ folder: resolve(cwd, path), keepDays, now });
  const files = await smallerFiles(await realpath(cwd), results, cache);
  // A branch of another repository is not ours to write to.
  if (fix === 'patch' || pullRequest.isFork) {
    const text = binaryPatch(files);
    await writeWhole(resolve(cwd, patch), text);
    return {
      isCommitted: false,
      text: `The smaller files are in the patch of the run (${formatBytes(text.length)}): git apply <file>.`,
    };
  }
  const {
    sha,
    files: count,
    skipped,
  } = await commitSmaller(github, {
    branch: pullRequest.headRef,
    files,
    message: `Make ${files.length === 1 ? files[0]!.path : `${files.length} files`} smaller`,
    signal,
  });
  const left = skipped.length > 0 ? ` ${skipped.length} differ on the branch and were left.` : '';
  return {
    isCommitted: sha !== null && skipped.length === 0,
    text:
      sha === null
        ? `Nothing was committed.${left}`
        : `${count} smaller files were committed as ${sha.slice(0, 12)}.${left}`,
  };
}

async function writeResults(
  input: AssetsReviewInput,
  { data, checks, fix }: Review,
  { cwd }: OpsContext,
): Promise<void> {
  const { number, headSha } = input.pullRequest;
  const file: ReviewFile = {
    schema: 'production-ops/assets-review/1',
    pullRequest: number,
    headSha,
    runUrl: input.run.url,
    fix,
    checks,
    data,
  };
  await writeWhole(resolve(cwd, input.results!), JSON.stringify(file));
}

async function say(
  { pullRequest, run }: AssetsReviewInput,
  review: Review,
  { log, signal }: OpsContext,
  github: GitHub,
): Promise<string | null> {
  try {
    return await upsertComment(github, {
      number: pullRequest.number,
      body: commentBody({ ...review, headSha: pullRequest.headSha, runUrl: run.url }),
      run,
      mayCreate: review.data.files > 0,
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    log.warn(`The comment could not be written: ${(error as Error).message}`);
    return null;
  }
}
