import { existsSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { OpsError } from '../../errors/index.ts';
import { runChild } from '../../process/index.ts';
import { readSiteManifest, type SiteManifest } from '../manifest.ts';
import { cannot } from './refuse.ts';

export interface ChangedOptions {
  /** A git ref, or the file of the manifest of the build before. */
  since: string;
  cwd: string;
  /** Folder that the site serves as `/`, relative to `cwd`. */
  root: string;
  /** The manifest of the build that is served now. */
  manifest: string | undefined;
  signal: AbortSignal;
}

/**
 * The paths of the site that differ from a former state of it, those that are gone among them.
 * @throws OpsError `CDN_CANNOT` (exit 2) for a ref or file that is not there
 */
export async function changedPaths(options: ChangedOptions): Promise<string[]> {
  const file = resolve(options.cwd, options.since);
  if (options.since.endsWith('.json') || existsSync(file)) return changedInManifest(file, options);
  return changedInGit(options);
}

async function changedInManifest(before: string, { since, cwd, manifest }: ChangedOptions): Promise<string[]> {
  if (!manifest) {
    throw cannot(
      `${since} is a manifest, and there is none of now to compare it with`,
      'Set cdn.manifest in .github/ops.yml, or CDN_MANIFEST.',
    );
  }
  return pathsThatDiffer(readSiteManifest(before), readSiteManifest(resolve(cwd, manifest)));
}

/** What one of the two has, or both have with other content. */
export function pathsThatDiffer(before: SiteManifest, now: SiteManifest): string[] {
  const paths = new Set([...before.keys(), ...now.keys()]);
  return [...paths].filter(path => before.get(path)?.sha256 !== now.get(path)?.sha256).sort();
}

async function changedInGit({ since, cwd, root, signal }: ChangedOptions): Promise<string[]> {
  const git = (...args: string[]) =>
    runChild({ command: 'git', args, cwd, signal, timeoutMs: 60_000, errorCode: 'CDN_CANNOT', name: 'git' });
  // A ref that begins with a dash would be an option.
  if (since.startsWith('-')) throw cannot(`'${since}' is not a git ref`, 'Name a tag, branch or commit.');
  const folder = relative(cwd, resolve(cwd, root)).split(sep).join('/');
  if (folder.startsWith('..'))
    throw cannot(`cdn.root is outside of the repository: ${root}`, 'Name a folder within it.');
  try {
    await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${since}^{commit}`);
  } catch (cause) {
    signal.throwIfAborted();
    throw new OpsError('CDN_CANNOT', `git knows no '${since}' here, and there is no file of that name`, {
      hint: 'A shallow checkout has no former commits: use fetch-depth: 0 with actions/checkout.',
      exit: 'usage',
      cause,
    });
  }
  // Without renames: the old name is gone and is to leave the caches too.
  const { stdout } = await git('diff', '--name-only', '-z', '--no-renames', '--relative', since, '--', folder || '.');
  return stdout
    .split('\0')
    .filter(name => name !== '')
    .flatMap(name => sitePaths(folder === '' ? name : name.slice(folder.length + 1)));
}

/** A page is served under its folder as well. */
function sitePaths(file: string): string[] {
  const path = `/${file.split('/').map(encodeURIComponent).join('/')}`;
  const page = /^(.*\/)index\.html?$/.exec(path)?.[1];
  return page === undefined ? [path] : [path, page];
}
