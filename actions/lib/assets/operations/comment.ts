import { z } from 'zod';
import { requireGitHub } from '../../github/index.ts';
import type { Operation } from '../../reports/index.ts';
import {
  commentBody,
  type FinishedRun,
  mostReviewBytes,
  parseReviewFile,
  pullRequestsOf,
  readArtifactFile,
  reviewFileName,
  upsertComment,
} from '../pull-request/index.ts';

export interface AssetsCommentInput {
  /** The run of the check, as GitHub itself tells of it. */
  run: FinishedRun;
  /** The artifact that holds what it found. */
  artifact: string;
}

const dataSchema = z.strictObject({
  pullRequest: z.int().nullable(),
  comment: z
    .enum(['created', 'updated', 'unchanged', 'superseded', 'none', 'stale'])
    .describe('stale: no open pull request has the commit as its head any more'),
});
export type AssetsCommentData = z.infer<typeof dataSchema>;

/**
 * Comments on a pull request whose own run may not, with what that run found, and without running any of its code. Which
 * pull request it is comes from GitHub: the open one whose head is the commit of the run.
 *
 * Throws `ASSETS_REVIEW`, and what the GitHub client throws.
 */
export const assetsCommentOperation: Operation<AssetsCommentInput, AssetsCommentData> = {
  kind: 'assets.comment',
  dataSchema,
  async execute({ run, artifact }, context) {
    const github = requireGitHub(context, "'actions: read' and 'pull-requests: write'");
    const done = (pullRequest: number | null, comment: AssetsCommentData['comment']) => ({
      data: { pullRequest, comment },
      checks: [],
      isDryRun: true,
    });
    const candidates = await pullRequestsOf(github, run);
    if (candidates.length === 0) return done(null, 'stale');
    const file = { run: run.id, artifact, file: reviewFileName, mostBytes: mostReviewBytes };
    const bytes = await readArtifactFile(github, file);
    // The check could comment itself.
    if (!bytes) return done(null, 'none');
    const review = parseReviewFile(bytes);
    // One branch may be proposed for several; only among those the file has a say.
    const number = candidates.length === 1 ? candidates[0] : candidates.find(each => each === review.pullRequest);
    if (number === undefined) return done(null, 'stale');
    const comment = await upsertComment(github, {
      number,
      name: review.name,
      body: commentBody({ ...review, headSha: run.headSha, runUrl: run.url }),
      run,
      mayCreate: review.data.files > 0 || review.checks.some(({ status }) => status !== 'ok'),
    });
    return done(number, comment);
  },
  lines: ({ data }) => (data ? [sentence(data)] : []),
  summary: ({ data, error }) =>
    `## Assets: comment\n\n${data ? sentence(data) : error ? `${error.code}: nothing was written.` : ''}\n`,
};

function sentence({ pullRequest, comment }: AssetsCommentData): string {
  if (comment === 'stale') return 'No open pull request has this commit as its head: nothing was written.';
  if (pullRequest === null) return 'The check handed nothing over: it has commented itself, or had nothing to say.';
  return `Pull request ${pullRequest}: comment ${comment === 'none' ? 'not needed' : comment}.`;
}
