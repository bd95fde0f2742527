import { resolve } from 'node:path';
import { z } from 'zod';
import type { Operation } from '../../reports/index.ts';
import { githubOf } from '../github-of.ts';
import { commentBody, type FinishedRun, readReviewFile, upsertComment } from '../pull-request/index.ts';

export interface AssetsCommentInput {
  /** What the check wrote. */
  results: string;
  /** The run of the check, as GitHub itself tells of it. */
  run: FinishedRun;
}

const dataSchema = z.strictObject({
  pullRequest: z.int(),
  comment: z.enum(['created', 'updated', 'unchanged', 'superseded', 'none', 'stale']),
});
export type AssetsCommentData = z.infer<typeof dataSchema>;

/**
 * Comments on a pull request of a fork with what its own run found, without running any of its code. Which pull request it
 * is, the file says, and GitHub must agree: its head is the commit that the run was about. Otherwise nothing is written.
 *
 * Throws `ASSETS_REVIEW`, and what the GitHub client throws.
 */
export const assetsCommentOperation: Operation<AssetsCommentInput, AssetsCommentData> = {
  kind: 'assets.comment',
  dataSchema,
  async execute({ results, run }, context) {
    const review = await readReviewFile(resolve(context.cwd, results));
    const github = githubOf(context, "'pull-requests: write'");
    const { pullRequest: number } = review;
    const { data: pull } = await github.request<{ state: string; head: { sha: string } }>(
      'GET /repos/{owner}/{repo}/pulls/{number}',
      { number },
    );
    if (pull.head.sha !== run.headSha || review.headSha !== run.headSha || pull.state !== 'open') {
      return { data: { pullRequest: number, comment: 'stale' }, checks: [], isDryRun: true };
    }
    const comment = await upsertComment(github, {
      number,
      body: commentBody({
        ...review,
        headSha: run.headSha,
        runUrl: safeRunUrl(review.runUrl, context.secrets.githubServerUrl),
      }),
      run: { id: run.id, attempt: 1 },
      mayCreate: review.data.files > 0,
    });
    return { data: { pullRequest: number, comment }, checks: [], isDryRun: true };
  },
  lines: ({ data }) => (data ? [`Pull request ${data.pullRequest}: the comment is ${data.comment}`] : []),
  summary: ({ data }) => (data ? `## Assets: comment ${data.comment}\n\nPull request ${data.pullRequest}.\n` : ''),
};

/** Only to a run on this GitHub. */
function safeRunUrl(url: string | null, server = 'https://github.com'): string | null {
  return url?.startsWith(`${server.replace(/\/+$/, '')}/`) ? url : null;
}
