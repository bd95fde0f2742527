import type pg from 'pg';
import { formatDuration } from '../../log/index.ts';

/** What others are doing on the server, between two batches. */
export interface Load {
  /** Other sessions that are at work; null where the role is not shown them. */
  activeSessions: number | null;
  /** Sessions that wait for a lock, whoever holds it. */
  lockWaits: number;
  /** The replica that is furthest behind, among those that have something left to replay. */
  replica: { name: string; lagSeconds: number } | null;
}

export interface LoadLimits {
  /** Null: not watched. */
  activeSessions: number | null;
  lockWaits: number;
  replicaLagSeconds: number;
}

/** Why the next batch has to wait; null when it need not. */
export function reasonToPause(load: Load, limits: LoadLimits): string | null {
  const { activeSessions, lockWaits, replica } = load;
  if (replica && replica.lagSeconds > limits.replicaLagSeconds) {
    return `the replica ${replica.name} is ${formatDuration(replica.lagSeconds)} behind, more than ${formatDuration(limits.replicaLagSeconds)}`;
  }
  if (lockWaits > limits.lockWaits) {
    return `${lockWaits} sessions wait for locks, more than ${limits.lockWaits}`;
  }
  if (limits.activeSessions !== null && activeSessions !== null && activeSessions > limits.activeSessions) {
    return `${activeSessions} other sessions are at work, more than ${limits.activeSessions}`;
  }
  return null;
}

export async function readLoad(client: pg.Client): Promise<Load> {
  // A lag is only given while there is something to replay: an idle replica keeps its last one for a while.
  const { rows } = await client.query<Load>(
    `select (select case when pg_catalog.pg_has_role('pg_read_all_stats', 'usage')
                           or (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
                    then count(*) filter (where state = 'active')::int end
               from pg_catalog.pg_stat_activity
              where backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()) as "activeSessions",
            (select count(distinct pid)::int from pg_catalog.pg_locks where not granted) as "lockWaits",
            (select json_build_object('name', coalesce(nullif(application_name, ''), client_addr::text, 'replica'),
                                      'lagSeconds', extract(epoch from replay_lag)::float8)
               from pg_catalog.pg_stat_replication
              where replay_lag is not null and replay_lsn < sent_lsn
              order by replay_lag desc limit 1) as replica`,
  );
  return rows[0]!;
}

/** Rows of the next batch: towards what the last one took, at most doubled or halved. */
export function nextBatchRows(rows: number, tookSeconds: number, targetSeconds: number, most: number): number {
  const factor = Math.min(2, Math.max(0.5, targetSeconds / Math.max(tookSeconds, 0.001)));
  return Math.max(1, Math.min(most, Math.round(rows * factor)));
}
