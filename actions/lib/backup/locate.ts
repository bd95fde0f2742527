import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import type { Storage } from '../storage/index.ts';
import { isSetId, setKinds } from './sets/keys.ts';
import type { Manifest, SetKind } from './sets/manifest.ts';
import { findSet } from './sets/set-store.ts';

export interface Wanted {
  /** A set id, or `latest`. */
  id: string;
  /** Undefined: a set of any kind with that id; for `latest` database before files. */
  kind: SetKind | undefined;
  source: string | undefined;
  /** Only this kind of destination. */
  from: Storage['kind'] | undefined;
}

/**
 * Finds a set at the destinations, in the order they are configured: `latest` is the newest of all of them, an id is
 * taken from the first that has it whole. One that does not answer or holds a damaged manifest is passed over with a
 * warning as long as another has the set.
 * @throws OpsError `SET_ID`, `SET_UNKNOWN`, `SET_NONE`, `SET_AMBIGUOUS`, `SET_DAMAGED`, `STORAGE_*`
 */
export async function locateSet(
  context: OpsContext,
  storages: readonly Storage[],
  wanted: Wanted,
): Promise<{ storage: Storage; manifest: Manifest }> {
  if (wanted.id !== 'latest' && !isSetId(wanted.id)) {
    throw new OpsError('SET_ID', `'${wanted.id}' is not a set id`, {
      hint: "Set ids look like 20261123T020000Z-7f3c; 'latest' is the newest. List them with: ops backup list.",
      exit: 'usage',
    });
  }
  const usable = storages.filter(storage => wanted.from === undefined || storage.kind === wanted.from);
  if (usable.length === 0) {
    throw new OpsError('CONFIG_MISSING_VALUE', `No ${wanted.from} destination is configured`, {
      hint: `Configured: ${storages.map(s => s.name).join(', ')}.`,
      exit: 'usage',
    });
  }
  const found: { storage: Storage; manifest: Manifest }[] = [];
  const failures: OpsError[] = [];
  for (const storage of usable) {
    try {
      found.push({ storage, manifest: await findAny(storage, wanted, context) });
      if (wanted.id !== 'latest') break;
    } catch (error) {
      if (!(error instanceof OpsError)) throw error;
      failures.push(error);
    }
  }
  const best = found.sort((a, b) => (a.manifest.id < b.manifest.id ? 1 : -1))[0];
  if (!best) {
    throw failures.find(f => !isAbsence(f)) ?? (await ofOtherKind(context, usable, wanted)) ?? failures[0]!;
  }
  for (const failure of failures) {
    if (!isAbsence(failure)) context.log.warn(`${failure.message}; using ${best.storage.name}`);
  }
  return best;
}

/** An id that was found nowhere may be that of a set of the other kind. */
async function ofOtherKind(
  context: OpsContext,
  storages: readonly Storage[],
  wanted: Wanted,
): Promise<OpsError | undefined> {
  if (wanted.id === 'latest' || wanted.kind === undefined) return undefined;
  const other = setKinds.find(kind => kind !== wanted.kind)!;
  for (const storage of storages) {
    const found = await findAny(storage, { ...wanted, kind: other }, context).catch(() => undefined);
    if (!found) continue;
    return new OpsError('SET_UNKNOWN', `Set ${wanted.id} is a ${other} set, not a ${wanted.kind} set`, {
      hint: `Restore it with: ops restore ${other} ${wanted.id}. List the others with: ops backup list --kind ${wanted.kind}.`,
    });
  }
  return undefined;
}

async function findAny(storage: Storage, wanted: Wanted, context: OpsContext): Promise<Manifest> {
  const options = { signal: context.signal, warn: (message: string) => context.log.warn(message) };
  const kinds: readonly SetKind[] = wanted.kind ? [wanted.kind] : setKinds;
  let first: unknown;
  for (const kind of kinds) {
    try {
      return await findSet(storage, { kind, id: wanted.id, source: wanted.source }, options);
    } catch (error) {
      if (!(error instanceof OpsError) || !isAbsence(error)) throw error;
      first ??= error;
    }
  }
  throw first;
}

function isAbsence(error: OpsError): boolean {
  return error.code === 'SET_UNKNOWN' || error.code === 'SET_NONE';
}
