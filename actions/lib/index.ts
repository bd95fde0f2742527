/** The face of the package: `import { backupService } from 'production-ops'`. */
export {
  type BackupService,
  type BackupServiceOptions,
  type BackupStats,
  backupService,
  createBackupService,
} from './backup/index.ts';
export { type CdnService, type CdnServiceOptions, cdnService, createCdnService } from './cdn/index.ts';
export {
  type AnalyzeData,
  type ApplyData,
  analyzeQueryPerformance,
  type CleanupData,
  type ConnectionsData,
  cleanDatabase,
  getConnectionPoolStatus,
  type MaintainData,
  maintainDatabase,
  optimizeDatabase,
} from './database/index.ts';
export { OpsError } from './errors/index.ts';
