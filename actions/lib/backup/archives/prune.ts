import { OpsError, toOpsError } from '../../errors/index.ts';
import { idTime } from '../../reports/index.ts';
import type { ObjectInfo, Storage } from '../../storage/index.ts';
import { readSmall } from '../sets/read-small.ts';
import { archiveManifestSchema } from './batch.ts';
import { archiveDocKey, archivesFolder } from './keys.ts';
import { type ArchiveOwner, ownerIn } from './owner.ts';

/** What one clean-up archived, as it lies in one destination. */
export interface ArchivedRun {
  id: string;
  /**
   * In the order of removal: a manifest outlives its part, since a part without one says that its rows are still there.
   * What says whose all of it is goes last, so that a removal that was cut off is finished by the next one.
   */
  objects: Pick<ObjectInfo, 'key' | 'sizeBytes'>[];
}

const isManifest = /^\d{6}\.manifest\.json$/;
const turns = [/^\d{6}\.sql\.zst(\.age)?$/, isManifest, /^RESTORE\.md$/];

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
      objects: found.toSorted((a, b) => a.turn - b.turn).map(({ key, sizeBytes }) => ({ key, sizeBytes })),
    }));
}

export interface PrunedArchives {
  /** Removed whole; `bytes` has those of what was removed in part as well. */
  runs: number;
  bytes: number;
  /** What stays though it is old, and why. */
  problems: string[];
}

/**
 * Removes what clean-ups of this owner archived before that time; in a dry run it counts it. One run that cannot be read or
 * removed keeps no other from its turn. Never throws but for an abort.
 */
export async function pruneArchives(
  storage: Storage,
  owner: ArchiveOwner,
  before: Date,
  { isDryRun, signal }: { isDryRun: boolean; signal: AbortSignal },
): Promise<PrunedArchives> {
  const pruned: PrunedArchives = { runs: 0, bytes: 0, problems: [] };
  const problem = (thrown: unknown, of?: ArchivedRun): OpsError => {
    signal.throwIfAborted();
    const error = toOpsError(thrown);
    pruned.problems.push(of ? `${of.id}: ${error.message}` : error.message);
    return error;
  };
  try {
    const objects = await Array.fromAsync(storage.list(archivesFolder, { signal }));
    for (const run of planArchivePrune(objects, before)) {
      try {
        const found = await ownerOf(storage, run, signal);
        if (found?.platform !== owner.platform || found.database !== owner.database) continue;
        for (const { key, sizeBytes } of run.objects) {
          if (!isDryRun) await storage.remove(key, { signal });
          pruned.bytes += sizeBytes;
        }
        pruned.runs++;
      } catch (thrown) {
        // It would be waited for again with each of the others.
        if (problem(thrown, run).code === 'STORAGE_UNREACHABLE') break;
      }
    }
  } catch (thrown) {
    problem(thrown);
  }
  return pruned;
}

/**
 * Every manifest of a run says whose it is; where there is none, because the run or its removal was cut off, its RESTORE.md
 * does. Undefined when it is not said: then it is nobody's to remove.
 * @throws OpsError `STORAGE_*`; `SET_DAMAGED` when there are manifests, and not one that can be read
 */
async function ownerOf(storage: Storage, { id, objects }: ArchivedRun, signal: AbortSignal) {
  const names = objects.map(({ key }) => key);
  const manifests = names.filter(key => isManifest.test(key.slice(key.lastIndexOf('/') + 1)));
  let unread: unknown;
  for (const key of manifests) {
    try {
      const { platform, database } = archiveManifestSchema.parse(JSON.parse(await readSmall(storage, key, signal)));
      return platform === undefined ? undefined : { platform, database };
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof OpsError && !['STORAGE_NOT_FOUND', 'SET_DAMAGED'].includes(thrown.code)) throw thrown;
      unread = thrown;
    }
  }
  if (manifests.length > 0) {
    const why = unread instanceof OpsError ? unread.message : 'it is damaged';
    throw new OpsError('SET_DAMAGED', `no manifest of it can be read, so it stays: ${why}`, { cause: unread });
  }
  const document = archiveDocKey(id);
  return names.includes(document) ? ownerIn(await readSmall(storage, document, signal)) : undefined;
}
