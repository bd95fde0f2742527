import { appendFile, chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  connect,
  findServerTools,
  type PostgresTarget,
  parsePostgresUrl,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';
import { freePorts, killAll, run, startDaemon } from './processes.ts';

export interface Standby extends AsyncDisposable {
  /** The same database as `database` of the primary, read only. */
  target(database: string): PostgresTarget;
  /** From now on WAL arrives and is not replayed. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

const readyWithinMs = 60_000;

/** A real streaming replica of a server that was started with `tcp`, `wal_level: replica` and senders of WAL. */
export async function startStandby(primary: ThrowawayServer): Promise<Standby> {
  const { binDir } = await findServerTools(primary.major);
  const { host, port, user, password = '' } = primary.target;
  const { uid, gid } = await stat(primary.dataDir);
  const folder = await mkdtemp(join(tmpdir(), 'ops-standby-'));
  const dataDir = join(folder, 'data');
  await chown(folder, uid, gid);
  // The server refuses to run as root, and its files belong to whom it runs as.
  const asOwner =
    process.getuid?.() === 0
      ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig', 'KILL']
      : [];
  const [program, ...args] = [...asOwner, join(binDir, 'pg_basebackup')];
  const copy = ['-h', host, '-p', String(port), '-U', user, '-D', dataDir, '-R', '-X', 'stream', '-c', 'fast'];
  await run(program!, [...args, ...copy], { env: { ...process.env, PGPASSWORD: password } });
  const [ownPort] = (await freePorts(1)) as [number];
  await appendFile(
    join(dataDir, 'postgresql.auto.conf'),
    `port = ${ownPort}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nhot_standby = on\nwal_receiver_status_interval = '1s'\n`,
  );
  const [server, ...serverArgs] = [...asOwner, join(binDir, 'postgres'), '-D', dataDir];
  const daemon = startDaemon(server!, serverArgs, process.env);
  let tail = '';
  daemon.stderr?.on('data', (chunk: Buffer) => {
    tail = (tail + chunk).slice(-2000);
  });
  const target = (database: string) =>
    parsePostgresUrl(
      `postgres://${user}:${encodeURIComponent(password)}@127.0.0.1:${ownPort}/${encodeURIComponent(database)}`,
    );
  const tell = async (sql: string) => {
    const client = await connect(target('postgres'));
    await client.query(sql).finally(() => client.end());
  };
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    const failed = await tell('select').then(
      () => undefined,
      (error: Error) => error,
    );
    if (!failed) break;
    if (daemon.exitCode !== null || Date.now() > deadline) throw new Error(`the standby did not start: ${tail}`);
    await wait(50);
  }
  return {
    target,
    pause: () => tell('select pg_wal_replay_pause()'),
    resume: () => tell('select pg_wal_replay_resume()'),
    async [Symbol.asyncDispose]() {
      await killAll([daemon]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
