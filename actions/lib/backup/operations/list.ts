import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { formatBytes } from '../../log/index.ts';
import type { Operation } from '../../reports/index.ts';
import { openDestinations } from '../destinations.ts';
import { setKinds } from '../sets/keys.ts';
import type { SetKind } from '../sets/manifest.ts';
import { listSets, readManifest, readProofs } from '../sets/set-store.ts';

const listedSet = z.strictObject({
  storage: z.string(),
  kind: z.enum(['database', 'files']),
  id: z.string(),
  /** Null when the manifest is damaged. */
  source: z.string().nullable(),
  snapshotAt: z.iso.datetime().nullable(),
  storedBytes: z.int().nullable(),
  sentBytes: z.int().nullable(),
  baseId: z.string().nullable(),
  isEncrypted: z.boolean().nullable(),
  /** The last verdict of a drill; null: never drilled. */
  verdict: z.enum(['PROVED', 'FAILED', 'COULD NOT VERIFY']).nullable(),
  problem: z.string().nullable(),
});
export type ListedSet = z.infer<typeof listedSet>;

const dataSchema = z.strictObject({ sets: z.array(listedSet) });
export type ListData = z.infer<typeof dataSchema>;

export interface ListInput {
  kind: SetKind | undefined;
  source: string | undefined;
}

/** Every set at every destination, newest first. Changes nothing and stores no report. */
export const listOperation: Operation<ListInput, ListData> = {
  kind: 'backup.list',
  dataSchema,
  async execute(input, context) {
    const storages = openDestinations(context);
    const sets: ListedSet[] = [];
    try {
      for (const storage of storages) {
        for (const kind of input.kind ? [input.kind] : setKinds) {
          for (const address of await listSets(storage, kind, context.signal)) {
            const verdict = (await readProofs(storage, address, context.signal)).at(-1)?.verdict ?? null;
            const common = { storage: storage.name, kind, id: address.id, verdict };
            try {
              const manifest = await readManifest(storage, address, context.signal);
              if (input.source !== undefined && manifest.source !== input.source) continue;
              sets.push({
                ...common,
                source: manifest.source,
                snapshotAt: manifest.snapshotAt,
                storedBytes: manifest.parts.reduce((sum, part) => sum + part.storedBytes, 0),
                sentBytes: manifest.parts.reduce((sum, part) => sum + (part.isReused ? 0 : part.storedBytes), 0),
                baseId: manifest.baseId,
                isEncrypted: manifest.recipients.length > 0,
                problem: null,
              });
            } catch (error) {
              if (!(error instanceof OpsError) || error.code !== 'SET_DAMAGED') throw error;
              sets.push({
                ...common,
                source: null,
                snapshotAt: null,
                storedBytes: null,
                sentBytes: null,
                baseId: null,
                isEncrypted: null,
                problem: error.message,
              });
            }
          }
        }
      }
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
    return { data: { sets }, checks: [], isDryRun: true };
  },
  lines: ({ data }) => (data ? table(data.sets) : []),
  summary: ({ data }) => (data ? ['```', ...table(data.sets), '```', ''].join('\n') : ''),
};

function table(sets: readonly ListedSet[]): string[] {
  if (sets.length === 0) return ['There is no set yet. Make one with: ops backup all'];
  const rows = sets.map(set => [
    set.id,
    set.kind,
    set.source ?? '?',
    set.snapshotAt?.replace(/\.\d+Z$/, 'Z') ?? '?',
    set.storedBytes === null ? '?' : formatBytes(set.storedBytes),
    set.sentBytes === null ? '?' : formatBytes(set.sentBytes),
    set.problem ? 'DAMAGED' : (set.verdict ?? 'not yet drilled'),
    set.storage,
  ]);
  const header = ['SET', 'KIND', 'SOURCE', 'SNAPSHOT', 'STORED', 'SENT', 'VERDICT', 'WHERE'];
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)));
  return [header, ...rows].map(row =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
