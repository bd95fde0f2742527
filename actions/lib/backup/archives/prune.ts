import { idTime } from '../../reports/index.ts';
import type { ObjectInfo, Storage } from '../../storage/index.ts';
import { readSmall } from '../sets/read-small.ts';
import { archiveManifestSchema } from './batch.ts';
import { archivesFolder } from './keys.ts';

/** What one clean-up archived, as it lies in one destination. */
export interface ArchivedRun {
  id: string;
  /** In the order of removal: a manifest outlives its part, since a part without one says that its rows are still there. */
  keys: string[];
  bytes: number;
}

/** Runs that began before `before`, oldest first, of all that lies below `archives/`. What has another name is nobody's to remove. */
export function planArchivePrune(objects: Iterable<ObjectInfo>, before: Date): ArchivedRun[] {
  const runs = new Map<string, { key: string; turn: number; sizeBytes: number }[]>();
  for (const { key, sizeBytes } of objects) {
    const [, id, name] = /^archives\/(\d{8}T\d{6}Z-[0-9a-f]{4})\/([^/]+)$/.exec(key) ?? [];
    const turn = turns.findIndex(pattern => pattern.test(name ?? ''));
    if (id === undefined || turn < 0 || !(idTime(id) < before)) continue;
    runs.set(id, [...(runs.get(id) ?? []), { key, turn, sizeBytes }]);
  }
  return [...runs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, found]) => ({
      id,
      keys: found.toSorted((a, b) => a.turn - b.turn).map(({ key }) => key),
      bytes: found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    }));
}

const turns = [/^\d{6}\.sql\.zst(\.age)?$/, /^\d{6}\.manifest\.json$/, /^RESTORE\.md$/];

/**
 * Removes what clean-ups of this database archived before that time. A run whose manifest cannot be read is not known to be
 * of this database, and stays. @throws OpsError `STORAGE_*`; what was removed until then is removed
 */
export async function pruneArchives(
  storage: Storage,
  database: string,
  before: Date,
  { isDryRun, signal }: { isDryRun: boolean; signal: AbortSignal },
): Promise<ArchivedRun[]> {
  const objects = await Array.fromAsync(storage.list(archivesFolder, { signal }));
  const pruned: ArchivedRun[] = [];
  for (const run of planArchivePrune(objects, before)) {
    if ((await databaseOf(storage, run, signal)) !== database) continue;
    if (!isDryRun) for (const key of run.keys) await storage.remove(key, { signal });
    pruned.push(run);
  }
  return pruned;
}

/** All batches of one run are of one database. */
async function databaseOf(storage: Storage, { keys }: ArchivedRun, signal: AbortSignal): Promise<string | undefined> {
  const key = keys.find(each => each.endsWith('.manifest.json'));
  if (key === undefined) return undefined;
  const text = await readSmall(storage, key, signal);
  try {
    return archiveManifestSchema.parse(JSON.parse(text)).database;
  } catch {
    return undefined;
  }
}
