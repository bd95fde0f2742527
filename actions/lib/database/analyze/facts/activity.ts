import type { DatabaseSession } from '../../session/index.ts';

/** A session of a client of this server. The text of its statement may hold anything: it is shown only redacted. */
export interface ActivityFacts {
  pid: number;
  database: string | null;
  user: string | null;
  application: string;
  state: string | null;
  /** `Lock: transactionid` */
  waitsFor: string | null;
  transactionSeconds: number | null;
  statementSeconds: number | null;
  stateSeconds: number | null;
  query: string;
  /** Those who hold what it waits for. */
  blockedBy: number[];
}

export interface PreparedTransaction {
  gid: string;
  owner: string;
  database: string;
  seconds: number;
}

/** Sessions of clients except this one. `pg_blocking_pids` holds up the lock manager, so only those that wait are asked about. */
export function readActivity(session: DatabaseSession): Promise<ActivityFacts[]> {
  return session.rows<ActivityFacts & Record<string, unknown>>(
    `select pid, datname as database, usename as user, coalesce(application_name, '') as application, state,
            case when wait_event is not null and state <> 'idle' then wait_event_type || ': ' || wait_event end as "waitsFor",
            extract(epoch from clock_timestamp() - xact_start)::float8 as "transactionSeconds",
            case when state = 'active'
                 then extract(epoch from clock_timestamp() - query_start)::float8 end as "statementSeconds",
            extract(epoch from clock_timestamp() - state_change)::float8 as "stateSeconds",
            coalesce(query, '') as query,
            case when wait_event_type = 'Lock' then pg_blocking_pids(pid) else '{}' end as "blockedBy"
       from pg_catalog.pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()
      order by xact_start nulls last`,
  );
}

export function readPreparedTransactions(session: DatabaseSession): Promise<PreparedTransaction[]> {
  return session.rows<PreparedTransaction & Record<string, unknown>>(
    `select gid, owner, database, extract(epoch from clock_timestamp() - prepared)::float8 as seconds
       from pg_catalog.pg_prepared_xacts order by prepared`,
  );
}

/** Maintenance that runs now: `vacuum of public.orders, heap blks scanned 40 %`. */
export interface Progress {
  what: 'vacuum' | 'analyze' | 'create index' | 'cluster';
  relation: string;
  phase: string;
  ratio: number | null;
}

export function readProgress(session: DatabaseSession): Promise<Progress[]> {
  const rows = (what: Progress['what'], view: string, ratio: string) =>
    `select '${what}' as what, coalesce(n.nspname || '.' || c.relname, p.relid::text) as relation, p.phase,
            (${ratio})::float8 as ratio
       from pg_catalog.${view} p
       left join pg_catalog.pg_class c on c.oid = p.relid
       left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where p.datname = current_database() and p.relid is not null`;
  return session.rows<Progress & Record<string, unknown>>(
    [
      rows('vacuum', 'pg_stat_progress_vacuum', 'heap_blks_scanned::numeric / nullif(heap_blks_total, 0)'),
      rows('analyze', 'pg_stat_progress_analyze', 'sample_blks_scanned::numeric / nullif(sample_blks_total, 0)'),
      rows('create index', 'pg_stat_progress_create_index', 'blocks_done::numeric / nullif(blocks_total, 0)'),
      rows('cluster', 'pg_stat_progress_cluster', 'heap_blks_scanned::numeric / nullif(heap_blks_total, 0)'),
    ].join(' union all '),
  );
}

export interface ReplicaFacts {
  name: string;
  address: string | null;
  state: string | null;
  lagSeconds: number | null;
  lagBytes: number | null;
}

export interface SlotFacts {
  name: string;
  kind: string;
  database: string | null;
  isActive: boolean;
  isTemporary: boolean;
  /** WAL that is kept for it; null when it never reserved any, or lost it. */
  retainedBytes: number | null;
  /** `reserved`, `extended`, `unreserved`, `lost` */
  walStatus: string | null;
  xminAge: number | null;
}

/** Standbys and other consumers of the WAL as the primary (or a cascading standby) sees them. */
export function readReplicas(session: DatabaseSession): Promise<ReplicaFacts[]> {
  return session.rows<ReplicaFacts & Record<string, unknown>>(
    `select coalesce(nullif(application_name, ''), pid::text) as name, host(client_addr) as address, state,
            extract(epoch from replay_lag)::float8 as "lagSeconds",
            pg_wal_lsn_diff(${currentLsn(session)}, replay_lsn)::float8 as "lagBytes"
       from pg_catalog.pg_stat_replication where state is null or state in ('streaming', 'catchup') order by 1`,
  );
}

export function readSlots(session: DatabaseSession): Promise<SlotFacts[]> {
  return session.rows<SlotFacts & Record<string, unknown>>(
    `select slot_name as name, slot_type as kind, database, active as "isActive", temporary as "isTemporary",
            pg_wal_lsn_diff(${currentLsn(session)}, restart_lsn)::float8 as "retainedBytes", wal_status as "walStatus",
            greatest(age(xmin), age(catalog_xmin))::float8 as "xminAge"
       from pg_catalog.pg_replication_slots order by 1`,
  );
}

/** On a standby: how far it is behind. A primary that writes nothing makes no lag, however long ago it last did. */
export async function readOwnLag(session: DatabaseSession): Promise<{ seconds: number | null; bytes: number | null }> {
  const [row] = await session.rows<{ seconds: number | null; bytes: number | null }>(
    `select case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
                 else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end::float8 as seconds,
            pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 as bytes`,
  );
  return row!;
}

function currentLsn({ isInRecovery }: DatabaseSession): string {
  return isInRecovery ? 'pg_last_wal_replay_lsn()' : 'pg_current_wal_lsn()';
}
