export type { GetOptions, ObjectInfo, PutOptions, Storage, StorageCapabilities } from './storage.ts';
