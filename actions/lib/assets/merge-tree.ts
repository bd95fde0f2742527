import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { readBundles } from './bundle.ts';
import { openCache } from './cache/index.ts';
import { createEngine } from './engine.ts';
import { emptyRun, type TreeRun, weigh, writeResult } from './run-tree.ts';
import { settingsFor } from './settings.ts';
import { sha256OfFile } from './sha256.ts';
import { signatureOf } from './tree/index.ts';

/** Writes what the shards made, where the files are still those that it was made of. */
export async function mergeTree(
  { bundles, out, inPlace }: { bundles: readonly string[]; out?: string | undefined; inPlace: boolean },
  context: OpsContext,
): Promise<TreeRun> {
  if (bundles.length === 0) {
    throw new OpsError('USAGE', 'No bundle is named', { hint: 'Name the folder of each shard.', exit: 'usage' });
  }
  const { config, cwd, now, log, signal } = context;
  const { assets } = config;
  const root = await realpath(cwd);
  const cache = await openCache({ folder: resolve(cwd, assets.cache.path), keepDays: assets.cache.keepDays, now });
  const run = emptyRun();
  const target = out === undefined ? undefined : resolve(cwd, out);
  const options = { root, out: target, inPlace, hashedNames: assets.hashedNames && target !== undefined, cache };
  try {
    const results = await readBundles(bundles, cache, context);
    await using engine = createEngine({
      root,
      settings: settingsFor('optimize', assets),
      cache,
      log,
      signal,
    });
    for (const result of results) {
      signal.throwIfAborted();
      const absolute = join(root, result.path);
      const signature = await signatureOf(absolute).catch(() => undefined);
      const isSame = signature !== undefined && (await sha256OfFile(absolute).catch(() => undefined)) === result.sha256;
      run.results.push(await writeResult({ result, signature, isCached: false, isSame }, options, engine, run));
    }
    await engine.lookAtAll(cache.unsettled());
  } finally {
    await cache.close();
  }
  run.weighed = await weigh(run.results, { isReplaced: inPlace || target !== undefined, isPart: false }, context, root);
  return run;
}
