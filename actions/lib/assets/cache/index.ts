export { type AssetCache, blobsOf, type CacheOptions, openCache } from './cache.ts';
