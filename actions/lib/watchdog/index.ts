export type { WatchdogData } from './data.ts';
export { type WatchdogInput, watchdogOperation } from './operation.ts';
