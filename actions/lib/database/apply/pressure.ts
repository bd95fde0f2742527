import { statfs } from 'node:fs/promises';
import type pg from 'pg';
import { formatBytes, formatDuration } from '../../log/index.ts';
import type { PostgresTarget } from '../../postgres/index.ts';
import type { ApplyOptions } from './options.ts';

/** What a build presses on while it runs. Null where nobody can tell; `unseen` says why. */
export interface Pressure {
  replicas: { name: string; lagSeconds: number | null; lagBytes: number | null }[];
  slots: { name: string; retainedBytes: number; isActive: boolean }[];
  freeDiskBytes: number | null;
  unseen: string[];
}

export type Verdict = { kind: 'go' } | { kind: 'wait'; reason: string } | { kind: 'stop'; reason: string };

export async function readPressure(
  client: pg.Client,
  target: PostgresTarget,
  options: Pick<ApplyOptions, 'diskBytes'>,
): Promise<Pressure> {
  const unseen: string[] = [];
  const { rows: replicas } = await client.query<{ name: string; lagSeconds: number | null; lagBytes: number | null }>(
    `select coalesce(nullif(application_name, ''), client_addr::text, 'replica') as name,
            extract(epoch from replay_lag)::float8 as "lagSeconds",
            pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn)::float8 as "lagBytes"
       from pg_catalog.pg_stat_replication`,
  );
  if (replicas.some(replica => replica.lagBytes === null)) {
    unseen.push('the lag of the replicas is not shown to this role: GRANT pg_monitor TO it');
  }
  const { rows: slots } = await client.query<Pressure['slots'][number]>(
    `select slot_name as name, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::float8 as "retainedBytes",
            active as "isActive"
       from pg_catalog.pg_replication_slots where restart_lsn is not null`,
  );
  const freeDiskBytes = await freeDisk(client, target, options.diskBytes, unseen);
  return { replicas, slots, freeDiskBytes, unseen };
}

/**
 * PostgreSQL has no function that tells how full a disk is. It is measured where the server runs on this machine, and
 * reckoned from `database.machine.diskBytes` (size of the volume) less all databases and the WAL elsewhere.
 */
async function freeDisk(
  client: pg.Client,
  target: PostgresTarget,
  diskBytes: number | undefined,
  unseen: string[],
): Promise<number | null> {
  if (target.host.startsWith('/')) {
    const { rows } = await client.query<{ folder: string | null }>(
      `select current_setting('data_directory', true) as folder
        where pg_catalog.pg_has_role('pg_read_all_settings', 'usage')
           or (select rolsuper from pg_catalog.pg_roles where rolname = current_user)`,
    );
    const folder = rows[0]?.folder;
    const found = folder ? await statfs(folder).catch(() => undefined) : undefined;
    if (found) return found.bavail * found.bsize;
  }
  if (diskBytes !== undefined) {
    const { rows } = await client.query<{ used: number | null }>(
      `select sum(case when pg_catalog.has_database_privilege(oid, 'connect') then pg_catalog.pg_database_size(oid) end)::float8
                + coalesce((select setting::float8 * 1048576 from pg_catalog.pg_settings where name = 'max_wal_size'), 0) as used
         from pg_catalog.pg_database`,
    );
    return Math.max(0, diskBytes - (rows[0]?.used ?? 0));
  }
  unseen.push(
    'how full the disk of the server is cannot be asked of it: set database.machine.diskBytes to the size of its volume',
  );
  return null;
}

/** Before a build of about `neededBytes`. */
export function judgeBefore(pressure: Pressure, neededBytes: number, options: ApplyOptions): Verdict {
  const { freeDiskBytes } = pressure;
  // Sorting and the index itself: each about as large.
  const wanted = 2 * neededBytes + options.reserveBytes;
  if (freeDiskBytes !== null && freeDiskBytes < wanted) {
    return {
      kind: 'stop',
      reason: `${formatBytes(freeDiskBytes)} are free on the disk, and the build wants ${formatBytes(wanted)}: twice the index, and a reserve`,
    };
  }
  const late = lateReplica(pressure, options.replicaLagSeconds);
  if (late) return { kind: 'wait', reason: late };
  const held = heldSlot(pressure, options.slotRetainedBytes);
  if (held) return { kind: 'wait', reason: held };
  return { kind: 'go' };
}

/** While it runs: a build cannot pause, so it is stopped when it does harm. */
export function judgeDuring(pressure: Pressure, options: ApplyOptions): Verdict {
  const { freeDiskBytes } = pressure;
  if (freeDiskBytes !== null && freeDiskBytes < options.reserveBytes / 2) {
    return { kind: 'stop', reason: `only ${formatBytes(freeDiskBytes)} are left on the disk` };
  }
  const late = lateReplica(pressure, options.stopReplicaLagSeconds);
  if (late) return { kind: 'stop', reason: late };
  const held = heldSlot(pressure, 2 * options.slotRetainedBytes);
  if (held) return { kind: 'stop', reason: held };
  return { kind: 'go' };
}

function lateReplica({ replicas }: Pressure, limitSeconds: number): string | undefined {
  // A replica that is idle reports its last lag for a while: only one that has something left to replay is late.
  const late = replicas.find(replica => (replica.lagSeconds ?? 0) > limitSeconds && (replica.lagBytes ?? 1) > 0);
  return (
    late &&
    `the replica ${late.name} is ${formatDuration(late.lagSeconds!)} behind, more than ${formatDuration(limitSeconds)}`
  );
}

function heldSlot({ slots }: Pressure, limitBytes: number): string | undefined {
  const held = slots.find(slot => slot.retainedBytes > limitBytes);
  return (
    held &&
    `the slot ${held.name} holds ${formatBytes(held.retainedBytes)} of WAL back, more than ${formatBytes(limitBytes)}`
  );
}
