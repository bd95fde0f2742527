export { type AuditData, type AuditInput, auditOperation } from './operations/audit.ts';
export { type PurgeData, type PurgeInput, purgeOperation } from './operations/purge.ts';
export {
  type CdnConfigData,
  type CdnConfigInput,
  type CdnUrlData,
  type CdnUrlInput,
  cdnConfigOperation,
  cdnUrlOperation,
} from './operations/show.ts';
export { type CdnService, type CdnServiceOptions, cdnService, createCdnService } from './service.ts';
export {
  type CdnUrls,
  type CdnUrlsConfig,
  type CdnZone,
  createCdnUrls,
  type ImageOptions,
  type ImageTransform,
  type Variant,
} from './urls/urls.ts';
