import { readFile, realpath, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, normalize } from 'node:path/posix';
import type { Log } from '../log/index.ts';
import { type AssetCache, blobsOf } from './cache/index.ts';
import { resultOfImage } from './image-result.ts';
import { createImagePool, type ImagePool } from './images/index.ts';
import { type FileResult, type FileType, isOfTheMoment, leftFile } from './result.ts';
import { type AssetSettings, cacheKey, typeOf } from './settings.ts';
import { sha256Of, sha256OfFile } from './sha256.ts';
import { createTextPool, isCompressible, mapFileOf, type TextDone, type TextPool } from './text/index.ts';
import { isInside, noSignature, type Signature, signatureOf } from './tree/index.ts';

export interface EngineOptions {
  /** Absolute. */
  root: string;
  settings: AssetSettings;
  cache: AssetCache;
  log: Log;
  signal: AbortSignal;
}

/** What was found out about a file, and what it looked like to the file system before it was read. */
export interface Looked {
  result: FileResult;
  signature: Signature | undefined;
  isCached: boolean;
}

/** Looks at files: from the cache where nothing has changed, else by reading and working on them. */
export interface Engine extends AsyncDisposable {
  /** One file. What is wrong with it is in the result; the others go on. @throws the reason of the signal */
  look(path: string): Promise<Looked>;
  /**
   * A source was replaced by what was made of it: known as such, with the variants of the original, by its content as well
   * as by its place. (Made again from the smaller one, they would be worse.)
   */
  rememberReplaced(result: FileResult): Promise<void>;
  /**
   * Many, as many at a time as keep every core busy, in the order that they are given.
   * @param then what is done with each at once, while others are looked at; its result takes the place of the first
   */
  lookAtAll(paths: readonly string[], then?: (looked: Looked) => Promise<FileResult>): Promise<Looked[]>;
}

// A minifier of a larger file takes gigabytes and minutes.
const mostTextBytes = 16 * 1024 * 1024;

export function createEngine(options: EngineOptions): Engine {
  const { signal } = options;
  const pools: Pools = { text: undefined, image: undefined };
  const look = (path: string) => lookAt(path, options, pools);
  return {
    look,
    rememberReplaced: result => rememberReplaced(result, options),
    async lookAtAll(paths, then) {
      const found = new Array<Looked>(paths.length);
      let next = 0;
      const lane = async () => {
        for (let at = next++; at < paths.length; at = next++) {
          signal.throwIfAborted();
          const looked = await look(paths[at]!);
          found[at] = then ? { ...looked, result: await then(looked) } : looked;
        }
      };
      // One file is read while another is worked on.
      await Promise.all(Array.from({ length: availableParallelism() * 2 }, lane));
      return found;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([pools.text?.[Symbol.asyncDispose](), pools.image?.[Symbol.asyncDispose]()]);
    },
  };
}

/** Started by the first file that needs them: where nothing has changed there is none. */
interface Pools {
  text: TextPool | undefined;
  image: ImagePool | undefined;
}

async function lookAt(path: string, options: EngineOptions, pools: Pools): Promise<Looked> {
  const { root, cache, settings, log, signal } = options;
  const type = typeOf(path);
  const key = cacheKey(path, settings);
  const absolute = join(root, path);
  const checkedAt = Date.now();
  let signature: Signature;
  try {
    signature = await signatureOf(absolute);
    const known = cache.inputsOf(path, key);
    const unchanged = cache.unchanged(path, key, [signature, ...(await signaturesOf(root, known))]);
    if (unchanged && (await isWhole(unchanged, cache))) return { result: unchanged, signature, isCached: true };
  } catch (error) {
    return { result: unreadable(path, type, error), signature: undefined, isCached: false };
  }

  let read: Content;
  let map: Companion | undefined;
  try {
    read = await readContent(absolute, type);
    const mayHaveMap = type === 'javascript' || type === 'css';
    map = mayHaveMap && read.bytes ? await readMap(root, path, read.bytes) : undefined;
  } catch (error) {
    return { result: unreadable(path, type, error), signature, isCached: false };
  }
  const { size, bytes } = read;
  if (bytes && isLfsPointer(bytes)) {
    const reason = 'it is a pointer of Git LFS: check out with lfs: true';
    return { result: leftFile(path, type, size, 'LFS_POINTER', reason), signature, isCached: false };
  }
  const content = map?.bytes ? sha256Of(`${size.sha256} ${sha256Of(map.bytes)}`) : size.sha256;
  const inputs = map ? [map.path] : [];
  const signatures = [signature, ...(await signaturesOf(root, inputs))];
  const remember = (result: FileResult) =>
    cache.remember({ path, key, content, inputs, signatures, checkedAt, result });

  const same = cache.byContent(path, key, content);
  if (same && (await isWhole(same, cache))) {
    // The map's place is said of the file that it was found with.
    const result = { ...same, path, map: same.map && map ? { ...same.map, path: map.path } : same.map };
    remember(result);
    return { result, signature, isCached: true };
  }
  try {
    const result = await work({ path, absolute, type, size, bytes, map }, options, pools);
    if (!isOfTheMoment(result)) remember(result);
    return { result, signature, isCached: false };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    log.debug(`${path}: ${(error as Error).stack}`);
    const result = leftFile(path, type, size, 'FAILED', (error as Error).message);
    return { result, signature, isCached: false };
  }
}

interface Content {
  size: { bytes: number; sha256: string };
  /** Undefined for an image of some size: the process that works on it reads it. */
  bytes: Buffer | undefined;
}

async function readContent(absolute: string, type: FileType): Promise<Content> {
  const { size: bytes } = await stat(absolute);
  if (type === 'image' && bytes >= mostPointerBytes) {
    return { size: { bytes, sha256: await sha256OfFile(absolute) }, bytes: undefined };
  }
  const whole = await readFile(absolute);
  return { size: { bytes: whole.length, sha256: sha256Of(whole) }, bytes: whole };
}

const mostPointerBytes = 1024;

/** What a checkout has in place of a file that Git LFS keeps (its specification, "The Pointer"). */
function isLfsPointer(bytes: Buffer): boolean {
  return (
    bytes.length < mostPointerBytes && bytes.toString('latin1').startsWith('version https://git-lfs.github.com/spec/')
  );
}

async function rememberReplaced(result: FileResult, { root, cache, settings }: EngineOptions): Promise<void> {
  const { path, after, map } = result;
  if (!after) return;
  const key = cacheKey(path, settings);
  const checkedAt = Date.now();
  const inputs = map ? [map.path] : [];
  const signatures = await signaturesOf(root, [path, ...inputs]);
  const content = map ? sha256Of(`${after.sha256} ${map.sha256}`) : after.sha256;
  const settled: FileResult = {
    ...result,
    bytes: after.bytes,
    sha256: after.sha256,
    status: 'same',
    after: null,
    map: null,
  };
  cache.remember({ path, key, content, inputs, signatures, checkedAt, result: settled });
}

/** A blob that is gone (a cache restored in part) means that the work is to be done again. */
async function isWhole(result: FileResult, cache: AssetCache): Promise<boolean> {
  for (const sha256 of blobsOf(result)) if (!(await cache.hasBlob(sha256))) return false;
  return true;
}

function signaturesOf(root: string, paths: readonly string[]): Promise<Signature[]> {
  return Promise.all(paths.map(path => signatureOf(join(root, path)).catch(() => noSignature)));
}

function unreadable(path: string, type: FileType, error: unknown): FileResult {
  const { code = (error as Error).message } = error as NodeJS.ErrnoException;
  return leftFile(path, type, { bytes: 0, sha256: null }, 'UNREADABLE', `it cannot be read (${code})`);
}

interface Companion {
  path: string;
  /** Undefined where there is none; empty where it must not be read. */
  bytes: Buffer | undefined;
}

async function readMap(root: string, path: string, bytes: Buffer): Promise<Companion | undefined> {
  const named = mapFileOf(bytes.subarray(-4096).toString('utf8'));
  if (named === undefined) return undefined;
  const mapPath = normalize(join(dirname(path), named));
  if (mapPath.startsWith('../') || mapPath.startsWith('/') || mapPath === path) return undefined;
  try {
    const real = await realpath(join(root, mapPath));
    return { path: mapPath, bytes: isInside(root, real) ? await readFile(real) : Buffer.alloc(0) };
  } catch (error) {
    const isMissing = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    return { path: mapPath, bytes: isMissing ? undefined : Buffer.alloc(0) };
  }
}

interface Work {
  path: string;
  absolute: string;
  type: FileType;
  size: { bytes: number; sha256: string };
  bytes: Buffer | undefined;
  map: Companion | undefined;
}

async function work(file: Work, options: EngineOptions, pools: Pools): Promise<FileResult> {
  const { path, type, size, bytes } = file;
  const { settings, cache, signal } = options;
  if (type === 'image' || !bytes) {
    pools.image ??= createImagePool({ cacheFolder: cache.folder });
    const request = { path, file: file.absolute, sha256: size.sha256, settings: settings.images, signal };
    return resultOfImage(file, await pools.image.optimize(request));
  }
  if (bytes.length === 0) return leftFile(path, type, size, 'EMPTY', 'it is empty');
  if (bytes.length > mostTextBytes) {
    return leftFile(
      path,
      type,
      size,
      'TOO_LARGE',
      `text of more than ${mostTextBytes / 1024 / 1024} MiB is not worked on`,
    );
  }
  if (type === 'other' && !(settings.precompress && isCompressible(path))) return unchangedFile(file);
  pools.text ??= createTextPool(signal);
  const done = await pools.text.run({
    file: {
      path,
      kind: type === 'other' ? null : type,
      bytes,
      map: file.map?.bytes,
      settings: { keepNames: settings.keepNames },
    },
    precompress: settings.precompress,
  });
  return resultOfText(file, done, cache);
}

function unchangedFile({ path, type, size }: Work): FileResult {
  return { ...leftFile(path, type, size, '', ''), status: 'same', left: null };
}

async function resultOfText(file: Work, { outcome, encodings }: TextDone, cache: AssetCache): Promise<FileResult> {
  const { path, type, size } = file;
  const base =
    outcome.status === 'left'
      ? leftFile(path, type, size, outcome.code.toUpperCase(), outcome.reason)
      : unchangedFile(file);
  const compressed = await Promise.all(
    encodings.map(async ({ encoding, bytes: made }) => ({ encoding, ...(await cache.putBlob(made)) })),
  );
  if (outcome.status !== 'smaller') return { ...base, encodings: compressed };
  return {
    ...base,
    status: 'smaller',
    after: { ...(await cache.putBlob(outcome.bytes)), score: null, tool: outcome.tool },
    map: outcome.map && file.map ? { path: file.map.path, ...(await cache.putBlob(outcome.map)) } : null,
    encodings: compressed,
  };
}
