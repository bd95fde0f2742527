import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { formatBytes } from '../../log/index.ts';
import type { Check, Operation } from '../../reports/index.ts';
import { openDestinations } from '../destinations.ts';
import { planPrune, prune } from '../retention.ts';

const dataSchema = z.strictObject({
  isDryRun: z.boolean(),
  destinations: z.array(
    z.strictObject({
      storage: z.string(),
      sources: z.array(
        z.strictObject({
          kind: z.enum(['database', 'files']),
          source: z.string(),
          keep: z.array(z.strictObject({ id: z.string(), reasons: z.array(z.string()) })),
          remove: z.array(z.string()),
        }),
      ),
      parts: z.int(),
      bytes: z.int(),
    }),
  ),
});
export type PruneData = z.infer<typeof dataSchema>;

/** Applies retention at every destination. */
export const pruneOperation: Operation<{ dryRun: boolean }, PruneData> = {
  kind: 'backup.prune',
  dataSchema,
  async execute(input, context) {
    const storages = openDestinations(context);
    const data: PruneData = { isDryRun: input.dryRun, destinations: [] };
    const failures: OpsError[] = [];
    try {
      for (const storage of storages) {
        try {
          const plan = await planPrune(context, storage);
          const bytes = plan.parts.reduce((sum, part) => sum + part.sizeBytes, 0);
          if (!input.dryRun) await prune(context, storage, plan);
          data.destinations.push({ storage: storage.name, sources: plan.sources, parts: plan.parts.length, bytes });
        } catch (error) {
          if (!(error instanceof OpsError)) throw error;
          failures.push(error);
        }
      }
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
    if (failures[0] && data.destinations.length === 0) throw failures[0];
    return { data, checks: [checkOf(failures, storages.length)], isDryRun: input.dryRun };
  },
  lines: ({ data, checks }) => [
    ...(data ? pruneLines(data) : []),
    ...checks.filter(({ status }) => status !== 'ok').map(check => `  NOT PRUNED: ${check.message}`),
  ],
  summary: ({ data, error }) =>
    data
      ? ['## Retention', '', ...pruneLines(data).map(line => `- ${line.trim()}`), ''].join('\n')
      : `## Retention failed\n\n${error?.message ?? ''}\n`,
};

function checkOf(failures: readonly OpsError[], destinations: number): Check {
  const base = { id: 'backup.prune', value: failures.length, threshold: 0, unit: 'destinations' };
  if (failures.length === 0) {
    const where = destinations === 1 ? 'the destination' : `all ${destinations} destinations`;
    return { ...base, status: 'ok', message: `Retention is applied at ${where}` };
  }
  const message = failures.map(failure => `${failure.code}: ${failure.message}`).join('; ');
  return { ...base, status: 'critical', message };
}

function pruneLines(data: PruneData): string[] {
  const verb = data.isDryRun ? 'Would remove' : 'Removed';
  return data.destinations.flatMap(destination => [
    ...destination.sources.flatMap(source => [
      ...source.keep.map(set => `keeps   ${set.id}  ${source.source}  ${set.reasons.join(', ')}`),
      ...source.remove.map(id => `${data.isDryRun ? 'removes' : 'removed'} ${id}  ${source.source}`),
    ]),
    `${verb} ${destination.sources.reduce((sum, s) => sum + s.remove.length, 0)} sets and ${destination.parts} parts (${formatBytes(destination.bytes)}) in ${destination.storage}`,
  ]);
}
