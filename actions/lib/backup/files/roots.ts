import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { OpsError } from '../../errors/index.ts';

export interface RootPlan {
  /** The folder that every name in the archive is relative to: the deepest one that holds all roots. */
  base: string;
  /** The roots, sorted, symbolic links resolved. */
  roots: string[];
  /** Their names in the archive, `./` before each: a name may begin with a dash, this cannot be taken for an option. */
  members: string[];
}

/**
 * Where the folders to back up are, and what they are called in the archive: for one folder, or several side by side,
 * their own names; else the way to them from the folder that holds them all, so that two folders never share a name.
 * One archive and not one for each, since GNU tar takes one `--directory` with `--listed-incremental`.
 * @throws OpsError `FILES_ROOT_MISSING`, `FILES_ROOT_INVALID`, `CONFIG_MISSING_VALUE`
 */
export async function locateRoots(paths: readonly string[], cwd: string): Promise<RootPlan> {
  const roots = await Promise.all(paths.map(path => locate(resolve(cwd, path))));
  return planRoots(roots);
}

export function planRoots(resolved: readonly string[]): RootPlan {
  const roots = [...new Set(resolved)].sort();
  if (roots.length === 0) {
    throw new OpsError('CONFIG_MISSING_VALUE', 'No folder to back up is configured', {
      hint: 'Set BACKUP_FILES_PATHS=/srv/uploads, or backup.files.paths in .github/ops.yml.',
      exit: 'usage',
    });
  }
  for (const root of roots) {
    const outer = roots.find(other => other !== root && isWithin(root, other));
    if (outer)
      throw invalid(`${root} lies within ${outer}, which is backed up as well`, `Remove ${root} from the list.`);
    if (dirname(root) === root) {
      throw invalid(`${root} cannot be backed up as a whole`, 'Name the folders below it that hold your data.');
    }
  }
  const base = roots.map(dirname).reduce(commonFolder);
  return { base, roots, members: roots.map(root => `./${relative(base, root)}`) };
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** tar would archive a symbolic link as a link, and the backup would be of nothing: it is resolved. */
async function locate(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if (!(await stat(real)).isDirectory()) throw invalid(`${path} is not a folder`, `Name ${dirname(path)} instead.`);
    return real;
  } catch (error) {
    if (error instanceof OpsError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : `cannot be read (${code})`;
    throw new OpsError('FILES_ROOT_MISSING', `The folder ${path} ${why}`, {
      hint: `Is it mounted, and is this the right machine? Correct backup.files.paths if ${basename(path)} has moved.`,
      cause: error,
    });
  }
}

function commonFolder(a: string, b: string): string {
  let folder = a;
  while (!isWithin(b, folder)) folder = dirname(folder);
  return folder;
}

function invalid(message: string, hint: string): OpsError {
  return new OpsError('FILES_ROOT_INVALID', message, { hint, exit: 'usage' });
}
