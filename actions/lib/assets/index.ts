export { blobPath } from './blobs.ts';
export type { AssetsData } from './data.ts';
export {
  createImagePool,
  type ImagePool,
  imageSettingsSchema,
  type RgbPixels,
  type StoredOutcome,
  ssimulacra2,
} from './images/index.ts';
export {
  type Manifest,
  type ManifestAsset,
  type ManifestVariant,
  manifestSchema,
  type PictureOptions,
  pictureOf,
  srcsetsOf,
} from './manifest/index.ts';
export { type AssetsCheckInput, assetsCheckOperation } from './operations/check.ts';
export { type AssetsCommentData, type AssetsCommentInput, assetsCommentOperation } from './operations/comment.ts';
export { type AssetsMergeInput, assetsMergeOperation } from './operations/merge.ts';
export { type AssetsOptimizeInput, assetsOptimizeOperation } from './operations/optimize.ts';
export { type AssetsProposeData, type AssetsProposeInput, assetsProposeOperation } from './operations/propose.ts';
export { type AssetsReviewData, type AssetsReviewInput, assetsReviewOperation } from './operations/review.ts';
export {
  type FinishedRun,
  type PullRequest,
  readFinishedRun,
  readPullRequest,
  readThisRun,
} from './pull-request/index.ts';
export { parseShard, type Shard } from './shard.ts';
