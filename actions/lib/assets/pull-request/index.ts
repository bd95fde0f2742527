export { commentBody } from './body.ts';
export { changedFiles } from './changed-files.ts';
export { type CommentDone, upsertComment } from './comment.ts';
export { commitSmaller } from './commit.ts';
export { type FinishedRun, type PullRequest, readFinishedRun, readPullRequest } from './event.ts';
export { binaryPatch } from './patch.ts';
export { type Proposed, propose } from './propose.ts';
export { type ReviewFile, readReviewFile } from './review-file.ts';
export { smallerFiles } from './smaller-files.ts';
