import { quoteQualified } from '../../postgres/index.ts';
import type { CatalogTable } from '../catalog/index.ts';
import type { Writes } from '../prove/index.ts';
import type { DatabaseSession } from '../session/index.ts';

/** What the planner goes by; all of them may be set by a session. */
const plannerSettings = [
  'work_mem',
  'hash_mem_multiplier',
  'effective_cache_size',
  'random_page_cost',
  'seq_page_cost',
  'cpu_tuple_cost',
  'cpu_index_tuple_cost',
  'cpu_operator_cost',
  'parallel_setup_cost',
  'parallel_tuple_cost',
  'min_parallel_table_scan_size',
  'min_parallel_index_scan_size',
  'max_parallel_workers_per_gather',
  'effective_io_concurrency',
  'join_collapse_limit',
  'from_collapse_limit',
  'cursor_tuple_fraction',
  'constraint_exclusion',
  'jit',
  'jit_above_cost',
  'jit_inline_above_cost',
  'jit_optimize_above_cost',
];

/** The settings of production, in the units that `set_config` reads them in. Throws the codes of `pgError`. */
export async function readPlannerSettings(session: DatabaseSession): Promise<Record<string, string>> {
  const rows = await session.rows<{ name: string; setting: string }>(
    `select name, setting from pg_catalog.pg_settings where name = any ($1) or name like 'enable\\_%'`,
    [plannerSettings],
  );
  return Object.fromEntries(rows.map(row => [row.name, row.setting]));
}

/** What is written to a table in so many seconds, as far as the counters of the last `countedSeconds` go. */
export function writesIn(table: CatalogTable, seconds: number, countedSeconds: number): Writes | undefined {
  if (!(countedSeconds > 0)) return undefined;
  const { inserted, updated, hotUpdated } = table.counters;
  const share = seconds / countedSeconds;
  return { inserted: inserted * share, updatedNotHot: Math.max(0, updated - hotUpdated) * share };
}

/** How long `pg_stat_statements` has counted; null before 14, and where it was never reset. Throws the codes of `pgError`. */
export async function readWorkloadWindow(session: DatabaseSession): Promise<number | null> {
  const [extension] = await session.rows<{ schema: string }>(
    `select n.nspname as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relname = 'pg_stat_statements_info' and c.relkind = 'v'`,
  );
  if (!extension) return null;
  const [row] = await session.rows<{ seconds: number | null }>(
    `select extract(epoch from pg_catalog.now() - stats_reset)::float8 as seconds
       from ${quoteQualified(extension.schema, 'pg_stat_statements_info')}`,
  );
  return row?.seconds ?? null;
}
