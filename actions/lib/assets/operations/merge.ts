import type { Operation } from '../../reports/index.ts';
import { type AssetsData, assetsDataSchema } from '../data.ts';
import { mergeTree } from '../merge-tree.ts';
import { linesOf, summaryOf } from '../text-of.ts';
import { finish, needDestination, writeManifest } from './finish.ts';

export interface AssetsMergeInput {
  /** One of each shard. */
  bundles: readonly string[];
  out?: string | undefined;
  inPlace: boolean;
  manifest?: string | undefined;
}

/** Puts together what the shards of one run made, and judges the whole: totals are about all files. */
export const assetsMergeOperation: Operation<AssetsMergeInput, AssetsData> = {
  kind: 'assets.optimize',
  dataSchema: assetsDataSchema,
  async execute({ bundles, out, inPlace, manifest }, context) {
    needDestination({ out, inPlace });
    const run = await mergeTree({ bundles, out, inPlace }, context);
    const written = manifest ? await writeManifest(manifest, run.results, context, out !== undefined) : null;
    return finish(
      {
        ...run,
        mode: 'merge',
        kind: 'assets.optimize',
        shard: null,
        isTaken: () => inPlace || out !== undefined,
        manifest: written,
      },
      context,
    );
  },
  lines: linesOf,
  summary: summaryOf,
};
