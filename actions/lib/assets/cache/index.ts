export { type AssetCache, blobsOf, type CacheOptions, openCache, sha256Of } from './cache.ts';
