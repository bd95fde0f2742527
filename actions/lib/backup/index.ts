export {
  type ArchiveBatch,
  type ArchivedRows,
  type ArchiveManifest,
  type ArchiveOwner,
  type ArchiveTarget,
  archiveFolder,
  archiveManifestSchema,
  openArchiveBatch,
  pinnedSettings,
  pruneArchives,
  writeArchiveDoc,
  writeArchivedRows,
} from './archives/index.ts';
export { sourceDatabase } from './backup-database.ts';
export { destinationName, openDestination, openDestinations } from './destinations.ts';
export {
  type BackupData,
  type BackupInput,
  backupAllOperation,
  backupDatabaseOperation,
  backupFilesOperation,
} from './operations/backup.ts';
export { type DrillData, type DrillInput, drillOperation } from './operations/drill.ts';
export { type ListData, type ListedSet, type ListInput, listOperation } from './operations/list.ts';
export { type PruneData, pruneOperation } from './operations/prune.ts';
export {
  type RestoreData,
  type RestoreInput,
  restoreDatabaseOperation,
  restoreFilesOperation,
} from './operations/restore.ts';
export {
  type VerifyData,
  type VerifyInput,
  type VerifyLevel,
  verifyOperation,
} from './operations/verify.ts';
export { recipientsOf } from './recipients.ts';
export {
  type CopyOptions,
  type LocatedCopy,
  type RestoredCopy,
  restoreCopy,
  restoreLocatedCopy,
} from './restored-copy.ts';
export {
  type BackupService,
  type BackupServiceOptions,
  type BackupStats,
  backupService,
  createBackupService,
} from './service.ts';
export type { DatabaseManifest, FilesManifest, Manifest, Part, SetKind } from './sets/manifest.ts';
export type { Proof, Verdict } from './sets/set-store.ts';
