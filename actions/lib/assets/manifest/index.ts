export { buildManifest, type ManifestOptions } from './build.ts';
export { type PictureOptions, pictureOf, srcsetsOf } from './markup.ts';
export {
  type Manifest,
  type ManifestAsset,
  type ManifestVariant,
  manifestSchema,
  manifestSchemaName,
} from './schema.ts';
