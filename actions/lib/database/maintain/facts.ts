import type pg from 'pg';

/** What maintenance goes by, of each table that the role may look at. Counts are those since the statistics were reset. */
export interface TableFacts {
  schema: string;
  name: string;
  isPartitioned: boolean;
  /** Planner's estimate; -1 (before 14: 0) when the table was never analysed. */
  rows: number;
  liveRows: number;
  /** Of the table alone; 0 when it has never held a row. */
  heapBytes: number;
  changedSinceAnalyze: number;
  isAnalyzed: boolean;
  /** Updated and deleted. */
  deadRowsMade: number;
  options: Readonly<Record<string, string>>;
}

export interface ServerFacts {
  majorVersion: number;
  statisticsDays: number;
  settings: Readonly<Record<string, Setting>>;
}

export interface Setting {
  /** In the unit of the setting's own, e.g. pages of 8 kB. */
  value: string;
  unit: string | null;
  /** `postmaster`: a restart is needed. */
  context: string;
}

export async function readTables(client: pg.Client, ignoreSchemas: readonly string[]): Promise<TableFacts[]> {
  // The view of 13 leaves partitioned tables out: of those, statistics over all partitions tell that ANALYZE was there.
  const { rows } = await client.query<TableFacts>(
    `select n.nspname as schema, c.relname as name, c.relkind = 'p' as "isPartitioned", c.reltuples::float8 as rows,
            coalesce(s.n_live_tup, 0)::float8 as "liveRows", pg_catalog.pg_relation_size(c.oid)::float8 as "heapBytes",
            coalesce(s.n_mod_since_analyze, 0)::float8 as "changedSinceAnalyze",
            s.last_analyze is not null or s.last_autoanalyze is not null
              or (c.relkind = 'p' and s.relid is null
                  and exists (select from pg_catalog.pg_stats k
                               where k.schemaname = n.nspname and k.tablename = c.relname and k.inherited)) as "isAnalyzed",
            coalesce(s.n_tup_upd + s.n_tup_del, 0)::float8 as "deadRowsMade",
            coalesce((select json_object_agg(option_name, option_value) from pg_catalog.pg_options_to_table(c.reloptions)), '{}') as options
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stat_user_tables s on s.relid = c.oid
      where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname <> all ($1)
        and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'
      order by 1, 2`,
    [ignoreSchemas],
  );
  return rows;
}

export async function readServer(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<{ major: number; days: number; settings: ServerFacts['settings'] }>(
    `select current_setting('server_version_num')::int / 10000 as major,
            extract(epoch from now() - coalesce((select stats_reset from pg_catalog.pg_stat_database
                                                  where datname = current_database()), pg_catalog.pg_postmaster_start_time()))::float8 / 86400 as days,
            (select json_object_agg(name, json_build_object('value', setting, 'unit', unit, 'context', context))
               from pg_catalog.pg_settings) as settings`,
  );
  const { major, days, settings } = rows[0]!;
  return { majorVersion: major, statisticsDays: days, settings };
}
