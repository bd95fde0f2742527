import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { formatDuration, type Log } from '../../log/index.ts';
import { assertHoldsSnapshot, connect, type PostgresTarget, pgError } from '../../postgres/index.ts';
import { assertSupported } from '../session/index.ts';
import type { ApplyOptions } from './options.ts';

/** Two integers, so that no application that takes a bigint by chance takes ours: "prod", "indx". */
const lockKey = [0x7072_6f64, 0x696e_6478] as const;

export const applicationName = 'production-ops apply';

/** The two connections of one apply, and the lock that makes it the only one in this database. */
export interface ApplySessions extends AsyncDisposable {
  readonly target: PostgresTarget;
  /** Does the work, and holds the lock: a build that outlives this process keeps the next one away. */
  work(): pg.Client;
  workPid(): number;
  /** Looks, records and cancels. */
  control(): pg.Client;
  readonly versionNum: number;
  /** After a lost connection: both again, and the lock. @throws what `openApplySessions` throws */
  reopen(): Promise<void>;
}

/**
 * Opens them, makes sure that they are sessions of a primary, and takes the lock.
 * @throws OpsError `PG_POOLER`; `APPLY_READ_ONLY` (a replica, or a role that only reads); `APPLY_RUNNING`; those of `pgError`
 */
export async function openApplySessions(
  target: PostgresTarget,
  options: ApplyOptions,
  log: Log,
  signal: AbortSignal,
): Promise<ApplySessions> {
  let pair = await openPair(target, options, log, signal);
  return {
    target,
    work: () => pair.work,
    workPid: () => pair.workPid,
    control: () => pair.control,
    versionNum: pair.versionNum,
    async reopen() {
      await close(pair);
      const deadline = Date.now() + options.reconnectSeconds * 1000;
      for (;;) {
        signal.throwIfAborted();
        try {
          pair = await openPair(target, options, log, signal);
          return;
        } catch (thrown) {
          const isGone = thrown instanceof OpsError && ['PG_UNREACHABLE', 'PG_LOST'].includes(thrown.code);
          if (!isGone || Date.now() > deadline) throw thrown;
          await wait(options.pollSeconds * 1000 * (0.5 + Math.random()), undefined, { signal });
        }
      }
    },
    [Symbol.asyncDispose]: () => close(pair),
  };
}

interface Pair {
  work: pg.Client;
  workPid: number;
  control: pg.Client;
  versionNum: number;
}

async function openPair(target: PostgresTarget, options: ApplyOptions, log: Log, signal: AbortSignal): Promise<Pair> {
  // Not tied to the signal of the run: what was begun is cancelled and cleared up first, over these same connections.
  const control = await connect(target, {
    applicationName: `${applicationName} control`,
    statementTimeoutMs: 60_000,
    settings: { lock_timeout: '5s', client_min_messages: 'warning' },
  });
  let work: pg.Client | undefined;
  try {
    await assertHoldsSnapshot(control, target);
    const versionNum = await assertPrimary(control, target);
    work = await connect(target, {
      applicationName,
      statementTimeoutMs: 0,
      settings: {
        lock_timeout: `${Math.round(options.lockTimeoutSeconds * 1000)}ms`,
        client_min_messages: 'warning',
        // A build whose process was killed must not run on unwatched: the server looks whether we are still there. (14)
        ...(versionNum >= 140_000 && { idle_session_timeout: '0', client_connection_check_interval: '5s' }),
      },
    });
    await takeLock(work, control, target, options, log, signal);
    const { rows } = await work.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
    return { work, workPid: rows[0]!.pid, control, versionNum };
  } catch (thrown) {
    await Promise.allSettled([control.end(), work?.end()]);
    throw pgError(thrown, target);
  }
}

async function close(pair: Pair): Promise<void> {
  await Promise.allSettled([pair.work.end(), pair.control.end()]);
}

async function assertPrimary(client: pg.Client, target: PostgresTarget): Promise<number> {
  const { rows } = await client.query<{ version: string; recovery: boolean; readonly: string }>(
    `select current_setting('server_version_num') as version, pg_catalog.pg_is_in_recovery() as recovery,
            current_setting('transaction_read_only') as readonly`,
  );
  const { version, recovery, readonly } = rows[0]!;
  assertSupported(Number(version), target);
  if (recovery) {
    throw new OpsError('APPLY_READ_ONLY', `${target.display} is a replica, and indexes are built on the primary`, {
      hint: 'Set DATABASE_URL to the primary; its replicas follow by themselves.',
      exit: 'usage',
    });
  }
  if (readonly === 'on') {
    throw new OpsError('APPLY_READ_ONLY', `The role ${target.user} only reads on ${target.display}`, {
      hint: 'default_transaction_read_only is on: give DATABASE_URL a role that owns the tables.',
      exit: 'usage',
    });
  }
  return Number(version);
}

async function takeLock(
  work: pg.Client,
  control: pg.Client,
  target: PostgresTarget,
  options: ApplyOptions,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + options.otherRunSeconds * 1000;
  for (let isSaid = false; ; ) {
    signal.throwIfAborted();
    const { rows } = await work.query<{ taken: boolean }>('select pg_catalog.pg_try_advisory_lock($1, $2) as taken', [
      ...lockKey,
    ]);
    if (rows[0]!.taken) return;
    if (Date.now() >= deadline) throw await otherRun(control, target);
    if (!isSaid) log.info('Another apply has the lock of this database; waiting for it');
    isSaid = true;
    await wait(Math.min(250, options.pollSeconds * 1000), undefined, { signal });
  }
}

async function otherRun(control: pg.Client, target: PostgresTarget): Promise<OpsError> {
  const { rows } = await control.query<{ pid: number; seconds: number | null }>(
    `select l.pid, extract(epoch from now() - a.query_start)::float8 as seconds
       from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 2
        and l.classid::bigint = $1 and l.objid::bigint = $2
        and l.database = (select oid from pg_catalog.pg_database where datname = current_database())`,
    [...lockKey],
  );
  const holder = rows[0];
  const since = holder?.seconds == null ? '' : `, at its statement for ${formatDuration(holder.seconds)}`;
  return new OpsError(
    'APPLY_RUNNING',
    `Another apply is at work on ${target.display}${holder ? ` (server process ${holder.pid}${since})` : ''}`,
    {
      hint: holder
        ? `Wait for it. If the run it belongs to is dead: select pg_terminate_backend(${holder.pid}), and the next run mends what it left.`
        : 'It has ended just now: run again.',
    },
  );
}
