export type { AlertsConfig } from './alerts-schema.ts';
export type { AssetsConfig } from './assets-schema.ts';
export { byteSize } from './byte-size.ts';
export type { CdnConfig } from './cdn-schema.ts';
export type {
  DatabaseApplyConfig,
  DatabaseCleanupConfig,
  DatabaseMaintainConfig,
  RetentionRule,
} from './database-change-schema.ts';
export type { DeclaredIndexConfig } from './database-indexes-schema.ts';
export type { DatabaseConfig } from './database-schema.ts';
export { durationSchema, durationSeconds } from './duration.ts';
export { type Environment, readSecrets, type SecretValues, secretVariables } from './environment.ts';
export {
  type ImageSettings,
  type ImageSettingsInput,
  imageSettingsSchema,
  type VariantFormat,
  variantFormats,
} from './image-settings.ts';
export { defaultConfigFile, type LoadedConfig, loadConfig } from './load.ts';
export { nearest } from './nearest.ts';
export {
  type AssertionConfig,
  type Config,
  configJsonSchema,
  configSchema,
  type DestinationConfig,
  type RetentionConfig,
} from './schema.ts';
