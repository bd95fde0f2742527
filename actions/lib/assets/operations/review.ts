import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { type GitHub, GitHubError, requireGitHub } from '../../github/index.ts';
import type { Check, Operation } from '../../reports/index.ts';
import { annotationsOf } from '../annotations.ts';
import { openCache } from '../cache/index.ts';
import { type AssetsData, assetsDataSchema } from '../data.ts';
import { changedFiles, commentBody, type PullRequest, reviewFileName, upsertComment } from '../pull-request/index.ts';
import { bytesAfter } from '../result.ts';
import { runTree, type TreeRun } from '../run-tree.ts';
import { linesOf, summaryOf } from '../text-of.ts';
import { finish, writeWhole } from './finish.ts';
import { applyFix } from './fix.ts';

export interface AssetsReviewInput {
  pullRequest: PullRequest;
  globs: readonly string[];
  /** Of this check, where a pull request has several. */
  name: string | null;
  /** What is done with what could be smaller: a commit on the branch, a patch to apply, or nothing. */
  fix: 'none' | 'commit' | 'patch';
  comment: boolean;
  /** Absolute, and outside of the tree: where the patch goes, and what is handed to the workflow that may comment. */
  folder: string;
  run: { id: number; attempt: number; url: string | null };
}

const reviewDataSchema = assetsDataSchema.extend({
  pullRequest: z.int(),
  headSha: z.string(),
  fix: z.string().nullable().describe('What happened to the smaller files'),
  comment: z.enum(['created', 'updated', 'unchanged', 'superseded', 'none', 'refused']).nullable(),
  patch: z.string().nullable().describe('The file with the patch'),
  results: z.string().nullable().describe('The file for the workflow that comments'),
});
export type AssetsReviewData = z.infer<typeof reviewDataSchema>;

/**
 * The files that a pull request changes, and no other: one comment, annotations, and what could be smaller as a commit or a
 * patch. Where this run may not comment, what it would say is written to a file for one that may.
 *
 * Throws what `changedFiles`, `runTree` and `commitSmaller` throw.
 */
export const assetsReviewOperation: Operation<AssetsReviewInput, AssetsReviewData> = {
  kind: 'assets.review',
  dataSchema: reviewDataSchema,
  async execute(input, context) {
    const { pullRequest, globs, folder } = input;
    const github = requireGitHub(context, "'contents: read' and 'pull-requests: write'");
    const only = await changedFiles(github, pullRequest.number);
    const run = await runTree({ mode: 'check', globs, only, inPlace: false }, context);
    const fix = await fixOf(input, run, context, github);
    const taken = new Set(fix.committed);
    const { data, checks } = await finish(
      {
        ...run,
        weighed: weighedAfter(run, taken),
        only,
        mode: 'check',
        kind: 'assets.review',
        shard: null,
        isTaken: ({ path }) => taken.has(path),
        manifest: null,
      },
      context,
    );
    const review = { data, checks, fix: fix.text };
    const comment = input.comment && !pullRequest.isFork ? await say(input, review, context, github) : null;
    const isHandedOver = input.comment && (comment === null || comment === 'refused');
    const results = isHandedOver ? join(folder, reviewFileName) : null;
    if (results !== null) await writeReview(results, input, review);
    return {
      data: {
        ...data,
        pullRequest: pullRequest.number,
        headSha: pullRequest.headSha,
        fix: fix.text,
        comment,
        patch: fix.patch,
        results,
      },
      checks,
    };
  },
  lines: report => [...linesOf(report), ...(report.data?.fix ? [report.data.fix] : [])],
  summary: summaryOf,
  annotations: annotationsOf,
};

async function fixOf(input: AssetsReviewInput, run: TreeRun, context: OpsContext, github: GitHub) {
  const { config, cwd, now, signal } = context;
  const { path, keepDays } = config.assets.cache;
  return applyFix(github, {
    ...input,
    root: await realpath(cwd),
    results: run.results,
    cache: await openCache({ folder: resolve(cwd, path), keepDays, now }),
    signal,
  });
}

/** Budgets are held against what is on the branch now. */
function weighedAfter({ weighed, results }: TreeRun, taken: ReadonlySet<string>): TreeRun['weighed'] {
  const after = new Map(results.filter(({ path }) => taken.has(path)).map(result => [result.path, bytesAfter(result)]));
  return weighed.map(each => ({ ...each, bytes: after.get(each.path) ?? each.bytes }));
}

interface Review {
  data: AssetsData;
  checks: Check[];
  fix: string | null;
}

async function writeReview(path: string, { pullRequest, name }: AssetsReviewInput, review: Review): Promise<void> {
  const file = { schema: 'production-ops/assets-review/1', pullRequest: pullRequest.number, name, ...review };
  await writeWhole(path, JSON.stringify(file));
}

/** A token that may not comment (of a fork, of Dependabot, of a job without the grant) is no failure of the check. */
async function say(
  { pullRequest, name, run }: AssetsReviewInput,
  review: Review,
  { log }: OpsContext,
  github: GitHub,
): Promise<NonNullable<AssetsReviewData['comment']>> {
  try {
    return await upsertComment(github, {
      number: pullRequest.number,
      name,
      body: commentBody({ ...review, name, headSha: pullRequest.headSha, runUrl: run.url }),
      run,
      mayCreate: review.data.files > 0 || review.checks.some(({ status }) => status !== 'ok'),
    });
  } catch (error) {
    if (!(error instanceof GitHubError)) throw error;
    log.warn(`The comment could not be written: ${error.message}. ${error.hint ?? ''}`);
    return 'refused';
  }
}
