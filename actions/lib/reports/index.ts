export { changedFiles, keptPath, reportPath, type Shelf, type ShelfEntry } from './changes.ts';
export { createGitHubStore, type GitHubStoreOptions, reportUrl } from './github-store.ts';
export { type Histogram, histogramOf, mergeHistograms, quantileOf } from './histogram.ts';
export { reportJsonSchemas } from './json-schemas.ts';
export { type LibraryOptions, libraryContext } from './library.ts';
export type { Annotation, Operation, Outcome } from './operation.ts';
export { replaceFile } from './replace-file.ts';
export {
  type Check,
  checkSchema,
  idTime,
  newReportId,
  type Report,
  reportSchema,
  reportSchemaName,
  type Sample,
  type Status,
  statusSchema,
  worstStatus,
} from './report.ts';
export { createDirectoryReader, createGitHubReader, createReportReader, type ReportReader } from './report-reader.ts';
export {
  type Cell,
  cellQuantile,
  dailyDay,
  hourlyDay,
  mergeCells,
  parseRollup,
  type Rollup,
  readCell,
  rollupFile,
  writeCell,
} from './rollup.ts';
export {
  type Measured,
  measuredIn,
  parseSamples,
  type SampleLine,
  seriesOf,
} from './samples.ts';
export { guardSizes } from './size-guard.ts';
export { createDirectoryStore, type ReportStore } from './store.ts';
export { mostSummaryBytes, parseSummary, recentValues, type Summary } from './summary.ts';
