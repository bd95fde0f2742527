import type { Operation } from '../../reports/index.ts';
import { annotationsOf } from '../annotations.ts';
import { writeBundle } from '../bundle.ts';
import { type AssetsData, assetsDataSchema } from '../data.ts';
import { runTree } from '../run-tree.ts';
import type { Shard } from '../shard.ts';
import { linesOf, summaryOf } from '../text-of.ts';
import { finish } from './finish.ts';

export interface AssetsCheckInput {
  /** Empty: `assets.include`. */
  globs: readonly string[];
  shard: Shard | undefined;
  /** Folder that hands on what was found to the job that puts it together. */
  bundle?: string | undefined;
}

/**
 * Asks of each file whether it is as small as it should be, and of all of them whether they keep their budgets. Nothing but
 * the cache is written.
 */
export const assetsCheckOperation: Operation<AssetsCheckInput, AssetsData> = {
  kind: 'assets.check',
  dataSchema: assetsDataSchema,
  async execute({ globs, shard, bundle }, context) {
    const run = await runTree({ mode: 'check', globs, shard, inPlace: false }, context);
    if (bundle !== undefined) await writeBundle(bundle, run.results, shard ?? null, context, 'check');
    const of = shard ? `${shard.index}/${shard.count}` : null;
    const found = {
      ...run,
      mode: 'check',
      kind: 'assets.check',
      shard: of,
      isTaken: () => false,
      manifest: null,
    } as const;
    // A part says nothing of the whole: who puts the parts together reports.
    return { ...(await finish(found, context)), isDryRun: bundle !== undefined };
  },
  lines: linesOf,
  summary: summaryOf,
  annotations: annotationsOf,
};
