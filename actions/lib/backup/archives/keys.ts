/**
 * Where archived rows lie in a destination. Retention of backup sets never looks below `archives/`; how long they stay is
 * for `database.cleanup.keepArchives` to say.
 *
 *     archives/<id>/RESTORE.md                     how to put rows back with stock tools, and whose they are: written first
 *     archives/<id>/000001.sql.zst[.age]           the rows of one batch, as a script
 *     archives/<id>/000001.manifest.json           written last, before the rows are deleted
 */
const number = (batch: number) => String(batch).padStart(6, '0');

export const archivesFolder = 'archives/';
export const archiveFolder = (id: string) => `${archivesFolder}${id}/`;
export const archivePartKey = (id: string, batch: number, isEncrypted: boolean) =>
  `${archiveFolder(id)}${number(batch)}.sql.zst${isEncrypted ? '.age' : ''}`;
export const archiveManifestKey = (id: string, batch: number) => `${archiveFolder(id)}${number(batch)}.manifest.json`;
export const archiveDocKey = (id: string) => `${archiveFolder(id)}RESTORE.md`;
