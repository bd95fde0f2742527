import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { type AssetCache, blobsOf, openCache } from './cache/index.ts';
import { type ResultsFile, resultsFileSchema } from './data.ts';
import { writeBlob, writeWhole } from './operations/finish.ts';
import type { FileResult } from './result.ts';
import { type Mode, settingsFor, settingsKey } from './settings.ts';
import { sha256Of } from './sha256.ts';
import { isInShard, type Shard } from './shard.ts';

/**
 * What one job found and made, for the job that puts all of it together: `results.json`, and `blobs/ab/abcdef…` by their
 * SHA-256. It is looked at again, whole, before any of it is used.
 */
export async function writeBundle(
  folder: string,
  results: readonly FileResult[],
  shard: Shard | null,
  context: OpsContext,
  mode: Mode = 'optimize',
): Promise<void> {
  const { config, cwd, now } = context;
  const target = resolve(cwd, folder);
  const cache = await openCache({
    folder: resolve(cwd, config.assets.cache.path),
    keepDays: config.assets.cache.keepDays,
    now,
  });
  for (const sha256 of new Set(results.flatMap(blobsOf))) {
    const bytes = await cache.blob(sha256);
    if (!bytes)
      throw new OpsError('ASSETS_CACHE', 'What was made is no longer in the cache', { hint: 'Run it again.' });
    await writeBlob(join(target, 'blobs'), sha256, bytes);
  }
  const file: ResultsFile = {
    schema: 'production-ops/assets-results/1',
    shard,
    key: runKey(context, mode),
    results: [...results],
  };
  await writeWhole(join(target, 'results.json'), JSON.stringify(file));
}

/** Of the settings and tools that results are of. */
export function runKey({ config }: OpsContext, mode: Mode): string {
  return settingsKey(settingsFor(mode, config.assets));
}

/**
 * The results of all shards, and their blobs in the cache.
 * @throws OpsError `ASSETS_BUNDLE` (exit 2) when one is missing, comes twice, or is not of this tree and these settings
 */
export async function readBundles(
  folders: readonly string[],
  cache: AssetCache,
  context: OpsContext,
  mode: Mode = 'optimize',
): Promise<FileResult[]> {
  const found = (await Promise.all(folders.map(folder => bundleFolders(folder, context.cwd)))).flat();
  const bundles = await Promise.all(found.map(folder => readBundle(resolve(context.cwd, folder), folder)));
  refuseMismatch(bundles, runKey(context, mode));
  const results: FileResult[] = [];
  for (const { folder, file } of bundles) {
    for (const result of file.results) {
      if (file.shard && !isInShard(result.path, file.shard)) {
        throw wrong(`${folder} holds ${result.path}, which is not of its shard`);
      }
      for (const sha256 of blobsOf(result)) await importBlob(folder, sha256, cache);
      results.push(result);
    }
  }
  const paths = new Set(results.map(({ path }) => path));
  if (paths.size < results.length) throw wrong('the same file is in more than one bundle');
  return results;
}

/** A folder that is no bundle itself holds several, as artifacts are downloaded. */
async function bundleFolders(folder: string, cwd: string): Promise<string[]> {
  const entries = await readdir(resolve(cwd, folder), { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === 'results.json')) return [folder];
  const inside = entries.filter(entry => entry.isDirectory()).map(({ name }) => `${folder}/${name}`);
  return inside.length > 0 ? inside.sort() : [folder];
}

interface Bundle {
  folder: string;
  file: ResultsFile;
}

async function readBundle(folder: string, name: string): Promise<Bundle> {
  let text: string;
  try {
    text = await readFile(join(folder, 'results.json'), 'utf8');
  } catch (cause) {
    throw wrong(`${name} has no results.json (${(cause as NodeJS.ErrnoException).code})`);
  }
  try {
    return { folder, file: resultsFileSchema.parse(JSON.parse(text)) };
  } catch {
    throw wrong(`${name}/results.json is not one`);
  }
}

function refuseMismatch(bundles: readonly Bundle[], key: string): void {
  const other = bundles.find(({ file }) => file.key !== key);
  if (other) throw wrong(`${other.folder} was made with other settings or other versions of the tools`);
  const counts = new Set(bundles.map(({ file }) => file.shard?.count ?? 1));
  if (counts.size !== 1) throw wrong('they are of different numbers of shards');
  const count = [...counts][0]!;
  const indexes = bundles.map(({ file }) => file.shard?.index ?? 1).sort((a, b) => a - b);
  const missing = Array.from({ length: count }, (_, at) => at + 1).filter(index => !indexes.includes(index));
  if (missing.length > 0) throw wrong(`shard ${missing.map(index => `${index}/${count}`).join(', ')} is missing`);
  if (indexes.length !== count) throw wrong('a shard comes twice');
}

async function importBlob(folder: string, sha256: string, cache: AssetCache): Promise<void> {
  if (await cache.hasBlob(sha256)) return;
  const bytes = await readFile(join(folder, 'blobs', sha256.slice(0, 2), sha256)).catch(() => undefined);
  if (!bytes || sha256Of(bytes) !== sha256) throw wrong(`${folder} lacks a file that it made, or it is damaged`);
  await cache.putBlob(bytes);
}

function wrong(what: string): OpsError {
  return new OpsError('ASSETS_BUNDLE', `The bundles cannot be merged: ${what}`, {
    hint: 'Every shard of one run makes one bundle (ops assets optimize --shard 1/4 --bundle <folder>); name all of them.',
    exit: 'usage',
  });
}
