export type { Operation, Outcome } from './operation.ts';
export {
  type Check,
  checkSchema,
  idTime,
  newReportId,
  type Report,
  reportSchema,
  reportSchemaName,
  type Status,
  statuses,
  statusSchema,
  worstStatus,
} from './report.ts';
export { createDirectoryStore, type ReportStore, reportPath } from './store.ts';
