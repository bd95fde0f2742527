import type { RetentionConfig } from '../config/index.ts';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { idTime } from '../reports/index.ts';
import type { Storage } from '../storage/index.ts';
import { setKinds, setOfDescription, setOfPartKey } from './sets/keys.ts';
import type { Manifest, SetKind } from './sets/manifest.ts';
import { isDead, readPending } from './sets/pending.ts';
import { listSets, readManifest, readProofs, removeSet } from './sets/set-store.ts';

export interface RetentionSet {
  id: string;
  source: string;
  isProved: boolean;
}

export interface RetentionPlan {
  keep: { id: string; reasons: string[] }[];
  remove: string[];
}

/**
 * Grandfather-father-son over the sets of one source: the newest set of each of the last N days, ISO weeks, months and
 * years that have one (UTC), a floor of proved sets, and always the newest. Counting periods that have a set, and not
 * calendar time, means that a schedule that stopped does not eat what is left.
 */
export function planRetention(sets: readonly RetentionSet[], policy: RetentionConfig): RetentionPlan {
  const newestFirst = [...sets].sort((a, b) => (a.id < b.id ? 1 : -1));
  const reasons = new Map<string, string[]>();
  const keep = (id: string, reason: string) => reasons.set(id, [...(reasons.get(id) ?? []), reason]);
  if (newestFirst[0]) keep(newestFirst[0].id, 'newest');
  const periods = [
    ['daily', policy.daily, (d: Date) => d.toISOString().slice(0, 10)],
    ['weekly', policy.weekly, isoWeek],
    ['monthly', policy.monthly, (d: Date) => d.toISOString().slice(0, 7)],
    ['yearly', policy.yearly, (d: Date) => d.toISOString().slice(0, 4)],
  ] as const;
  for (const [name, count, periodOf] of periods) {
    const seen = new Set<string>();
    for (const set of newestFirst) {
      const period = periodOf(idTime(set.id));
      if (seen.has(period)) continue;
      if (seen.size === count) break;
      seen.add(period);
      keep(set.id, `${name} ${period}`);
    }
  }
  for (const set of newestFirst.filter(s => s.isProved).slice(0, policy.proved)) keep(set.id, 'proved');
  return {
    keep: newestFirst.flatMap(set => (reasons.has(set.id) ? [{ id: set.id, reasons: reasons.get(set.id)! }] : [])),
    remove: newestFirst.filter(set => !reasons.has(set.id)).map(set => set.id),
  };
}

/** ISO 8601 week, e.g. `2026-W48`: weeks begin on Monday, and belong to the year of their Thursday. */
function isoWeek(date: Date): string {
  const thursday = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));
  thursday.setUTCDate(thursday.getUTCDate() + 3 - ((thursday.getUTCDay() + 6) % 7));
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * 86_400_000));
  return `${year}-W${String(week).padStart(2, '0')}`;
}

export interface PrunePlan {
  storage: string;
  sources: ({ kind: SetKind; source: string } & RetentionPlan)[];
  /** Objects that no kept set and no living run needs. */
  parts: { key: string; sizeBytes: number }[];
}

/**
 * What pruning one destination would remove. A damaged manifest stops it: what it refers to cannot be known, and what
 * looks unused may be all that is left of it.
 * @throws OpsError `PRUNE_UNSAFE`, `STORAGE_*`
 */
export async function planPrune(context: OpsContext, storage: Storage): Promise<PrunePlan> {
  const { signal } = context;
  const plan: PrunePlan = { storage: storage.name, sources: [], parts: [] };
  for (const kind of setKinds) {
    // Parts first, then runs, then manifests: a run declares itself before it sends a part and withdraws after its
    // manifest, so each part seen here has its run or its manifest in what is read after it.
    const stored = await Array.fromAsync(storage.list(`parts/${kind}/`, { signal }));
    const described = await Array.fromAsync(storage.list(`sets/${kind}/`, { signal }));
    const pending = (await readPending(storage, kind, signal)).filter(run => !isDead(run, context.now()));
    const busy = new Set(pending.flatMap(run => (run.baseId ? [run.id, run.baseId] : [run.id])));
    const manifests: Manifest[] = [];
    for (const address of await listSets(storage, kind, signal))
      manifests.push(await readForPrune(storage, address, signal));
    const removed = new Set<string>();
    for (const [source, sets] of Map.groupBy(manifests, manifest => manifest.source)) {
      const facts = await Promise.all(
        sets.map(async set => ({
          id: set.id,
          source,
          isProved: (await readProofs(storage, set, signal)).at(-1)?.verdict === 'PROVED',
        })),
      );
      const retention = planRetention(facts, context.config.backup.retention);
      for (const id of retention.remove.filter(id => busy.has(id)))
        retention.keep.push({ id, reasons: ['in use by a running backup'] });
      retention.remove = retention.remove.filter(id => !busy.has(id));
      for (const id of retention.remove) removed.add(id);
      plan.sources.push({ kind, source, ...retention });
    }
    const needed = new Set(
      manifests.filter(set => !removed.has(set.id)).flatMap(set => set.parts.map(part => part.key)),
    );
    for (const object of stored) {
      const owner = setOfPartKey(object.key);
      if (!owner || needed.has(object.key) || busy.has(owner.id)) continue;
      plan.parts.push({ key: object.key, sizeBytes: object.sizeBytes });
    }
    // A removal that was interrupted leaves what described the set.
    const existing = new Set(manifests.map(set => set.id));
    for (const object of described) {
      const owner = setOfDescription(object.key);
      if (!owner || existing.has(owner.id) || busy.has(owner.id)) continue;
      plan.parts.push({ key: object.key, sizeBytes: object.sizeBytes });
    }
  }
  return plan;
}

async function readForPrune(
  storage: Storage,
  address: { kind: SetKind; id: string },
  signal: AbortSignal,
): Promise<Manifest> {
  try {
    return await readManifest(storage, address, signal);
  } catch (cause) {
    if (!(cause instanceof OpsError) || cause.code !== 'SET_DAMAGED') throw cause;
    throw new OpsError('PRUNE_UNSAFE', `Nothing is pruned in ${storage.name}: ${cause.message}`, {
      hint: `Restore that manifest from another destination, or remove sets/${address.kind}/${address.id}/ by hand.`,
      cause,
    });
  }
}

/** Carries a plan out: manifests first, so that no set ever refers to a part that is gone. */
export async function prune(
  context: OpsContext,
  storage: Storage,
  plan: PrunePlan,
): Promise<{ sets: number; parts: number; bytes: number }> {
  let sets = 0;
  for (const { kind, remove } of plan.sources) {
    for (const id of remove) {
      await removeSet(storage, { kind, id }, context.signal);
      sets++;
    }
  }
  let bytes = 0;
  for (const part of plan.parts) {
    context.signal.throwIfAborted();
    await storage.remove(part.key, { signal: context.signal });
    bytes += part.sizeBytes;
  }
  return { sets, parts: plan.parts.length, bytes };
}
