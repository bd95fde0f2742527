import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type PostgresTarget, parsePostgresUrl } from '../../actions/lib/postgres/index.ts';
import { findProgram, freePorts, killAll, run, startDaemon } from './processes.ts';

export interface PgBouncer {
  /** The same database, through the pooler. */
  target: PostgresTarget;
  stop(): Promise<void>;
}

export interface PgBouncerOptions {
  mode: 'session' | 'transaction' | 'statement';
  poolSize?: number;
  /** Gives the pooled connections in turn instead of the last used one. */
  roundRobin?: boolean;
}

/** Whether the pooler is installed on this machine (package `pgbouncer`). */
export const hasPgBouncer = findProgram('pgbouncer') !== undefined;

/** A real PgBouncer on a free port of the loopback interface, in front of `server`. */
export async function startPgBouncer(server: PostgresTarget, options: PgBouncerOptions): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-pgbouncer-'));
  const [port] = (await freePorts(1)) as [number];
  const { uid, gid } = await poolerUser();
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(file, configuration(server, port, options), { mode: 0o600 });
  for (const path of [folder, file]) await chown(path, uid, gid);

  // It refuses to run as root. A change of user clears the wish to die with the parent, so that is made once more.
  const asUser = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig', 'KILL'];
  const commandLine = [...(process.getuid?.() === 0 ? asUser : []), findProgram('pgbouncer')!, '-q', file];
  const daemon = startDaemon(commandLine[0]!, commandLine.slice(1), { PATH: process.env.PATH });
  let tail = '';
  for (const stream of [daemon.stdout, daemon.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk).slice(-2000);
    });
  }
  const stop = async () => {
    await killAll([daemon]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilListening(port, () => {
      if (daemon.exitCode !== null) throw new Error(`pgbouncer ended with ${daemon.exitCode}: ${tail}`);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const target = parsePostgresUrl(
    `postgres://app@127.0.0.1:${port}/${encodeURIComponent(server.database)}?sslmode=disable`,
  );
  return { target, stop };
}

/** `auth_type = any` lets everybody in as the user that the database line names. */
function configuration(server: PostgresTarget, port: number, options: PgBouncerOptions): string {
  const upstream = `host=${server.host} port=${server.port} user=${server.user} password=${server.password}`;
  return `[databases]
${server.database} = ${upstream} dbname=${server.database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${options.mode}
default_pool_size = ${options.poolSize ?? 5}
server_round_robin = ${options.roundRobin ? 1 : 0}
`;
}

async function poolerUser(): Promise<{ uid: number; gid: number }> {
  if (process.getuid?.() !== 0) return { uid: process.getuid!(), gid: process.getgid!() };
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async flag => Number((await run('id', [flag, 'postgres'])).stdout)),
  );
  return { uid: uid!, gid: gid! };
}

async function untilListening(port: number, check: () => void): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    check();
    const isOpen = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await wait(30);
  }
  throw new Error('pgbouncer did not listen within 20 s');
}
