export { type CleanupInput, cleanupOperation } from './operation.ts';
export type { CleanupData } from './outcome.ts';
export { cleanDatabase } from './service.ts';
