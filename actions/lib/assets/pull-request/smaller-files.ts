import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AssetCache } from '../cache/index.ts';
import { sha256Of } from '../cache/index.ts';
import type { FileResult } from '../result.ts';
import type { PatchedFile } from './patch.ts';

/** Sources that could be smaller, and their maps, with what they are and what they would be. A file that has changed is left out. */
export async function smallerFiles(
  root: string,
  results: readonly FileResult[],
  cache: AssetCache,
): Promise<PatchedFile[]> {
  const files: PatchedFile[] = [];
  for (const { path, sha256, after, map } of results) {
    if (!after) continue;
    const before = await readFile(join(root, path)).catch(() => undefined);
    const made = await cache.blob(after.sha256);
    if (!before || !made || sha256Of(before) !== sha256) continue;
    const madeMap = map ? await cache.blob(map.sha256) : undefined;
    const mapBefore = map ? await readFile(join(root, map.path)).catch(() => undefined) : undefined;
    // One without the other would not be true.
    if (map && (!madeMap || !mapBefore)) continue;
    files.push({ path, before, after: made, mode: await modeOf(join(root, path)) });
    if (map)
      files.push({ path: map.path, before: mapBefore!, after: madeMap!, mode: await modeOf(join(root, map.path)) });
  }
  return files;
}

/** Git knows two. */
async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o100) === 0 ? '100644' : '100755';
}
