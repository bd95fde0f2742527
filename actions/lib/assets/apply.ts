import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError, toOpsError } from '../errors/index.ts';
import { type AssetCache, sha256Of } from './cache/index.ts';
import type { Looked } from './engine.ts';
import { encodedName, outputName, variantName } from './names.ts';
import type { FileResult } from './result.ts';
import { writeFileWhole } from './tree/index.ts';

export interface ApplyOptions {
  /** Absolute. */
  root: string;
  /** Absolute; undefined: beside the sources. */
  out: string | undefined;
  /** Sources are replaced by smaller ones. */
  inPlace: boolean;
  hashedNames: boolean;
  cache: AssetCache;
}

/** One file to be written. */
export interface Output {
  /** Relative to `root` or `out`. */
  path: string;
  sha256: string;
  bytes: number;
  /** In the tree itself, over what was read. */
  isSource: boolean;
}

/** What is to be written for one file: data, so that a dry run and a test can look at it. */
export function planOutputs(
  result: FileResult,
  options: Pick<ApplyOptions, 'out' | 'inPlace' | 'hashedNames'>,
): Output[] {
  const { out, inPlace, hashedNames } = options;
  const { path, after, map, variants, encodings, sha256 } = result;
  const outputs: Output[] = [];
  if (inPlace && after) outputs.push({ path, ...of(after), isSource: true });
  if (inPlace && map) outputs.push({ path: map.path, ...of(map), isSource: true });
  // The name of a source is where its compressed files stand; they are of what is served under that name.
  const isServedSmaller = inPlace || out !== undefined;
  const served = after && isServedSmaller ? after.sha256 : sha256;
  if (served === null) return outputs;
  const name = out === undefined ? path : outputName(path, served, hashedNames);
  if (out !== undefined && after) outputs.push({ path: name, ...of(after), isSource: false });
  if (out !== undefined && map) outputs.push({ path: map.path, ...of(map), isSource: false });
  for (const variant of variants)
    outputs.push({ path: variantName(path, variant, hashedNames), ...of(variant), isSource: false });
  if (isServedSmaller || !after) {
    for (const each of encodings)
      outputs.push({ path: encodedName(name, each.encoding), ...of(each), isSource: false });
  }
  return outputs;
}

function of({ sha256, bytes }: { sha256: string; bytes: number }): { sha256: string; bytes: number } {
  return { sha256, bytes };
}

export interface Applied {
  writtenFiles: number;
  writtenBytes: number;
  /** By how much sources became smaller. */
  savedBytes: number;
  failure: OpsError | undefined;
}

/** Writes what one file needs and what is not there yet. What fails is that file's failure; nothing is half written. */
export async function applyResult({ result, signature }: Looked, options: ApplyOptions): Promise<Applied> {
  const { root, out, cache, hashedNames } = options;
  const applied: Applied = { writtenFiles: 0, writtenBytes: 0, savedBytes: 0, failure: undefined };
  try {
    if (out !== undefined) await mkdir(out, { recursive: true });
    const outputs = planOutputs(result, options);
    // A file that is served before its map, its variants or its compressed files would be served without them: it is last.
    for (const output of [...outputs].sort((a, b) => Number(a.isSource) - Number(b.isSource))) {
      const base = output.isSource ? root : (out ?? root);
      // A source has just been read, and is larger.
      if (!output.isSource && (await sizeOf(join(base, output.path))) === output.bytes) continue;
      const bytes = await cache.blob(output.sha256);
      if (!bytes)
        throw new OpsError('ASSETS_CACHE', `What was made for ${output.path} is no longer in the cache`, {
          hint: 'Run it again.',
        });
      const expected = output.isSource && output.path === result.path ? signature : undefined;
      await writeFileWhole({ root: base, path: output.path, bytes, expected });
      applied.writtenFiles++;
      applied.writtenBytes += bytes.length;
    }
    if (out !== undefined && result.sha256 !== null && !result.after) {
      if (await copyAsItIs(result, root, out, hashedNames)) applied.writtenFiles++;
    }
    if (options.inPlace && result.after) applied.savedBytes = result.bytes - result.after.bytes;
  } catch (error) {
    applied.failure = toOpsError(error);
  }
  return applied;
}

/** A folder that is to be served has every file, also those that nothing could be done for. */
async function copyAsItIs(result: FileResult, root: string, out: string, hashedNames: boolean): Promise<boolean> {
  const path = outputName(result.path, result.sha256!, hashedNames);
  if ((await sizeOf(join(out, path))) === result.bytes) return false;
  const bytes = await readFile(join(root, result.path));
  if (sha256Of(bytes) !== result.sha256) {
    throw new OpsError('CHANGED', `${result.path} was changed while it was worked on`, { hint: 'Run it again.' });
  }
  await writeFileWhole({ root: out, path, bytes });
  return true;
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}
