import { randomBytes } from 'node:crypto';
import { appendFile, lstat, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import { type Log, silentLog } from '../log/index.ts';
import { runChild } from '../process/index.ts';
import { findServerTools, type ServerTools } from './binaries.ts';
import { cancelled, open } from './open.ts';
import { type PostgresTarget, parsePostgresUrl } from './target.ts';
import { createFolder, type ServerFolder, sweepFolders } from './throwaway-folder.ts';
import { configurationFile, localesToTry, serverSettings } from './throwaway-settings.ts';
import { type Supervisor, supervise } from './throwaway-supervisor.ts';

export interface ThrowawayOptions {
  /** Default: the newest that is installed. */
  major?: number;
  /** What it is for, as a person would say it: `the drill`. */
  purpose: string;
  /** Default UTF8. */
  encoding?: string;
  /** Default C.UTF-8; one that this machine does not have is replaced, and `notes` says so. */
  locale?: string;
  settings?: Record<string, string | number | boolean>;
  /** Default false: nothing is flushed to disk, since nobody will ever start this server again. */
  durable?: boolean;
  /** Default 128. */
  sharedBuffersMb?: number;
  /** Also listen on 127.0.0.1, on a free port; `target` is then that address. */
  tcp?: boolean;
  binDirs?: readonly string[];
  signal?: AbortSignal;
  log?: Log;
}

export interface ThrowawayServer extends AsyncDisposable {
  /** The superuser `postgres` and the database `postgres`. */
  target: PostgresTarget;
  major: number;
  version: string;
  dataDir: string;
  /** What differs from what was asked for. */
  notes: string[];
  /** Bytes of the whole data directory. */
  sizeBytes(): Promise<number>;
  /** The last 8 KiB of the server's log; after `stop` what it was then. */
  logTail(): string;
  /** Ends the server at once and removes its folder. */
  stop(): Promise<void>;
}

const readyWithinMs = 60_000;
const pollMs = 40;
const portTries = 3;

/**
 * Starts an empty PostgreSQL in a folder of its own below the temporary folder, as another user when this process is
 * root. It ends with this process, however that ends, and folders that were left behind all the same are removed by the
 * next start.
 * Codes: PG_SERVER_MISSING; PG_SERVER_START with the end of the server's log; CANCELLED.
 */
export async function startThrowawayServer(options: ThrowawayOptions): Promise<ThrowawayServer> {
  const log = options.log ?? silentLog;
  const tools = await findServerTools(options.major, { binDirs: options.binDirs, signal: options.signal });
  const swept = await sweepFolders();
  if (swept.length > 0) log.info('Removed what earlier throw-away servers had left behind', { folders: swept.length });

  const folder = await createFolder();
  const password = randomBytes(24).toString('base64url');
  const notes: string[] = [];
  try {
    await initialise(tools, folder, password, options, notes);
    await appendFile(join(folder.dataDir, 'postgresql.conf'), await configuration(folder, options));
    for (let attempt = 1; ; attempt++) {
      const started = await startOnce(tools, folder, password, options);
      if (started.kind === 'port taken' && attempt < portTries) continue;
      if (started.kind === 'port taken') throw startError(tools, options, 'no free port was found on 127.0.0.1');
      for (const note of notes) log.warn(note);
      log.debug('Throw-away PostgreSQL started', { purpose: options.purpose, version: tools.version });
      return asServer(tools, folder, started, notes, options);
    }
  } catch (thrown) {
    await folder.remove();
    throw cancelled(options.signal) ?? thrown;
  }
}

/** initdb; a locale that is not installed here is replaced by the nearest that is. */
async function initialise(
  tools: ServerTools,
  folder: ServerFolder,
  password: string,
  options: ThrowawayOptions,
  notes: string[],
): Promise<void> {
  const encoding = options.encoding ?? 'UTF8';
  const passwordFile = join(folder.base, 'password');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await folder.give(passwordFile);
  const locales = localesToTry(options.locale, encoding);
  for (const [index, locale] of locales.entries()) {
    const args = ['-D', folder.dataDir, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', passwordFile];
    args.push('-E', encoding, '--locale', locale, '--lc-messages', 'C', '--no-sync');
    // 18 turned checksums on by default; they guard a disk that this data will not live on.
    if (tools.major >= 18 && !options.durable) args.push('--no-data-checksums');
    try {
      await runChild({
        command: tools.initdb,
        args,
        ...folder.user,
        cwd: folder.base,
        env: { TZ: 'UTC' },
        signal: options.signal,
        timeoutMs: 120_000,
        errorCode: 'PG_SERVER_START',
        name: 'initdb',
      });
      if (index > 0)
        notes.push(`The locale ${locales[0]} is not installed on this machine; the server uses ${locale}.`);
      await folder.drop(passwordFile);
      return;
    } catch (thrown) {
      const isLocale = thrown instanceof OpsError && /locale|encoding mismatch/i.test(thrown.message);
      if (!isLocale || index + 1 === locales.length) throw thrown;
    }
  }
}

async function configuration(folder: ServerFolder, options: ThrowawayOptions): Promise<string> {
  return configurationFile(await serverSettings(options, folder.socketDir));
}

type Started = { kind: 'ready'; supervisor: Supervisor; target: PostgresTarget } | { kind: 'port taken' };

async function startOnce(
  tools: ServerTools,
  folder: ServerFolder,
  password: string,
  options: ThrowawayOptions,
): Promise<Started> {
  const port = options.tcp ? await freePort() : 5432;
  const place = options.tcp
    ? `127.0.0.1:${port}/postgres?sslmode=disable`
    : `/postgres?host=${encodeURIComponent(folder.socketDir)}`;
  const target = parsePostgresUrl(`postgres://postgres:${password}@${place}`);
  const supervisor = supervise(tools.postgres, folder, port);
  try {
    await ready(supervisor, target, tools, options);
    return { kind: 'ready', supervisor, target };
  } catch (thrown) {
    const said = supervisor.logTail();
    await supervisor.stop();
    if (options.tcp && /Address already in use/i.test(said)) return { kind: 'port taken' };
    throw thrown;
  }
}

/** Returns when the server takes connections. */
async function ready(
  supervisor: Supervisor,
  target: PostgresTarget,
  tools: ServerTools,
  options: ThrowawayOptions,
): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    try {
      const client = await open(target, { connectTimeoutMs: 5_000, signal: options.signal });
      await client.end();
      return;
    } catch (thrown) {
      const isEarly = thrown instanceof OpsError && thrown.code === 'PG_UNREACHABLE';
      if (!isEarly || options.signal?.aborted) throw thrown;
      if (supervisor.isOver()) throw startError(tools, options, lastWords(supervisor.logTail()));
      if (Date.now() > deadline) {
        const seconds = readyWithinMs / 1000;
        throw startError(tools, options, `not ready within ${seconds} s; ${lastWords(supervisor.logTail())}`);
      }
      await delay(pollMs);
    }
  }
}

function asServer(
  tools: ServerTools,
  folder: ServerFolder,
  started: Extract<Started, { kind: 'ready' }>,
  notes: string[],
  options: ThrowawayOptions,
): ThrowawayServer {
  const { supervisor, target } = started;
  let stopping: Promise<void> | undefined;
  let lastLog: string | undefined;
  const stop = () => {
    lastLog ??= supervisor.logTail();
    stopping ??= (async () => {
      options.signal?.removeEventListener('abort', onAbort);
      await supervisor.stop();
      await folder.remove();
    })();
    return stopping;
  };
  const onAbort = () => void stop().catch(() => {});
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  return {
    target,
    major: tools.major,
    version: tools.version,
    dataDir: folder.dataDir,
    notes,
    sizeBytes: () => folderBytes(folder.dataDir),
    logTail: () => lastLog ?? supervisor.logTail(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Files come and go in a live data directory; what vanished in between counts nothing. */
async function folderBytes(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => [])) {
    const inside = join(path, entry.name);
    if (entry.isDirectory()) bytes += await folderBytes(inside);
    else bytes += (await lstat(inside).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

/** Free now; that another process takes it before the server does is seen in the server's log. */
async function freePort(): Promise<number> {
  const probe = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  probe.once('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address();
    probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}

function startError(tools: ServerTools, options: ThrowawayOptions, reason: string): OpsError {
  return new OpsError(
    'PG_SERVER_START',
    `PostgreSQL ${tools.version} for ${options.purpose} did not start: ${reason}`,
    {
      hint: 'The usual reasons are no space or no shared memory left in this machine or container.',
    },
  );
}

/** The first fatal line and what led to it, without the time and process number before each line. */
function lastWords(log: string): string {
  const lines = log.split('\n').filter(line => line.trim() !== '');
  const fatal = lines.findIndex(line => /\b(FATAL|PANIC):/.test(line));
  const told = fatal < 0 ? lines.slice(-3) : lines.slice(Math.max(0, fatal - 2), fatal + 3);
  return told.map(line => line.replace(/^\S+ \S+ \S+ \[\d+\] /, '')).join(' ') || 'its log is empty';
}
