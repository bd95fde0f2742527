export { type MaintainInput, maintainOperation } from './operation.ts';
export type { MaintainData } from './outcome.ts';
export { maintainDatabase } from './service.ts';
