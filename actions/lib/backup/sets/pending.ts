import { hostname } from 'node:os';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { formatDuration, type Log } from '../../log/index.ts';
import { isProcessAlive, thisMachine } from '../../process/index.ts';
import type { Storage } from '../../storage/index.ts';
import {
  checksumsKey,
  manifestKey,
  partFolder,
  pendingFolder,
  pendingKey,
  restoreDocKey,
  type SetAddress,
  setFolder,
  setOfPendingKey,
} from './keys.ts';
import type { SetKind } from './manifest.ts';
import { readSmall } from './read-small.ts';

/**
 * A run declares itself before it sends a byte and withdraws after its manifest is written. What a dead run has left is
 * therefore found by name, and nothing that a living run needs is ever taken for rubbish.
 */
const pendingSchema = z.object({
  id: z.string(),
  kind: z.enum(['database', 'files']),
  source: z.string(),
  /** The set whose parts it means to share: pruning leaves it alone meanwhile. */
  baseId: z.string().nullable(),
  /** For a person to read. Never compared: hosted runners are copies of one image and share its name. */
  host: z.string(),
  /** Which process numbers `pid` is one of. */
  machine: z.string(),
  pid: z.int(),
  startedAt: z.iso.datetime(),
  aliveAt: z.iso.datetime(),
});
export type Pending = z.infer<typeof pendingSchema>;

const heartbeatSeconds = 60;
/** Five missed heartbeats: the run is dead. */
const deadAfterSeconds = 300;

/** Runs of this very process that are under way. */
const ownRuns = new Set<string>();

export interface Claim {
  /** Declares the set whose parts are shared. */
  shareWith(baseId: string): Promise<void>;
  /**
   * Call before the manifest is written: whoever took this run for dead has removed its parts.
   * @throws OpsError `BACKUP_LOST`
   */
  confirm(): Promise<void>;
  /** Call after the manifest is written, or after cleaning up. */
  withdraw(): Promise<void>;
  /** Gives no sign of life any more and leaves the declaration: what is there of the set is for the next run to clear. */
  abandon(): Promise<void>;
}

/**
 * Declares a run at a destination and keeps it alive until withdrawn.
 * @throws OpsError `BACKUP_RUNNING` when another living run is making a set of the same source
 */
export async function declareRun(
  storage: Storage,
  run: { kind: SetKind; id: string; source: string },
  options: { now: () => Date; log: Log; signal: AbortSignal },
): Promise<Claim> {
  const pending: Pending = {
    ...run,
    baseId: null,
    host: hostname(),
    machine: thisMachine(),
    pid: process.pid,
    startedAt: options.now().toISOString(),
    aliveAt: options.now().toISOString(),
  };
  const key = pendingKey(run.kind, run.id);
  const write = async () => {
    pending.aliveAt = options.now().toISOString();
    await storage.put(key, Buffer.from(JSON.stringify(pending)), { signal: options.signal });
  };
  ownRuns.add(run.id);
  try {
    await write();
    await assertNoRival(storage, run, options);
  } catch (error) {
    ownRuns.delete(run.id);
    throw error;
  }
  let isLost = false;
  let last: Promise<void> = Promise.resolve();
  const signOfLife = async () => {
    // A machine that was suspended must not declare anew what another run has cleared up meanwhile.
    if ((await storage.head(key, { signal: options.signal })) === undefined) isLost = true;
    if (!isLost) await write();
  };
  const beat = setInterval(() => {
    last = signOfLife().catch((error: Error) => options.log.debug(`no heartbeat at ${storage.name}: ${error.message}`));
  }, heartbeatSeconds * 1000);
  beat.unref();
  const end = async () => {
    clearInterval(beat);
    ownRuns.delete(run.id);
    await last;
  };
  return {
    async shareWith(baseId) {
      pending.baseId = baseId;
      await write();
    },
    async confirm() {
      await last;
      isLost ||= (await storage.head(key, { signal: options.signal })) === undefined;
      if (!isLost) return;
      throw new OpsError('BACKUP_LOST', `Another run took set ${run.id} for dead and cleared it from ${storage.name}`, {
        hint: `This run gave no sign of life for ${deadAfterSeconds / 60} minutes: the machine slept, or ${storage.name} was out of reach. Run it again.`,
      });
    },
    async withdraw() {
      await end();
      await storage.remove(key);
    },
    abandon: end,
  };
}

async function assertNoRival(
  storage: Storage,
  run: { kind: SetKind; id: string; source: string },
  options: { now: () => Date; signal: AbortSignal },
): Promise<void> {
  const rival = (await readPending(storage, run.kind, options.signal)).find(
    other => other.source === run.source && other.id < run.id && !isDead(other, options.now()),
  );
  if (!rival) return;
  await storage.remove(pendingKey(run.kind, run.id));
  const age = formatDuration((options.now().getTime() - Date.parse(rival.aliveAt)) / 1000);
  throw new OpsError(
    'BACKUP_RUNNING',
    `Another backup of ${run.source} is running since ${rival.startedAt} (${rival.host}, process ${rival.pid}; last sign of life ${age} ago)`,
    {
      hint: `Wait for it. If it was killed on another machine it counts as dead ${deadAfterSeconds / 60} minutes after its last sign of life.`,
    },
  );
}

/** Every declared run of a kind, living or dead. */
export async function readPending(storage: Storage, kind: SetKind, signal?: AbortSignal): Promise<Pending[]> {
  const found: Pending[] = [];
  for await (const object of storage.list(pendingFolder(kind), signal && { signal })) {
    if (!setOfPendingKey(object.key)) continue;
    let text: string;
    try {
      text = await readSmall(storage, object.key, signal);
    } catch (error) {
      if (error instanceof OpsError && error.code === 'STORAGE_NOT_FOUND') continue; // withdrawn meanwhile
      throw error;
    }
    const parsed = pendingSchema.safeParse(safeJson(text));
    if (parsed.success) found.push(parsed.data);
  }
  return found;
}

/**
 * Clears up after runs that died: a set with a manifest is whole and keeps its parts, of any other set everything goes.
 * @returns what was removed, as text for the log
 */
export async function cleanUpDeadRuns(
  storage: Storage,
  kind: SetKind,
  now: Date,
  signal: AbortSignal,
): Promise<string[]> {
  const done: string[] = [];
  for (const run of await readPending(storage, kind, signal)) {
    if (!isDead(run, now)) continue;
    const isWhole = (await storage.head(manifestKey(kind, run.id), { signal })) !== undefined;
    const set = { kind, id: run.id };
    const removed = isWhole ? await sweepUnfinished(storage, set, signal) : await removeRemains(storage, set, signal);
    await storage.remove(pendingKey(kind, run.id), { signal });
    done.push(
      isWhole
        ? `set ${run.id} was whole although its run died`
        : `removed ${removed} objects of set ${run.id}, whose run died`,
    );
  }
  return done;
}

/**
 * Removes what an unfinished set has sent, and what of it was still being sent. The manifest first: one whose writing
 * only seemed to fail must not outlive its parts.
 */
export async function removeRemains(storage: Storage, set: SetAddress, signal: AbortSignal): Promise<number> {
  await storage.remove(manifestKey(set.kind, set.id), { signal });
  let removed = 0;
  for await (const object of storage.list(partFolder(set.kind, set.id), { signal })) {
    await storage.remove(object.key, { signal });
    removed++;
  }
  await storage.remove(restoreDocKey(set.kind, set.id), { signal });
  await storage.remove(checksumsKey(set.kind, set.id), { signal });
  return removed + (await sweepUnfinished(storage, set, signal));
}

/** Also of a whole set: the manifest is published under its name a moment before its temporary name goes. */
async function sweepUnfinished(storage: Storage, set: SetAddress, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for (const prefix of [partFolder(set.kind, set.id), setFolder(set.kind, set.id)]) {
    removed += (await storage.sweepAbandoned({ olderThanSeconds: 0, prefix, signal })).length;
  }
  return removed;
}

export function isDead(run: Pending, now: Date): boolean {
  if (run.machine === thisMachine()) {
    const isAlive = run.pid === process.pid ? ownRuns.has(run.id) : isProcessAlive(run.pid);
    if (!isAlive) return true;
  }
  return now.getTime() - Date.parse(run.aliveAt) > deadAfterSeconds * 1000;
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
