import { join } from 'node:path';
import { OpsError } from '../../errors/index.ts';
import { runChild } from '../../process/index.ts';
import { isWithin, type RootPlan } from './roots.ts';

/**
 * Messages in one language with names escaped in one way, and names taken as bytes: in a locale with a character set
 * tar would translate the names of a pax archive.
 */
export const tarEnvironment = { LC_ALL: 'C' };

/**
 * The name of GNU tar on this machine. Others cannot write or unpack incremental archives.
 * @throws OpsError `TOOL_MISSING`
 */
export async function findGnuTar(signal: AbortSignal): Promise<string> {
  for (const command of ['tar', 'gtar']) {
    try {
      const { stdout } = await runChild({
        command,
        args: ['--version'],
        env: tarEnvironment,
        errorCode: 'TOOL_MISSING',
        timeoutMs: 10_000,
        signal,
      });
      if (stdout.includes('GNU tar')) return command;
    } catch (error) {
      if (!(error instanceof OpsError) || error.code !== 'TOOL_MISSING') throw error;
    }
  }
  throw new OpsError('TOOL_MISSING', 'GNU tar is missing on this machine', {
    hint: 'Install it: apt-get install tar, apk add tar, or brew install gnu-tar.',
  });
}

/** @param outside folders below a root that are never backed up, e.g. the one that keeps the backups themselves */
export function createArgs(plan: RootPlan, options: { snar: string; exclude: string[]; outside: string[] }): string[] {
  return [
    '--create',
    '--file=-',
    // pax: bytes of any name, size and time, ACLs and extended attributes.
    '--format=posix',
    // Access and change times cannot be restored, and would make every run's bytes different.
    '--pax-option=delete=atime,delete=ctime',
    '--sparse',
    '--acls',
    '--xattrs',
    '--numeric-owner',
    // A network file system or a container's volume has another device number after each mount.
    '--no-check-device',
    `--listed-incremental=${options.snar}`,
    ...excludeArgs(plan, options),
    `--directory=${plan.base}`,
    ...plan.members,
  ];
}

export function extractArgs(targetDir: string): string[] {
  return [
    '--extract',
    '--file=-',
    // Also removes what a later archive no longer lists.
    '--listed-incremental=/dev/null',
    '--numeric-owner',
    '--preserve-permissions',
    '--acls',
    '--xattrs',
    `--directory=${targetDir}`,
  ];
}

/** A pattern of the user matches after any slash, as `tar --exclude` does; an absolute one from the top. */
function excludeArgs(plan: RootPlan, options: { exclude: string[]; outside: string[] }): string[] {
  const free = options.exclude.filter(pattern => !pattern.startsWith('/'));
  const absolute = options.exclude
    .filter(pattern => pattern.startsWith('/') && isWithin(pattern, plan.base))
    .map(pattern => fromBase(pattern, plan));
  const outside = options.outside.filter(path => isWithin(path, plan.base)).map(path => fromBase(path, plan));
  return [
    ...free.map(pattern => `--exclude=${pattern}`),
    ...(absolute.length > 0 ? ['--anchored', ...absolute.map(pattern => `--exclude=${pattern}`)] : []),
    ...(outside.length > 0 ? ['--anchored', '--no-wildcards', ...outside.map(path => `--exclude=${path}`)] : []),
  ];
}

function fromBase(path: string, plan: RootPlan): string {
  return `./${path.slice(join(plan.base, '/').length)}`;
}
