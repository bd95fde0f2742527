import { readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { OpsError } from '../../errors/index.ts';
import { matchesAnyGlob } from './glob.ts';

export interface Listed {
  /** Relative to the root, with `/`, sorted. */
  paths: string[];
  /** Named by a glob and not looked at, and why. */
  refused: { path: string; code: 'LINK_OUTSIDE' | 'UNREADABLE'; reason: string }[];
}

/**
 * The files of a tree that globs name. Links are not followed: one that leads out of the tree is refused with a line, one
 * that leads inside it is passed over, since its target is a file of the tree itself.
 *
 * @throws OpsError `ASSETS_PATH` (exit 2) for a glob that leads out of the tree, `ASSETS_ROOT` for a tree that is not there
 */
export async function listTree(root: string, include: readonly string[], exclude: readonly string[]): Promise<Listed> {
  for (const pattern of include) refuseEscape(pattern);
  const base = await realpath(root).catch(cause => {
    throw new OpsError('ASSETS_ROOT', `The folder ${root} cannot be read: ${(cause as Error).message}`, {
      cause,
      exit: 'usage',
    });
  });
  const patterns = await withFolders(base, include);
  const options = {
    cwd: base,
    ignore: [...exclude, '**/*.ops-tmp'],
    dot: true,
    caseSensitiveMatch: false,
    followSymbolicLinks: false,
    expandDirectories: false,
  };
  const found = (await glob(patterns, { ...options, onlyFiles: true })).map(each => each.replaceAll(sep, '/'));
  // What was made of a file is not a file to make something of.
  const listed: Listed = { paths: found.filter(path => !isOutput(path)).sort(byBytes), refused: [] };
  for (const path of await linksOf(base, patterns, exclude)) {
    const refused = await judgeLink(base, path);
    if (refused) listed.refused.push({ path, ...refused });
  }
  return listed;
}

/** Links that the globs name, to files or to folders, which tinyglobby passes over without a word. */
async function linksOf(base: string, include: readonly string[], exclude: readonly string[]): Promise<string[]> {
  const links: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(join(base, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isSymbolicLink()) {
        if (isNamed(path, include, exclude)) links.push(path);
      } else if (entry.isDirectory() && !matchesAnyGlob(exclude, `${path}/x`)) await visit(path);
    }
  };
  await visit('');
  return links.sort(byBytes);
}

/** Whether a path that came from elsewhere is one that the globs name. */
export function isNamed(path: string, include: readonly string[], exclude: readonly string[]): boolean {
  return matchesAnyGlob(include, path) && !matchesAnyGlob(exclude, path) && !isOutput(path);
}

/** The name of a folder means all that is in it. */
export async function withFolders(root: string, include: readonly string[]): Promise<string[]> {
  return Promise.all(
    include.map(async pattern => {
      const info = await stat(join(root, pattern)).catch(() => undefined);
      return info?.isDirectory() ? `${pattern.replace(/\/+$/, '')}/**` : pattern;
    }),
  );
}

function refuseEscape(pattern: string): void {
  if (!isAbsolute(pattern) && !pattern.split(/[/\\]/).includes('..') && !pattern.includes('\0')) return;
  throw new OpsError('ASSETS_PATH', `'${pattern}' leads out of the tree`, {
    hint: 'Name files by globs relative to the folder that the command runs in.',
    exit: 'usage',
  });
}

type Refusal = Pick<Listed['refused'][number], 'code' | 'reason'>;

/** @returns undefined for a link to a file of the tree, which is looked at where it is */
async function judgeLink(base: string, path: string): Promise<Refusal | undefined> {
  try {
    const target = await realpath(join(base, path));
    if (isInside(base, target)) return undefined;
    return { code: 'LINK_OUTSIDE', reason: 'it is a link that leads out of the tree, and is not followed' };
  } catch (error) {
    const { code = 'UNKNOWN' } = error as NodeJS.ErrnoException;
    return { code: 'UNREADABLE', reason: `it cannot be read (${code})` };
  }
}

export function isInside(base: string, path: string): boolean {
  const absolute = resolve(base, path);
  return absolute === base || absolute.startsWith(base.endsWith(sep) ? base : `${base}${sep}`);
}

/** `photo.jpg.640w.webp`, with a hash before the suffix or without. */
export function isOutput(path: string): boolean {
  return /\.(?:avif|gif|jpe?g|png|webp)\.\d+w(?:\.[0-9a-f]{8})?\.(?:avif|webp|jpe?g|png)$/i.test(path);
}

export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
