export { type WatchdogData, type WatchdogInput, watchdogOperation } from './operation.ts';
export { createDirectoryReader, createGitHubReader, type ReportReader } from './report-reader.ts';
