import type { DatabaseSession } from '../../session/index.ts';
import { iso } from './relations.ts';

export interface Setting {
  /** As SHOW prints it: `128MB`. */
  shown: string;
  /** In its own unit; a number for numeric settings. */
  value: string;
  unit: string | null;
  source: string;
  /** Needs a restart to change. */
  needsRestart: boolean;
  /** Changed in the file and not in force before a restart. */
  isPending: boolean;
}

export interface DatabaseCounters {
  commits: number;
  rollbacks: number;
  deadlocks: number;
  tempBytes: number;
  tempFiles: number;
  conflicts: number;
  checksumFailures: number | null;
  /** Since when the counters count: reset by hand, or by recovery after a crash. */
  since: string;
  seconds: number;
}

export interface DatabaseSize {
  name: string;
  isCurrent: boolean;
  /** Null where the role may not connect. */
  bytes: number | null;
  xidAge: number;
  multixactAge: number;
}

export interface ExtensionFacts {
  name: string;
  schema: string;
  version: string;
  newest: string | null;
}

export interface EncryptionFacts {
  isOffered: boolean;
  /** Connections over the network without TLS, of those of other roles only with `pg_monitor`. */
  plain: { user: string; address: string; connections: number }[];
}

export async function readSettings(session: DatabaseSession): Promise<Map<string, Setting>> {
  const rows = await session.rows<Setting & { name: string }>(
    `select name, current_setting(name) as shown, setting as value, unit, source, context = 'postmaster' as "needsRestart",
            pending_restart as "isPending"
       from pg_catalog.pg_settings where name not like '%.%'`,
  );
  return new Map(rows.map(({ name, ...setting }) => [name, setting]));
}

/**
 * Counters of the database this session is in. They survive a restart and not a crash, which only the counters of the
 * background writer tell of.
 */
export async function readCounters(session: DatabaseSession): Promise<DatabaseCounters> {
  const [row] = await session.rows<DatabaseCounters & Record<string, unknown>>(
    `select xact_commit::float8 as commits, xact_rollback::float8 as rollbacks, deadlocks::float8 as deadlocks,
            temp_bytes::float8 as "tempBytes", temp_files::float8 as "tempFiles", conflicts::float8 as conflicts,
            checksum_failures::float8 as "checksumFailures", ${iso('s.since')} as since,
            greatest(extract(epoch from clock_timestamp() - s.since), 1)::float8 as seconds
       from pg_catalog.pg_stat_database d
      cross join lateral (
        select coalesce(greatest(d.stats_reset, (select stats_reset from pg_catalog.pg_stat_bgwriter)),
                        pg_postmaster_start_time()) as since) s
      where d.datname = current_database()`,
  );
  return row!;
}

export function readDatabaseSizes(session: DatabaseSession): Promise<DatabaseSize[]> {
  return session.rows<DatabaseSize & Record<string, unknown>>(
    `select datname as name, datname = current_database() as "isCurrent",
            (case when has_database_privilege(oid, 'connect') or ${session.privileges.readsAllStats}
                  then pg_database_size(oid) end)::float8 as bytes,
            age(datfrozenxid)::float8 as "xidAge", mxid_age(datminmxid)::float8 as "multixactAge"
       from pg_catalog.pg_database order by datname`,
  );
}

export function readExtensions(session: DatabaseSession): Promise<ExtensionFacts[]> {
  return session.rows<ExtensionFacts & Record<string, unknown>>(
    `select e.extname as name, n.nspname as schema, e.extversion as version, a.default_version as newest
       from pg_catalog.pg_extension e
       join pg_catalog.pg_namespace n on n.oid = e.extnamespace
       left join pg_catalog.pg_available_extensions a on a.name = e.extname
      order by 1`,
  );
}

export async function readEncryption(session: DatabaseSession): Promise<EncryptionFacts> {
  const plain = await session.rows<EncryptionFacts['plain'][number] & Record<string, unknown>>(
    `select coalesce(a.usename, a.usesysid::text) as user, host(a.client_addr) as address, count(*)::int as connections
       from pg_catalog.pg_stat_ssl s join pg_catalog.pg_stat_activity a using (pid)
      where not s.ssl and a.client_addr is not null and a.backend_type in ('client backend', 'walsender')
        and not (a.client_addr << '127.0.0.0/8' or a.client_addr = '::1')
      group by 1, 2 order by 3 desc, 1 limit 20`,
  );
  const [row] = await session.rows<{ ssl: string }>(`select current_setting('ssl') as ssl`);
  return { isOffered: row!.ssl === 'on', plain };
}

export interface CheckpointFacts {
  timed: number;
  requested: number;
}

/** 17 moved them to a view of their own. */
export async function readCheckpoints(session: DatabaseSession): Promise<CheckpointFacts> {
  const [row] = await session.rows<CheckpointFacts & Record<string, unknown>>(
    session.major >= 17
      ? 'select num_timed::float8 as timed, num_requested::float8 as requested from pg_catalog.pg_stat_checkpointer'
      : 'select checkpoints_timed::float8 as timed, checkpoints_req::float8 as requested from pg_catalog.pg_stat_bgwriter',
  );
  return row!;
}
