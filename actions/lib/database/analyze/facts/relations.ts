import type { DatabaseSession } from '../../session/index.ts';

/** A table, partitioned table or materialised view. Sizes in bytes, times in UTC ISO 8601. */
export interface TableFacts {
  oid: number;
  schema: string;
  name: string;
  kind: 'table' | 'partitioned' | 'matview';
  /** Of a partition: the table it belongs to. */
  parentOid: number | null;
  isUnlogged: boolean;
  /** Made by an extension, which answers for its shape. */
  ofExtension: boolean;
  hasPrimaryKey: boolean;
  /** As of the last VACUUM or ANALYZE; null when there was none. */
  rows: number | null;
  mainBytes: number;
  toastBytes: number;
  sequentialScans: number;
  sequentialRows: number;
  indexScans: number;
  inserted: number;
  updated: number;
  deleted: number;
  hotUpdated: number;
  /** From 16 on: updates whose new version went to another page. */
  newPageUpdated: number | null;
  liveRows: number;
  deadRows: number;
  changedSinceAnalyze: number;
  vacuumedAt: string | null;
  analyzedAt: string | null;
  /** 13 keeps no time for a partitioned table: there, no statistics over its partitions that the role may see. */
  isNeverAnalyzed: boolean;
  blocksFetched: number;
  blocksHit: number;
  /** Transactions and multixacts since it, or its TOAST table, was last frozen. */
  xidAge: number;
  multixactAge: number;
  options: readonly string[];
}

/**
 * What of `pg_locks` is held or asked for in ACCESS EXCLUSIVE mode: measuring such a relation would wait, so its size is
 * taken from the catalogue.
 */
export const lockedRelations = `
  select distinct relation from pg_catalog.pg_locks
   where locktype = 'relation' and mode = 'AccessExclusiveLock'
     and database = (select oid from pg_catalog.pg_database where datname = current_database())`;

/** Schemas of the server itself, and of temporary objects. */
export function systemSchema(column: string): string {
  return `(${column} in ('pg_catalog', 'information_schema', 'pg_toast') or ${column} ~ '^pg_(toast_)?temp_')`;
}

/** Sizes and counters of every relation that holds rows, in one pass; the functions are those below pg_stat_all_tables. */
export function readTables(session: DatabaseSession, ignoreSchemas: readonly string[]): Promise<TableFacts[]> {
  return session.rows<TableFacts & Record<string, unknown>>(tablesQuery(session.major), [ignoreSchemas]);
}

function tablesQuery(major: number): string {
  return `
  with locked as materialized (${lockedRelations})
  select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name,
         case c.relkind when 'r' then 'table' when 'p' then 'partitioned' else 'matview' end as kind,
         (case when c.relispartition then (select inhparent from pg_catalog.pg_inherits where inhrelid = c.oid) end)
           ::int8::float8 as "parentOid", c.relpersistence = 'u' as "isUnlogged",
         exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                    and d.deptype = 'e') as "ofExtension",
         exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) as "hasPrimaryKey",
         case when c.reltuples < 0 or (c.reltuples = 0 and c.relpages = 0 and c.relkind <> 'p') then null
              else c.reltuples end::float8 as rows,
         (case when c.relkind = 'p' then 0 when l.relation is null then pg_relation_size(c.oid)
               else c.relpages::int8 * current_setting('block_size')::int8 end)::float8 as "mainBytes",
         (case when c.reltoastrelid = 0 or l.relation is not null then 0
               else pg_relation_size(c.reltoastrelid) end)::float8 as "toastBytes",
         pg_stat_get_numscans(c.oid)::float8 as "sequentialScans",
         pg_stat_get_tuples_returned(c.oid)::float8 as "sequentialRows",
         coalesce((select sum(pg_stat_get_numscans(i.indexrelid)) from pg_catalog.pg_index i
                    where i.indrelid = c.oid), 0)::float8 as "indexScans",
         pg_stat_get_tuples_inserted(c.oid)::float8 as inserted,
         pg_stat_get_tuples_updated(c.oid)::float8 as updated,
         pg_stat_get_tuples_deleted(c.oid)::float8 as deleted,
         pg_stat_get_tuples_hot_updated(c.oid)::float8 as "hotUpdated",
         ${major >= 16 ? 'pg_stat_get_tuples_newpage_updated(c.oid)::float8' : 'null::float8'} as "newPageUpdated",
         pg_stat_get_live_tuples(c.oid)::float8 as "liveRows",
         pg_stat_get_dead_tuples(c.oid)::float8 as "deadRows",
         pg_stat_get_mod_since_analyze(c.oid)::float8 as "changedSinceAnalyze",
         ${iso('greatest(pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid))')} as "vacuumedAt",
         ${iso('greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))')} as "analyzedAt",
         ${isNeverAnalyzed(major)} as "isNeverAnalyzed",
         pg_stat_get_blocks_fetched(c.oid)::float8 as "blocksFetched",
         pg_stat_get_blocks_hit(c.oid)::float8 as "blocksHit",
         greatest(${xidAge('c')}, ${xidAge('toast')})::float8 as "xidAge",
         greatest(${multixactAge('c')}, ${multixactAge('toast')})::float8 as "multixactAge",
         coalesce(c.reloptions, '{}') as options
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class toast on toast.oid = c.reltoastrelid
    left join locked l on l.relation = c.oid
   where c.relkind in ('r', 'p', 'm')
     and not ${systemSchema('n.nspname')} and n.nspname <> all ($1::text[])
   order by n.nspname, c.relname`;
}

function isNeverAnalyzed(major: number): string {
  const never = 'coalesce(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid)) is null';
  if (major >= 14) return never;
  return `case when c.relkind <> 'p' then ${never}
              else has_table_privilege(c.oid, 'select') and not row_security_active(c.oid)
                   and not exists (select from pg_catalog.pg_stats k
                                    where k.schemaname = n.nspname and k.tablename = c.relname and k.inherited) end`;
}

/** Partitioned tables and absent TOAST tables have no age. */
function xidAge(of: string): string {
  return `coalesce(age(nullif(${of}.relfrozenxid::text, '0')::xid), 0)`;
}

function multixactAge(of: string): string {
  return `coalesce(mxid_age(nullif(${of}.relminmxid::text, '0')::xid), 0)`;
}

/** A time as reports write it. */
export function iso(expression: string): string {
  return `to_char(${expression} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
}
