export {
  type ImageSettings,
  type ImageSettingsInput,
  imageSettingsSchema,
  type VariantFormat,
  variantFormats,
} from '../../config/index.ts';
export { formatByName } from './files/index.ts';
export { type ImageFile, inspectImage, readImage } from './inspect.ts';
export { type ImageRequest, optimizeImage } from './optimize.ts';
export type {
  ColourProfile,
  ImageDone,
  ImageFacts,
  ImageFormat,
  ImageOutcome,
  ImageRefusalCode,
  ImageRefused,
  ImageVariant,
  InPlace,
} from './outcome.ts';
export {
  createImagePool,
  type ImagePool,
  type ImagePoolOptions,
  type PooledRequest,
  type StoredOutcome,
} from './pool.ts';
export { Refusal } from './refusal.ts';
export { type RgbPixels, ssimulacra2 } from './ssimulacra2/index.ts';
export { imageToolVersion } from './version.ts';
