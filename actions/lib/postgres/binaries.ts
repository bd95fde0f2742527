import { constants } from 'node:fs';
import { access, readdir, realpath, stat } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { OpsError } from '../errors/index.ts';
import { runChild } from '../process/index.ts';

export interface ClientTools {
  major: number;
  /** `15.18` */
  version: string;
  binDir: string;
  pgDump: string;
  pgDumpall: string;
  pgRestore: string;
  psql: string;
}

export interface ServerTools {
  major: number;
  version: string;
  binDir: string;
  initdb: string;
  pgCtl: string;
  postgres: string;
}

export interface FindToolsOptions {
  signal?: AbortSignal;
  /** Looked at first, before PG_BIN_DIR. */
  binDirs?: readonly string[];
}

/**
 * pg_dump, pg_dumpall, pg_restore and psql of exactly `major`. A newer pg_dump writes settings that an older server
 * refuses on restore, an older one refuses to dump, so "at least" is not enough for a backup. With `orNewer`, for who
 * passes over such a refusal, the nearest newer ones serve where those of `major` are missing.
 * Code: PG_CLIENT_MISSING, with the majors that are there.
 */
export async function findClientTools(
  major: number,
  options: FindToolsOptions & { orNewer?: boolean } = {},
): Promise<ClientTools> {
  const programs = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'] as const;
  const found = await findMajor(programs, options, major, options.orNewer);
  if (!found.match) {
    throw new OpsError(
      'PG_CLIENT_MISSING',
      `The client programs of PostgreSQL ${major} are missing; ${list(found.majors)}`,
      {
        hint: installHint(`postgresql-client-${major}`),
      },
    );
  }
  const { binDir, version } = found.match;
  const at = (program: (typeof programs)[number]) => join(binDir, program);
  return {
    major: found.match.major,
    version,
    binDir,
    pgDump: at('pg_dump'),
    pgDumpall: at('pg_dumpall'),
    pgRestore: at('pg_restore'),
    psql: at('psql'),
  };
}

/** initdb, pg_ctl and postgres of `major`; the newest that is there when it is not given. Code: PG_SERVER_MISSING. */
export async function findServerTools(major?: number, options: FindToolsOptions = {}): Promise<ServerTools> {
  const programs = ['postgres', 'initdb', 'pg_ctl'] as const;
  const found = await findMajor(programs, options, major);
  if (!found.match) {
    const which = major === undefined ? 'PostgreSQL' : `PostgreSQL ${major}`;
    throw new OpsError('PG_SERVER_MISSING', `The server programs of ${which} are missing; ${list(found.majors)}`, {
      hint: installHint(major === undefined ? 'postgresql' : `postgresql-${major}`),
    });
  }
  const { binDir, version } = found.match;
  const at = (program: (typeof programs)[number]) => join(binDir, program);
  return {
    major: found.match.major,
    version,
    binDir,
    initdb: at('initdb'),
    pgCtl: at('pg_ctl'),
    postgres: at('postgres'),
  };
}

interface Installed {
  major: number;
  version: string;
  binDir: string;
}

/** Goes through the folders in order; `wanted` absent means the newest of all. */
async function findMajor(
  programs: readonly [string, ...string[]],
  options: FindToolsOptions,
  wanted: number | undefined,
  orNewer = false,
): Promise<{ match?: Installed; majors: number[] }> {
  const majors = new Set<number>();
  let match: Installed | undefined;
  for (const binDir of await folders(options)) {
    const installed = await look(binDir, programs, options.signal);
    if (!installed) continue;
    majors.add(installed.major);
    if (installed.major === wanted) return { match: installed, majors: [...majors] };
    if (wanted === undefined && installed.major > (match?.major ?? 0)) match = installed;
    if (orNewer && installed.major > wanted! && installed.major < (match?.major ?? Infinity)) match = installed;
  }
  return { match, majors: [...majors].sort((a, b) => a - b) };
}

/** The installation in `binDir`, when all programs are there and the first one tells its version. */
async function look(
  binDir: string,
  programs: readonly [string, ...string[]],
  signal: AbortSignal | undefined,
): Promise<Installed | undefined> {
  for (const program of programs) {
    const path = join(binDir, program);
    if (!(await isExecutable(path))) return undefined;
    // Debian's wrapper picks the major by the clusters of this machine, whatever was asked for.
    if (basename(await realpath(path)) === 'pg_wrapper') return undefined;
  }
  const version = /\(PostgreSQL\) ((\d+)\S*)/.exec(await versionOf(join(binDir, programs[0]), signal));
  return version ? { major: Number(version[2]), version: version[1]!, binDir } : undefined;
}

/** What programs have said, by file: to start one takes longer than all else here, and each database asks. */
const said = new Map<string, string>();

/** What `--version` prints; empty for a program that does not run here (another architecture, a missing library). */
async function versionOf(path: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    // An upgrade while this runs puts another file there.
    const file = [path, dev, ino, size, mtimeMs, ctimeMs].join(' ');
    const known = said.get(file);
    if (known !== undefined) return known;
    const { stdout } = await runChild({
      command: path,
      args: ['--version'],
      errorCode: 'PG_CLIENT_MISSING',
      timeoutMs: 10_000,
      signal,
    });
    said.set(file, stdout);
    return stdout;
  } catch (thrown) {
    if (signal?.aborted) throw thrown;
    // It may run the next time: a machine that was too busy to answer is asked again.
    return '';
  }
}

/** Every folder in which a distribution, Homebrew or a build from source puts PostgreSQL, then the PATH. */
async function folders(options: FindToolsOptions): Promise<string[]> {
  const versioned = await Promise.all([
    children('/usr/lib/postgresql', /^\d+$/, 'bin'), // Debian, Ubuntu
    children('/usr', /^pgsql-\d+$/, 'bin'), // PGDG on Red Hat and its kin
    children('/usr/libexec', /^postgresql\d+$/, ''), // Alpine
    children('/opt/homebrew/opt', /^(postgresql@\d+|libpq)$/, 'bin'),
    children('/usr/local/opt', /^(postgresql@\d+|libpq)$/, 'bin'),
  ]);
  const path = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const own = process.env.PG_BIN_DIR ? [process.env.PG_BIN_DIR] : [];
  const all = [
    ...(options.binDirs ?? []),
    ...own,
    ...versioned.flat(),
    '/usr/local/pgsql/bin',
    '/usr/local/bin',
    ...path,
  ];
  return [...new Set(all)];
}

async function children(parent: string, pattern: RegExp, inside: string): Promise<string[]> {
  const names = await readdir(parent).catch(() => []);
  return names.filter(name => pattern.test(name)).map(name => join(parent, name, inside));
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function list(majors: readonly number[]): string {
  return majors.length === 0 ? 'no other major was found' : `found: ${majors.join(', ')}`;
}

function installHint(packageName: string): string {
  return (
    `sudo apt-get install --no-install-recommends ${packageName}` +
    ' (if apt does not know it: add the PGDG repository, apt.postgresql.org); or set PG_BIN_DIR to the folder that has them.'
  );
}
