import type { Operation } from '../../reports/index.ts';
import { writeBundle } from '../bundle.ts';
import { type AssetsData, assetsDataSchema } from '../data.ts';
import { runTree } from '../run-tree.ts';
import type { Shard } from '../shard.ts';
import { linesOf, summaryOf } from '../text-of.ts';
import { finish, needDestination, writeManifest } from './finish.ts';

export interface AssetsOptimizeInput {
  /** Empty: `assets.include`. */
  globs: readonly string[];
  shard?: Shard | undefined;
  /** Folder for everything that is made, and for what stays as it is. */
  out?: string | undefined;
  /** Sources are replaced by smaller ones; without `out` variants and compressed files stand beside them. */
  inPlace: boolean;
  /** Folder that hands on what was made to `assets merge`; nothing else is written. */
  bundle?: string | undefined;
  manifest?: string | undefined;
}

/** Makes files smaller, and what the site needs beside them. @throws OpsError `USAGE`, and what `runTree` throws */
export const assetsOptimizeOperation: Operation<AssetsOptimizeInput, AssetsData> = {
  kind: 'assets.optimize',
  dataSchema: assetsDataSchema,
  async execute(input, context) {
    needDestination(input);
    const { globs, shard, out, inPlace, bundle, manifest } = input;
    const isBundled = bundle !== undefined;
    const run = await runTree(
      {
        mode: 'optimize',
        globs,
        shard,
        out,
        inPlace: inPlace && !isBundled,
        isWritten: !isBundled,
        ownFiles: [manifest, bundle].filter(path => path !== undefined),
      },
      context,
    );
    if (isBundled) await writeBundle(bundle, run.results, shard ?? null, context);
    const written = manifest ? await writeManifest(manifest, run.results, context, out !== undefined) : null;
    const done = await finish(
      {
        ...run,
        mode: 'optimize',
        kind: 'assets.optimize',
        shard: shard ? `${shard.index}/${shard.count}` : null,
        // What is served from `out` is the smaller one, whatever the source weighs.
        isTaken: () => (inPlace || out !== undefined) && !isBundled,
        manifest: written,
      },
      context,
    );
    // A part says nothing of the whole: who puts the parts together reports.
    return { ...done, isDryRun: isBundled };
  },
  lines: linesOf,
  summary: summaryOf,
};
