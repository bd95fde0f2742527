import { realpath, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { type Applied, type ApplyOptions, applyResult } from './apply.ts';
import { type Weighed, weighedGlobs } from './budgets.ts';
import { openCache } from './cache/index.ts';
import { createEngine, type Engine, type Looked } from './engine.ts';
import { bytesAfter, type FileResult, leftFile } from './result.ts';
import { type Mode, settingsFor, typeOf } from './settings.ts';
import { isInShard, type Shard } from './shard.ts';
import { type Listed, listTree } from './tree/index.ts';

export interface TreeInput {
  mode: Mode;
  /** Empty: `assets.include`. */
  globs: readonly string[];
  /** Only these paths, of those that the globs name: what a pull request changes. */
  only?: ReadonlySet<string> | undefined;
  shard?: Shard | undefined;
  /** Relative to the working directory. */
  out?: string | undefined;
  inPlace: boolean;
  /** Files and folders that the run itself writes. */
  ownFiles?: readonly string[];
  /** Default: what is made by `optimize` is written. */
  isWritten?: boolean;
}

export interface TreeRun {
  /** By path. */
  results: FileResult[];
  /** What budgets are held against: sizes as they are after the run. */
  weighed: Weighed[];
  cachedFiles: number;
  writtenFiles: number;
  writtenBytes: number;
  /** By how much sources became smaller. */
  savedBytes: number;
}

/**
 * Every file of a tree that globs name, looked at and, when it is to be, written. What is wrong with one file is in its
 * result.
 *
 * @throws OpsError `ASSETS_PATH`, `ASSETS_ROOT`, `ASSETS_CACHE`, `ASSETS_NONE` (exit 2) when named globs match nothing
 */
export async function runTree(input: TreeInput, context: OpsContext): Promise<TreeRun> {
  const { config, log, signal, now, cwd } = context;
  const { assets } = config;
  const root = await realpath(cwd);
  const all = await listTree(root, includeOf(input, context), excludeOf(context, input));
  // A misspelt glob would be a check that never finds anything.
  if (input.globs.length > 0 && !input.only && all.paths.length + all.refused.length === 0) throw noFile(input.globs);
  const listed = chosen(all, input);
  const cache = await openCache({ folder: resolve(cwd, assets.cache.path), keepDays: assets.cache.keepDays, now });
  const settings = settingsFor(input.mode, assets);
  const run = emptyRun();
  const isWritten = input.mode === 'optimize' && input.isWritten !== false;
  const out = input.out === undefined ? undefined : resolve(cwd, input.out);
  const apply: ApplyOptions = {
    root,
    out,
    inPlace: input.inPlace,
    hashedNames: assets.hashedNames && out !== undefined,
    cache,
  };
  try {
    await using engine = createEngine({ root, settings, cache, log, signal });
    const task = context.progress.start(input.mode === 'check' ? 'Checking' : 'Optimising', listed.paths.length);
    const looked = await engine.lookAtAll(listed.paths, async each => {
      task.advance(1);
      return isWritten ? writeResult(each, apply, engine, run) : each.result;
    });
    task.done();
    run.cachedFiles = looked.filter(({ isCached }) => isCached).length;
    run.results = looked.map(({ result }) => result);
    // Read once more at the end, when a change would show: the next run needs only look at their times.
    await engine.lookAtAll(cache.unsettled());
  } finally {
    await cache.close();
  }
  for (const { path, code, reason } of listed.refused) {
    run.results.push(leftFile(path, typeOf(path), { bytes: 0, sha256: null }, code, reason));
  }
  const isReplaced = isWritten && (input.inPlace || out !== undefined);
  run.weighed = await weigh(run.results, { isReplaced, isPart: input.shard !== undefined }, context, root);
  for (const { path, left } of run.results) if (left) log.debug(`${path}: ${left.reason}`, { code: left.code });
  return run;
}

function noFile(globs: readonly string[]): OpsError {
  return new OpsError('ASSETS_NONE', `No file here matches ${globs.join(' ')}`, {
    hint: 'Globs are relative to the working directory; put quotes around them, so that the shell leaves them alone.',
    exit: 'usage',
  });
}

function includeOf({ globs }: TreeInput, { config }: OpsContext): readonly string[] {
  return globs.length > 0 ? globs : config.assets.include;
}

/** What this tool itself writes is never its own input: reports, the cache, the manifest, and the folder of what is made. */
export function excludeOf(
  { config, cwd }: OpsContext,
  { out, ownFiles = [] }: Pick<TreeInput, 'out' | 'ownFiles'>,
): string[] {
  const { exclude, cache } = config.assets;
  const own = [config.reports.path, cache.path, out, ...ownFiles].flatMap(path => {
    const inside = path === undefined ? '' : relative(cwd, resolve(cwd, path)).replaceAll('\\', '/');
    return inside === '' || inside.startsWith('..') ? [] : [`${escapeGlob(inside)}/**`, escapeGlob(inside)];
  });
  return [...exclude, ...own];
}

function escapeGlob(path: string): string {
  return path.replace(/[\\*?[\]{}()!+@]/g, '\\$&');
}

function chosen(listed: Listed, { only, shard }: TreeInput): Listed {
  const isChosen = (path: string) => (!only || only.has(path)) && (!shard || isInShard(path, shard));
  return {
    paths: listed.paths.filter(isChosen),
    refused: listed.refused.filter(({ path }) => isChosen(path)),
  };
}

export function emptyRun(): TreeRun {
  return { results: [], weighed: [], cachedFiles: 0, writtenFiles: 0, writtenBytes: 0, savedBytes: 0 };
}

/**
 * Writes what was made of one file, and counts it.
 * @param looked `isSame: false` for a file that is known to have changed since
 * @returns the result, or why it could not be written
 */
export async function writeResult(
  looked: Looked & { isSame?: boolean },
  options: ApplyOptions,
  engine: Engine,
  run: TreeRun,
): Promise<FileResult> {
  const { result, isSame = true } = looked;
  if (result.sha256 !== null && !isSame) {
    return leftFile(result.path, result.type, result, 'CHANGED', 'it was changed since it was looked at; run it again');
  }
  const { failure, ...counts }: Applied = await applyResult(looked, options);
  run.writtenFiles += counts.writtenFiles;
  run.writtenBytes += counts.writtenBytes;
  run.savedBytes += counts.savedBytes;
  if (failure) return leftFile(result.path, result.type, result, failure.code, failure.message);
  if (options.inPlace && result.after) await engine.rememberReplaced(result);
  return result;
}

/** Budgets are about the whole tree, whatever part of it was looked at; sizes are enough for them. */
export async function weigh(
  results: readonly FileResult[],
  { isReplaced, isPart }: { isReplaced: boolean; isPart: boolean },
  context: OpsContext,
  root: string,
): Promise<Weighed[]> {
  const { budgets } = context.config.assets;
  const weighed = new Map<string, Weighed>();
  for (const result of results) {
    const { path, image } = result;
    const pixels = image ? image.width * image.height : undefined;
    weighed.set(path, { path, bytes: isReplaced ? bytesAfter(result) : result.bytes, pixels });
  }
  const globs = weighedGlobs(budgets);
  if (globs.length === 0 || isPart) return [...weighed.values()];
  for (const path of (await listTree(root, globs, excludeOf(context, {}))).paths) {
    if (weighed.has(path)) continue;
    const size = (await stat(join(root, path)).catch(() => undefined))?.size;
    if (size !== undefined) weighed.set(path, { path, bytes: size });
  }
  return [...weighed.values()];
}
