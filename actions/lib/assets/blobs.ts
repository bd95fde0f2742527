import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OpsError } from '../errors/index.ts';
import { sha256Of } from './sha256.ts';

/** What was made of a file, in the cache. */
export interface StoredBlob {
  bytes: number;
  /** Hex: its name. */
  sha256: string;
}

/** `<cache>/blobs/ab/abcdef…` */
export function blobPath(cacheFolder: string, sha256: string): string {
  return join(cacheFolder, 'blobs', sha256.slice(0, 2), sha256);
}

/** Several processes may put the same one at the same time. @throws OpsError `ASSETS_CACHE` */
export async function putBlob(cacheFolder: string, bytes: Uint8Array): Promise<StoredBlob> {
  const sha256 = sha256Of(bytes);
  const path = blobPath(cacheFolder, sha256);
  const there = await stat(path).catch(() => undefined);
  if (there?.size !== bytes.length) {
    try {
      await mkdir(dirname(path), { recursive: true });
    } catch (cause) {
      throw cannotWrite(cacheFolder, cause);
    }
    await writeInCache(cacheFolder, path, bytes);
  }
  return { bytes: bytes.length, sha256 };
}

/** Whole or not at all, and on disk when it returns. @throws OpsError `ASSETS_CACHE` */
export async function writeInCache(cacheFolder: string, path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, content);
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cannotWrite(cacheFolder, cause);
  }
}

export function cannotWrite(cacheFolder: string, cause: unknown): OpsError {
  return new OpsError('ASSETS_CACHE', `The cache ${cacheFolder} cannot be written: ${(cause as Error).message}`, {
    hint: 'Set assets.cache.path to a folder that is writable.',
    cause,
  });
}
