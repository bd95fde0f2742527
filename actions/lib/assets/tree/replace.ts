import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OpsError } from '../../errors/index.ts';
import { isInside } from './list.ts';
import { type Signature, sameSignature, signatureOf } from './signature.ts';

export interface WriteOptions {
  /** Nothing is written outside of it, through whatever links. */
  root: string;
  /** Relative to the root. */
  path: string;
  bytes: Uint8Array;
  /** What was there when the bytes were made of it; a file that has changed since is not written over. */
  expected?: Signature | undefined;
}

/**
 * A whole file or none: written beside its place, flushed to the disk, and moved there. Its mode stays.
 * @throws OpsError `CHANGED` when the file is no longer what it was, `LINK_OUTSIDE`, `WRITE`
 */
export async function writeFileWhole({ root, path, bytes, expected }: WriteOptions): Promise<void> {
  const target = join(root, path);
  const folder = dirname(target);
  try {
    await mkdir(folder, { recursive: true });
    if (!isInside(await realpath(root), await realpath(folder))) {
      throw new OpsError('LINK_OUTSIDE', `${path} is behind a link that leads out of the tree`);
    }
    const mode = (await stat(target).catch(() => undefined))?.mode;
    const temporary = join(folder, `.${randomBytes(6).toString('hex')}.ops-tmp`);
    try {
      await using file = await open(temporary, 'wx', mode === undefined ? 0o644 : mode & 0o777);
      await file.writeFile(bytes);
      if (mode !== undefined) await file.chmod(mode & 0o7777);
      await file.sync();
      if (expected && !sameSignature(expected, await signatureOf(target))) {
        throw new OpsError('CHANGED', `${path} was changed while it was worked on`, { hint: 'Run it again.' });
      }
      await rename(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(folder);
  } catch (cause) {
    if (cause instanceof OpsError) throw cause;
    throw new OpsError('WRITE', `${path} could not be written: ${(cause as Error).message}`, { cause });
  }
}

/** The new name, too, must outlive a power cut. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, 'r');
    await handle.sync();
  } catch {
    // Some file systems do not sync folders.
  } finally {
    await handle?.close();
  }
}
