export { pinnedSettings } from '../database/copy-statement.ts';
export {
  type ArchiveBatch,
  type ArchiveManifest,
  type ArchiveTarget,
  archiveManifestSchema,
  openArchiveBatch,
} from './batch.ts';
export { archiveFolder } from './keys.ts';
export type { ArchiveOwner } from './owner.ts';
export { planArchivePrune, pruneArchives } from './prune.ts';
export { writeArchiveDoc } from './restore-doc.ts';
export { type ArchivedRows, writeArchivedRows } from './rows.ts';
