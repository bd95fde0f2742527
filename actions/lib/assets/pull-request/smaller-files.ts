import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { OpsError } from '../../errors/index.ts';
import type { AssetCache } from '../cache/index.ts';
import type { FileResult } from '../result.ts';
import { sha256Of } from '../sha256.ts';

/** A source that could be smaller, and its map with it: they are replaced together or not at all. */
export interface Replacement {
  files: readonly ReplacedFile[];
  savedBytes: number;
}

export interface ReplacedFile {
  path: string;
  /** As it was looked at; undefined when it has changed since. Read when it is asked for: all of them may not fit in memory. */
  before(): Promise<Uint8Array | undefined>;
  /** @throws OpsError `ASSETS_CACHE` when it is no longer in the cache */
  readonly after: () => Promise<Uint8Array>;
  /** `100644` or `100755`: git knows two. */
  mode(): Promise<string>;
}

/** What results say could be smaller, the largest saving first. @param root absolute */
export function smallerFiles(root: string, results: readonly FileResult[], cache: AssetCache): Replacement[] {
  const file = (path: string, before: string | undefined, after: string): ReplacedFile => ({
    path,
    async before() {
      const bytes = await readFile(join(root, path)).catch(() => undefined);
      return bytes && (before === undefined || sha256Of(bytes) === before) ? bytes : undefined;
    },
    async after() {
      const bytes = await cache.blob(after);
      if (bytes) return bytes;
      throw new OpsError('ASSETS_CACHE', `What was made for ${path} is no longer in the cache`, {
        hint: 'Run it again.',
      });
    },
    mode: async () => (((await stat(join(root, path))).mode & 0o100) === 0 ? '100644' : '100755'),
  });
  return results
    .flatMap(({ path, sha256, bytes, after, map }) =>
      after && sha256 !== null
        ? {
            savedBytes: bytes - after.bytes,
            // What the map was before is not in the result; that the source is the same says enough.
            files: [file(path, sha256, after.sha256), ...(map ? [file(map.path, undefined, map.sha256)] : [])],
          }
        : [],
    )
    .sort((a, b) => b.savedBytes - a.savedBytes);
}
