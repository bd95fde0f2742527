import { chown, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

const pageBytes = 8192;
/** RELSEG_SIZE: PostgreSQL cuts a relation into files of 1 GiB. */
const segmentPages = 131_072;

/**
 * Makes the file of an empty relation as long as the real one without storing anything: the planner takes the number of
 * pages from the length of the file, and a hole has a length. Nothing may read these pages.
 * @param path as pg_relation_filepath tells it, below `dataDir`
 */
export async function stretchRelation(dataDir: string, path: string, pages: number): Promise<void> {
  const base = join(dataDir, path);
  const owner = await stat(base);
  const segments = Math.floor(pages / segmentPages);
  for (let segment = 0; segment <= segments; segment++) {
    const file = segment === 0 ? base : `${base}.${segment}`;
    const bytes = (segment < segments ? segmentPages : pages % segmentPages) * pageBytes;
    if (segment > 0) {
      if (bytes === 0 && segment > 1) break;
      await (await open(file, 'a', 0o600)).close();
      await chown(file, owner.uid, owner.gid);
    }
    await truncate(file, bytes);
  }
}

/** As empty as it was, so that an index can be built on it. Later segments stay, and are not looked at. */
export async function shrinkRelation(dataDir: string, path: string): Promise<void> {
  await truncate(join(dataDir, path), 0);
  for (let segment = 1; ; segment++) {
    const file = `${join(dataDir, path)}.${segment}`;
    const found = await stat(file).catch(() => undefined);
    if (!found) return;
    await truncate(file, 0);
  }
}
