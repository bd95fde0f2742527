import { chown, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import { runChild } from '../process/index.ts';

/** The folder of one throw-away server: `<tmp>/ops-pg-<pid of its owner>-<random>`. */
export interface ServerFolder {
  base: string;
  dataDir: string;
  /** `base`, or a folder with a shorter path. */
  socketDir: string;
  logFile: string;
  /** Whom the server runs as; empty for ourselves. */
  user: { uid?: number; gid?: number };
  /** Hands a file that we wrote to that user. */
  give(path: string): Promise<void>;
  drop(path: string): Promise<void>;
  remove(): Promise<void>;
}

/** `sun_path` has 108 bytes on Linux and 104 on macOS, with the closing NUL. */
const maxSocketPathBytes = 103;
const namePattern = /^ops-pg-(\d+)-\w+$/;

/** Makes the folder, private to the user of the server. Code: PG_SERVER_START. */
export async function createFolder(): Promise<ServerFolder> {
  const user = await serverUser();
  const base = await firstThatWorks([...new Set([tmpdir(), '/tmp'])], user);
  const socketDir = fitsSocket(base) ? base : await makeIn('/tmp', user);
  await writeFile(join(base, 'owner.json'), JSON.stringify(await thisOwner()));
  const give = async (path: string) => {
    if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid);
  };
  return {
    base,
    dataDir: join(base, 'data'),
    socketDir,
    logFile: join(base, 'server.log'),
    user,
    give,
    drop: path => rm(path, { force: true }),
    async remove() {
      for (const path of new Set([base, socketDir])) await rm(path, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * Removes the folders whose owner is dead, and ends a server that still runs in one. Touches only folders of our own or
 * the server's user: the temporary folder belongs to everybody.
 * @returns the removed folders
 */
export async function sweepFolders(): Promise<string[]> {
  const users = new Set([process.getuid?.(), (await serverUser()).uid]);
  const removed: string[] = [];
  for (const parent of new Set([tmpdir(), '/tmp'])) {
    for (const name of await readdir(parent).catch(() => [])) {
      const pid = Number(namePattern.exec(name)?.[1]);
      if (!pid) continue;
      const path = join(parent, name);
      const facts = await lstat(path).catch(() => undefined);
      if (!facts?.isDirectory() || !users.has(facts.uid) || (await isOwned(path, pid))) continue;
      await endServerOf(path);
      await rm(path, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
      removed.push(path);
    }
  }
  return removed;
}

/** PostgreSQL refuses to run as root: `postgres` is made for it, `nobody` is always there. */
async function serverUser(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'));
  const entry = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  if (!entry) {
    throw new OpsError('PG_SERVER_START', 'PostgreSQL cannot run as root, and there is no user postgres or nobody', {
      hint: 'Run as an ordinary user, or create the user postgres.',
    });
  }
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

/** A TMPDIR below /root is closed to the server's user, so each candidate is tried as that user. */
async function firstThatWorks(parents: readonly string[], user: ServerFolder['user']): Promise<string> {
  for (const parent of parents) {
    const path = await makeIn(parent, user).catch(() => undefined);
    if (path === undefined) continue;
    const enters = await runChild({
      command: '/bin/sh',
      args: ['-c', 'cd "$1" && : > probe && rm probe', 'sh', path],
      ...user,
      cwd: '/',
      timeoutMs: 10_000,
      errorCode: 'PG_SERVER_START',
    }).then(
      () => true,
      () => false,
    );
    if (enters) return path;
    await rm(path, { recursive: true, force: true });
  }
  throw new OpsError(
    'PG_SERVER_START',
    `No folder for a throw-away PostgreSQL can be made in ${parents.join(' or ')}`,
    {
      hint: 'Point TMPDIR at a folder with free space that every user may enter.',
    },
  );
}

async function makeIn(parent: string, user: ServerFolder['user']): Promise<string> {
  const path = await mkdtemp(join(parent, `ops-pg-${process.pid}-`)); // mode 0700
  if (user.uid !== undefined && user.gid !== undefined) await chown(path, user.uid, user.gid);
  return path;
}

/** unix_socket_directories is a list: a comma or quote in the path would need a second kind of quoting. */
function fitsSocket(folder: string): boolean {
  return /^[\w./-]+$/.test(folder) && Buffer.byteLength(join(folder, '.s.PGSQL.65535')) <= maxSocketPathBytes;
}

interface Owner {
  pid: number;
  /** Ticks since boot, from /proc; tells a process from a later one with the same number. */
  startedAt: string | null;
  /** Containers may share a temporary folder, and their process numbers mean nothing to each other. */
  host: string;
}

async function thisOwner(): Promise<Owner> {
  return { pid: process.pid, startedAt: await startOf(process.pid), host: hostname() };
}

async function isOwned(path: string, pid: number): Promise<boolean> {
  const text = await readFile(join(path, 'owner.json'), 'utf8').catch(() => '{}');
  const owner = parseOwner(text);
  if (owner.host !== undefined && owner.host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return !owner.startedAt || owner.startedAt === (await startOf(pid));
}

function parseOwner(text: string): Partial<Owner> {
  try {
    return JSON.parse(text) as Partial<Owner>;
  } catch {
    return {};
  }
}

/** Field 22 of /proc/PID/stat, counted behind the name, which may hold spaces and brackets. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** Ends a server that outlived both its owner and its supervisor; the number alone is not trusted. */
async function endServerOf(path: string): Promise<void> {
  const dataDir = join(path, 'data');
  const pid = Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0]);
  const isServer = async () =>
    (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(dataDir);
  if (!(pid > 0) || !(await isServer())) return;
  try {
    process.kill(pid, 'SIGQUIT');
  } catch {
    return;
  }
  for (let waitedMs = 0; waitedMs < 8_000 && (await isServer()); waitedMs += 50) await delay(50);
}
