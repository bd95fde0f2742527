export type { AssetsData } from './data.ts';
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
export { type AssetsMergeInput, assetsMergeOperation } from './operations/merge.ts';
export { type AssetsOptimizeInput, assetsOptimizeOperation } from './operations/optimize.ts';
export { parseShard, type Shard } from './shard.ts';
