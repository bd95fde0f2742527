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
  type ImageSettings,
  type ImageSettingsInput,
  imageSettingsSchema,
  type VariantFormat,
  variantFormats,
} from './settings.ts';
export { type RgbPixels, ssimulacra2 } from './ssimulacra2/index.ts';
