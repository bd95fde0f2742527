/** They are part of the configuration, which stands below. */
export {
  type ImageSettings,
  type ImageSettingsInput,
  imageSettingsSchema,
  type VariantFormat,
  variantFormats,
} from '../../config/index.ts';
