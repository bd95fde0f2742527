import { hostname } from 'node:os';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { formatDuration, type Log } from '../../log/index.ts';
import type { Storage } from '../../storage/index.ts';
import {
  checksumsKey,
  manifestKey,
  partFolder,
  pendingFolder,
  pendingKey,
  restoreDocKey,
  type SetAddress,
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
  host: z.string(),
  pid: z.int(),
  startedAt: z.iso.datetime(),
  aliveAt: z.iso.datetime(),
});
export type Pending = z.infer<typeof pendingSchema>;

const heartbeatSeconds = 60;
/** Five missed heartbeats: the run is dead. */
const deadAfterSeconds = 300;

export interface Claim {
  /** Declares the set whose parts are shared. */
  shareWith(baseId: string): Promise<void>;
  /** Call after the manifest is written, or after cleaning up. */
  withdraw(): Promise<void>;
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
    pid: process.pid,
    startedAt: options.now().toISOString(),
    aliveAt: options.now().toISOString(),
  };
  const key = pendingKey(run.kind, run.id);
  const write = async () => {
    pending.aliveAt = options.now().toISOString();
    await storage.put(key, Buffer.from(JSON.stringify(pending)), { signal: options.signal });
  };
  await write();
  const rival = (await readPending(storage, run.kind, options.signal)).find(
    other => other.source === run.source && other.id !== run.id && other.id < run.id && !isDead(other, options.now()),
  );
  if (rival) {
    await storage.remove(key);
    const age = formatDuration((options.now().getTime() - Date.parse(rival.aliveAt)) / 1000);
    throw new OpsError(
      'BACKUP_RUNNING',
      `Another backup of ${run.source} is running since ${rival.startedAt} (${rival.host}, process ${rival.pid}; last sign of life ${age} ago)`,
      {
        hint: `Wait for it. If it was killed on another machine it counts as dead after ${deadAfterSeconds / 60} minutes.`,
      },
    );
  }
  let last: Promise<void> = Promise.resolve();
  const beat = setInterval(() => {
    last = write().catch((error: Error) => options.log.debug(`no heartbeat at ${storage.name}: ${error.message}`));
  }, heartbeatSeconds * 1000);
  beat.unref();
  return {
    async shareWith(baseId) {
      pending.baseId = baseId;
      await write();
    },
    async withdraw() {
      clearInterval(beat);
      await last;
      await storage.remove(key);
    },
  };
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
    const removed = isWhole ? 0 : await removeRemains(storage, { kind, id: run.id }, signal);
    await storage.remove(pendingKey(kind, run.id), { signal });
    done.push(
      isWhole
        ? `set ${run.id} was whole although its run died`
        : `removed ${removed} objects of set ${run.id}, whose run died`,
    );
  }
  return done;
}

/** Removes what an unfinished set has sent. */
export async function removeRemains(storage: Storage, set: SetAddress, signal: AbortSignal): Promise<number> {
  let removed = 0;
  for await (const object of storage.list(partFolder(set.kind, set.id), { signal })) {
    await storage.remove(object.key, { signal });
    removed++;
  }
  await storage.remove(restoreDocKey(set.kind, set.id), { signal });
  await storage.remove(checksumsKey(set.kind, set.id), { signal });
  return removed;
}

export function isDead(run: Pending, now: Date): boolean {
  if (run.host === hostname() && run.pid !== process.pid && !isProcessAlive(run.pid)) return true;
  return now.getTime() - Date.parse(run.aliveAt) > deadAfterSeconds * 1000;
}

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
