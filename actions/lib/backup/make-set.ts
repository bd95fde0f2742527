import { type OpsContext, toolVersion } from '../context/index.ts';
import { OpsError, toOpsError } from '../errors/index.ts';
import { newReportId } from '../reports/index.ts';
import type { Storage } from '../storage/index.ts';
import type { Destination } from './parts/part-writer.ts';
import { recipientsOf } from './recipients.ts';
import { checksumsKey, manifestKey, restoreDocKey, type SetAddress } from './sets/keys.ts';
import { type Manifest, manifestSchemaName, type SetKind, serializeManifest } from './sets/manifest.ts';
import { type Claim, cleanUpDeadRuns, declareRun, removeRemains } from './sets/pending.ts';
import { checksumFile, restoreDocument } from './sets/restore-doc.ts';
import { listSets, readManifest } from './sets/set-store.ts';

/** What makes the content of one set, between the declaration of the run and its manifest. */
export interface SetMaker<M extends Manifest> {
  kind: M['kind'];
  source: string;
  /** @param base a former set of this source whose every part is at every destination, as written there */
  make(set: { id: string; destinations: readonly Destination[]; base: M | undefined }): Promise<SetContent<M>>;
  /** Whether a former set may be built on at all, e.g. its age; the reason when not. */
  mayBuildOn(base: M): true | string;
}

export type SetContent<M extends Manifest> = Omit<
  M,
  | 'schema'
  | 'kind'
  | 'id'
  | 'source'
  | 'startedAt'
  | 'finishedAt'
  | 'tool'
  | 'digest'
  | 'recipients'
  | 'compressionLevel'
>;

export interface MadeSet<M extends Manifest> {
  manifest: M;
  /** Storage name → failure; undefined where the set is whole. */
  destinations: { name: string; failure: OpsError | undefined }[];
}

/**
 * Makes one set at every destination, in the order that ../FORMAT.md gives and that makes every crash safe: declare,
 * parts, RESTORE.md and checksums, manifest, withdraw. A destination that fails is left behind, the others go on.
 * @throws OpsError `BACKUP_RUNNING`; the failure of the work; the failure of the last destination
 */
export async function makeSet<M extends Manifest>(
  context: OpsContext,
  storages: readonly Storage[],
  maker: SetMaker<M>,
): Promise<MadeSet<M>> {
  const startedAt = context.now();
  const address: SetAddress = { kind: maker.kind, id: newReportId(startedAt) };
  const destinations: Destination[] = storages.map(storage => ({ storage, failure: undefined }));
  const claims = new Map<Destination, Claim>();
  try {
    await each(destinations, async destination => {
      const { storage } = destination;
      for (const line of await cleanUpDeadRuns(storage, maker.kind, startedAt, context.signal)) {
        context.log.info(`${storage.name}: ${line}`);
      }
      for (const prefix of ['parts/', 'sets/', 'pending/']) {
        const uploads = { prefix, olderThanSeconds: abandonedAfterSeconds, signal: context.signal };
        for (const key of await storage.sweepAbandoned(uploads))
          context.log.info(`${storage.name}: swept the abandoned upload of ${key}`);
      }
      claims.set(destination, await declareRun(storage, { ...address, source: maker.source }, context));
    });
    const base = await findBase(context, destinations, maker);
    if (base) await each(destinations, async destination => claims.get(destination)!.shareWith(base.id));
    const content = await maker.make({ id: address.id, destinations, base });
    const { text, manifest } = serializeManifest({
      ...content,
      schema: manifestSchemaName,
      kind: maker.kind,
      id: address.id,
      source: maker.source,
      startedAt: startedAt.toISOString(),
      finishedAt: context.now().toISOString(),
      tool: { version: toolVersion, node: process.versions.node },
      recipients: recipientsOf(context),
      compressionLevel: context.config.backup.compressionLevel,
      digest: '',
    } as unknown as Manifest);
    await each(destinations, async destination => {
      const { storage } = destination;
      const { signal } = context;
      await claims.get(destination)!.confirm();
      await storage.put(restoreDocKey(maker.kind, address.id), Buffer.from(restoreDocument(manifest)), { signal });
      await storage.put(checksumsKey(maker.kind, address.id), Buffer.from(checksumFile(manifest)), { signal });
      await storage.put(manifestKey(maker.kind, address.id), Buffer.from(text), { ifAbsent: true, signal });
    });
    return { manifest: manifest as M, destinations: destinations.map(outcome) };
  } catch (error) {
    // Nothing of the set is to stay anywhere.
    for (const destination of destinations) destination.failure ??= toOpsError(error);
    throw error;
  } finally {
    await Promise.all([...claims].map(([destination, claim]) => endClaim(context, address, destination, claim)));
  }
}

/** Uploads that were begun and never finished cost money and no list shows them; a day is longer than any run. */
const abandonedAfterSeconds = 86_400;

/** Does one thing at every healthy destination; throws only when none is left, or for what concerns all of them. */
async function each(
  destinations: readonly Destination[],
  work: (destination: Destination) => Promise<void>,
): Promise<void> {
  // All of them are waited for: what one still does must not come after the clearing up that a failure begins.
  const settled = await Promise.allSettled(
    destinations
      .filter(destination => !destination.failure)
      .map(destination =>
        work(destination).catch((error: unknown) => {
          if (error instanceof OpsError && error.code === 'BACKUP_RUNNING') throw error;
          destination.failure = toOpsError(error);
        }),
      ),
  );
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  if (destinations.every(destination => destination.failure)) throw destinations[0]!.failure!;
}

/** The newest set of the source that is whole at every healthy destination, and that its maker may build on. */
async function findBase<M extends Manifest>(
  context: OpsContext,
  destinations: readonly Destination[],
  maker: SetMaker<M>,
): Promise<M | undefined> {
  const healthy = destinations.filter(destination => !destination.failure).map(destination => destination.storage);
  const newest = await newestOf(context, healthy[0]!, maker.kind, maker.source);
  if (!newest) return undefined;
  const verdict = maker.mayBuildOn(newest as M);
  if (verdict !== true) {
    context.log.info(`A full set is made: ${verdict}`);
    return undefined;
  }
  for (const storage of healthy) {
    const stored = await storedParts(storage, maker.kind, context.signal);
    const missing = newest.parts.find(part => stored.get(part.key) !== part.storedBytes);
    const isThere = storage === healthy[0] || (await sameManifest(storage, newest, context.signal));
    if (!missing && isThere) continue;
    context.log.warn(
      `A full set is made: set ${newest.id} is not whole at ${storage.name}${missing ? ` (${missing.key})` : ''}`,
    );
    return undefined;
  }
  return newest as M;
}

async function newestOf(
  context: OpsContext,
  storage: Storage,
  kind: SetKind,
  source: string,
): Promise<Manifest | undefined> {
  for (const address of await listSets(storage, kind, context.signal)) {
    try {
      const manifest = await readManifest(storage, address, context.signal);
      if (manifest.source === source) return manifest;
    } catch (error) {
      if (!(error instanceof OpsError) || error.code !== 'SET_DAMAGED') throw error;
      context.log.warn(error.message);
    }
  }
  return undefined;
}

async function sameManifest(storage: Storage, manifest: Manifest, signal: AbortSignal): Promise<boolean> {
  try {
    return (await readManifest(storage, manifest, signal)).digest === manifest.digest;
  } catch (error) {
    if (error instanceof OpsError && (error.code === 'SET_UNKNOWN' || error.code === 'SET_DAMAGED')) return false;
    throw error;
  }
}

async function storedParts(storage: Storage, kind: SetKind, signal: AbortSignal): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const object of storage.list(`parts/${kind}/`, { signal })) sizes.set(object.key, object.sizeBytes);
  return sizes;
}

/** Withdraws; where the set failed its remains go first, as far as the destination answers: a full disk must not stay full. */
async function endClaim(
  context: OpsContext,
  address: SetAddress,
  destination: Destination,
  claim: Claim,
): Promise<void> {
  const { storage, failure } = destination;
  try {
    // Not the run's own signal: it may be what was aborted.
    if (failure) await removeRemains(storage, address, AbortSignal.timeout(clearWithinMs));
    await claim.withdraw();
  } catch (error) {
    await claim.abandon();
    if (failure) context.log.warn(`${storage.name}: remains of set ${address.id} are left for the next run to clear`);
    else context.log.warn(`${storage.name}: the run could not be withdrawn: ${toOpsError(error).message}`);
  }
}

const clearWithinMs = 60_000;

function outcome(destination: Destination): { name: string; failure: OpsError | undefined } {
  return {
    name: destination.storage.name,
    failure: destination.failure ? toOpsError(destination.failure) : undefined,
  };
}
