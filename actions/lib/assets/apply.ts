import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError, toOpsError } from '../errors/index.ts';
import { type AssetCache, blobsOf } from './cache/index.ts';
import type { Looked } from './engine.ts';
import { encodedName, outputName, variantName } from './names.ts';
import type { FileResult } from './result.ts';
import { sha256Of, sha256OfFile } from './sha256.ts';
import { encodings as allEncodings } from './text/index.ts';
import { type Signature, signatureOf, writeFileWhole } from './tree/index.ts';

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
  const { path, after, map, variants, encodings } = result;
  const outputs: Output[] = [];
  if (inPlace && after) outputs.push({ path, ...of(after), isSource: true });
  if (inPlace && map) outputs.push({ path: map.path, ...of(map), isSource: true });
  const served = servedOf(result, options);
  if (!served) return outputs;
  const { name, isCurrent } = served;
  if (out !== undefined && after) outputs.push({ path: name, ...of(after), isSource: false });
  if (out !== undefined && map) outputs.push({ path: map.path, ...of(map), isSource: false });
  for (const variant of variants)
    outputs.push({ path: variantName(path, variant, hashedNames), ...of(variant), isSource: false });
  if (isCurrent) {
    for (const each of encodings)
      outputs.push({ path: encodedName(name, each.encoding), ...of(each), isSource: false });
  }
  return outputs;
}

/**
 * The name of a source is where its compressed files stand; they are of what is served under that name. Undefined for a
 * source that could not be read.
 */
function servedOf(
  { path, after, sha256 }: FileResult,
  { out, inPlace, hashedNames }: Pick<ApplyOptions, 'out' | 'inPlace' | 'hashedNames'>,
): { name: string; isCurrent: boolean } | undefined {
  const isServedSmaller = inPlace || out !== undefined;
  const served = after && isServedSmaller ? after.sha256 : sha256;
  if (served === null) return undefined;
  const name = out === undefined ? path : outputName(path, served, hashedNames);
  return { name, isCurrent: isServedSmaller || !after };
}

/** Compressed files that this one has none of, or none any more: a server would send an old one in its place. */
function withoutEncodings(result: FileResult, options: ApplyOptions): string[] {
  const served = result.type === 'image' ? undefined : servedOf(result, options);
  if (!served?.isCurrent) return [];
  const has = new Set(result.encodings.map(({ encoding }) => encoding));
  return allEncodings.filter(encoding => !has.has(encoding)).map(encoding => encodedName(served.name, encoding));
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
      const target = join(base, output.path);
      // A source has just been read, and is larger.
      if (!output.isSource && (await isThere(target, output, cache))) continue;
      const bytes = await cache.blob(output.sha256);
      if (!bytes) throw await noLongerKept(output.path, result, cache);
      const expected = output.isSource && output.path === result.path ? signature : undefined;
      await writeFileWhole({ root: base, path: output.path, bytes, expected });
      if (!output.isSource) cache.written.remember(target, output.sha256, await signatureOf(target));
      applied.writtenFiles++;
      applied.writtenBytes += bytes.length;
    }
    if (out !== undefined && result.sha256 !== null && !result.after) {
      if (await copyAsItIs({ result, root, out, hashedNames, cache })) applied.writtenFiles++;
    }
    for (const path of withoutEncodings(result, options)) await removeOwn(join(out ?? root, path), cache);
    if (options.inPlace && result.after) applied.savedBytes = result.bytes - result.after.bytes;
  } catch (error) {
    applied.failure = toOpsError(error);
  }
  return applied;
}

/** Its other blobs are looked at, too: one that is damaged as well would stop the next run again. */
async function noLongerKept(path: string, result: FileResult, cache: AssetCache): Promise<OpsError> {
  for (const sha256 of blobsOf(result)) await cache.blob(sha256);
  const hint = 'Run it again.';
  return new OpsError('ASSETS_CACHE', `What was made for ${path} is no longer in the cache`, { hint });
}

/** A folder that is to be served has every file, also those that nothing could be done for. */
async function copyAsItIs({
  result,
  root,
  out,
  hashedNames,
  cache,
}: {
  result: FileResult;
  root: string;
  out: string;
  hashedNames: boolean;
  cache: AssetCache;
}): Promise<boolean> {
  const sha256 = result.sha256!;
  const path = outputName(result.path, sha256, hashedNames);
  const target = join(out, path);
  if (await isThere(target, { sha256, bytes: result.bytes }, cache)) return false;
  const bytes = await readFile(join(root, result.path));
  if (sha256Of(bytes) !== sha256) {
    throw new OpsError('CHANGED', `${result.path} was changed while it was worked on`, { hint: 'Run it again.' });
  }
  await writeFileWhole({ root: out, path, bytes });
  cache.written.remember(target, sha256, await signatureOf(target));
  return true;
}

/** Whether a file has these bytes already: by its signature, where it was written or looked at before, else by reading it. */
async function isThere(
  path: string,
  { sha256, bytes }: Pick<Output, 'sha256' | 'bytes'>,
  { written }: AssetCache,
): Promise<boolean> {
  const signature = await signatureIfAny(path);
  if (!signature || Number(signature[0]) !== bytes) return false;
  if (written.has(path, sha256, signature)) return true;
  if ((await sha256OfFile(path).catch(() => undefined)) !== sha256) return false;
  written.remember(path, sha256, signature);
  return true;
}

function signatureIfAny(path: string): Promise<Signature | undefined> {
  return signatureOf(path).catch(() => undefined);
}

/** Only what this tool has made: a file of somebody else stays, whatever its name. */
async function removeOwn(path: string, cache: AssetCache): Promise<void> {
  if (!(await signatureIfAny(path))) return;
  const sha256 = await sha256OfFile(path).catch(() => undefined);
  if (sha256 !== undefined && (await cache.hasBlob(sha256))) await rm(path, { force: true });
}
