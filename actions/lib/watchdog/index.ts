export type { WatchdogData } from './data.ts';
export { type WatchdogInput, watchdogOperation } from './operation.ts';
export { createDirectoryReader, createGitHubReader, type ReportReader } from './report-reader.ts';
