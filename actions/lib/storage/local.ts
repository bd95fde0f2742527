import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { OpsError } from '../errors/index.ts';
import { type Body, openBody, rejectionOf } from './body.ts';
import { assertKey, assertPrefix, isKey, isOfDeadProcess, isTemporary, temporaryName } from './key.ts';
import { isErrno, localError } from './local-errors.ts';
import { linkOrClaim } from './local-publish.ts';
import type { GetOptions, ObjectInfo, PutOptions, Storage } from './storage.ts';
import { type FolderEntry, walk } from './walk.ts';

export interface LocalOptions {
  /** Folder that keeps the objects; created by the first `put`. It may be a symbolic link; nothing below it may. */
  path: string;
}

/** Enough to keep the disk busy, small enough that many writers at once stay cheap: each holds two of these. */
const batchBytes = 1024 * 1024;
const readBytes = 256 * 1024;

/**
 * A folder on this machine. An object is written to a temporary file beside it, synced, and then renamed (or linked,
 * for `ifAbsent`): after a crash it is there whole or not at all. Files are 0600, folders 0700.
 */
export function createLocalStorage(options: LocalOptions): Storage {
  const root = resolve(options.path);
  const name = `local:${root}`;
  const durableFolders = new Set<string>();
  const fail = (doing: string, key: string) => (error: unknown) => localError(error, `${doing} ${key} in ${name}`);

  async function put(key: string, given: Readable | Uint8Array, { ifAbsent, signal }: PutOptions = {}) {
    const body = openBody(given, signal);
    try {
      const target = await locate(root, key);
      // Spares writing what would be refused; the link below is what decides.
      if (ifAbsent && (await statOf(target))) throw exists(key, name);
      const file = await openTemporary(dirname(target));
      try {
        const sizeBytes = await writeAll(file.handle, body);
        await file.handle.datasync();
        await file.handle.close();
        if (!ifAbsent) await rename(file.path, target);
        else if (!(await linkOrClaim(file.path, target))) throw exists(key, name);
        await syncFolder(dirname(target));
        return { sizeBytes };
      } catch (error) {
        await file.handle.close().catch(() => {});
        await rm(file.path, { force: true }).catch(() => {});
        throw error;
      }
    } catch (error) {
      const rejection = rejectionOf(error, body, signal, thrown => writeError(thrown, key, name));
      body.discard(rejection);
      throw rejection;
    }
  }

  async function get(key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
    const path = await locate(root, key);
    try {
      const stats = await statOf(path);
      if (!stats) throw new OpsError('STORAGE_NOT_FOUND', `There is no ${key} in ${name}`);
      if (range && range.start >= stats.size) {
        throw new OpsError('STORAGE_FAILED', `${key} in ${name} has ${stats.size} bytes: none from ${range.start} on`);
      }
      const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      return handle.createReadStream({ ...range, highWaterMark: readBytes, ...(signal && { signal }) });
    } catch (error) {
      throw fail('read', key)(error);
    }
  }

  async function head(key: string): Promise<ObjectInfo | undefined> {
    const path = await locate(root, key);
    const stats = await statOf(path).catch(error => Promise.reject(fail('look at', key)(error)));
    return stats && { key, sizeBytes: stats.size, modifiedAt: stats.mtime };
  }

  async function* list(prefix: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    for await (const { key, path } of filesBelow(prefix, signal)) {
      if (!isKey(key)) continue;
      const stats = await statOf(path);
      if (stats) yield { key, sizeBytes: stats.size, modifiedAt: stats.mtime };
    }
  }

  async function remove(key: string): Promise<void> {
    const path = await locate(root, key);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw fail('remove', key)(error);
    }
    await removeEmptyFolders(dirname(path));
  }

  async function sweepAbandoned(options: { olderThanSeconds: number; prefix?: string; signal?: AbortSignal }) {
    const bornBefore = Date.now() - options.olderThanSeconds * 1000;
    const removed: string[] = [];
    for await (const { key, path } of filesBelow(options.prefix ?? '', options.signal)) {
      const fileName = key.slice(key.lastIndexOf('/') + 1);
      if (!isTemporary(fileName)) continue;
      const stats = await statOf(path);
      if (!stats || (stats.mtimeMs > bornBefore && !isOfDeadProcess(fileName))) continue;
      await rm(path, { force: true }).catch(error => Promise.reject(fail('remove', key)(error)));
      await removeEmptyFolders(dirname(path));
      removed.push(key);
    }
    return removed;
  }

  async function* filesBelow(prefix: string, signal: AbortSignal | undefined) {
    const read = async (folder: string): Promise<FolderEntry[]> => {
      signal?.throwIfAborted();
      try {
        const entries = await readdir(join(root, folder), { withFileTypes: true });
        // Symbolic links are neither followed nor shown: what they point to is not in this store.
        return entries
          .filter(entry => entry.isFile() || entry.isDirectory())
          .map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }));
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return [];
        throw fail('list', folder || '/')(error);
      }
    };
    for await (const { key } of walk(prefix, read)) yield { key, path: join(root, key) };
  }

  async function openTemporary(folder: string): Promise<{ handle: FileHandle; path: string }> {
    const path = join(folder, temporaryName());
    for (let attempt = 1; ; attempt++) {
      await makeDurableFolder(folder);
      try {
        return { handle: await open(path, 'wx', 0o600), path };
      } catch (error) {
        // Another process may remove the empty folder between the two calls.
        if (!isErrno(error, 'ENOENT') || attempt === 3) throw error;
        durableFolders.delete(folder);
      }
    }
  }

  /** A synced file is lost all the same when the entry of a new folder above it is not synced. */
  async function makeDurableFolder(folder: string): Promise<void> {
    if (durableFolders.has(folder)) return;
    await makeFolders(folder);
    for (let child = folder; child.length > root.length; child = dirname(child)) await syncFolder(dirname(child));
    durableFolders.add(folder);
  }

  async function removeEmptyFolders(folder: string): Promise<void> {
    for (let path = folder; path.length > root.length; path = dirname(path)) {
      durableFolders.delete(path);
      try {
        await rmdir(path);
      } catch {
        return; // not empty, or not ours to remove
      }
    }
  }

  return {
    name,
    kind: 'local',
    put,
    get,
    head,
    list,
    remove,
    sweepAbandoned,
    capabilities: async () => ({ atomicIfAbsent: true, ranges: true }),
    close: async () => {},
  };
}

/** The path of `key`, after every folder on the way was seen to be no symbolic link. */
async function locate(root: string, key: string): Promise<string> {
  assertKey(key);
  let path = root;
  for (const segment of key.split('/')) {
    path = join(path, segment);
    const stats = await lstat(path).catch(() => undefined);
    if (!stats) break;
    if (!stats.isSymbolicLink()) continue;
    throw new OpsError('STORAGE_KEY', `${path} is a symbolic link, which could lead out of the destination`, {
      hint: 'Remove the link, or make the destination itself point to where it leads.',
    });
  }
  return join(root, key);
}

async function writeAll(handle: FileHandle, body: Body): Promise<number> {
  let sizeBytes = 0;
  let batch: Uint8Array[] = [];
  let batched = 0;
  let writing = Promise.resolve();
  const flush = async () => {
    await writing;
    writing = writeBatch(handle, batch);
    // It is awaited by the next flush; until then a failure must not count as unhandled.
    writing.catch(() => {});
    batch = [];
    batched = 0;
  };
  try {
    for await (const chunk of body.chunks) {
      batch.push(chunk);
      batched += chunk.length;
      sizeBytes += chunk.length;
      if (batched >= batchBytes) await flush();
    }
    await flush();
  } finally {
    // The file must not be closed under a write that is still going on.
    await writing.catch(() => {});
  }
  await writing;
  return sizeBytes;
}

/** `writev` may write less than it was given, for one just before a disk is full. */
async function writeBatch(handle: FileHandle, batch: Uint8Array[]): Promise<void> {
  let left = batch.filter(chunk => chunk.length > 0);
  while (left.length > 0) {
    let { bytesWritten } = await handle.writev(left);
    while (left[0] && bytesWritten >= left[0].length) {
      bytesWritten -= left[0].length;
      left.shift();
    }
    if (left[0] && bytesWritten > 0) left = [left[0].subarray(bytesWritten), ...left.slice(1)];
  }
}

async function syncFolder(path: string): Promise<void> {
  try {
    await using handle = await open(path, 'r');
    await handle.sync();
  } catch (error) {
    // Some network and FUSE file systems cannot sync a folder; there is nothing better to do there.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM')) throw error;
  }
}

/** `undefined` for what is not there and for what is no ordinary file. */
async function statOf(path: string): Promise<Stats | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? stats : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** Writing creates every folder it needs; when one is missing all the same, what holds them was taken away. */
function writeError(error: unknown, key: string, name: string): OpsError {
  const known = localError(error, `write ${key} in ${name}`);
  if (known.code !== 'STORAGE_NOT_FOUND') return known;
  return new OpsError('STORAGE_UNREACHABLE', `${known.message}: its folder vanished`, {
    hint: 'Was the disk or the network mount behind the folder taken away? Run again when it is back.',
    cause: error,
  });
}

async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    // Node says ENOENT for a folder that may not be made, e.g. on a read-only disk; one by one the reason is told.
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error;
    await makeFolders(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch(failure =>
      isErrno(failure, 'EEXIST') ? undefined : Promise.reject(failure),
    );
  }
}

function exists(key: string, name: string): OpsError {
  return new OpsError('STORAGE_EXISTS', `${key} is already in ${name}`);
}
