import type { DatabaseConfig } from '../../config/index.ts';
import { quoteIdent } from '../../postgres/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import { type Bloat, indexBloat, tableBloat } from './bloat.ts';
import type { CollectedFacts } from './facts/collect.ts';

/** What pgstattuple found where statistics had suspected bloat. */
export interface Measured {
  wastedBytes: number;
  ratio: number;
}

/** Reading a whole relation is not free: the largest suspects only, and none that is too large. */
const mostMeasured = 5;
const largestBytes = 2 * 1024 ** 3;
const withinMs = 20_000;

/**
 * The suspects of the estimates measured by the extension pgstattuple, where it is installed and the role may use it
 * (`pg_stat_scan_tables`). One that takes too long or is locked keeps its estimate.
 */
export async function measureBloat(
  session: DatabaseSession,
  facts: CollectedFacts,
  { thresholds }: DatabaseConfig,
): Promise<Map<number, Measured>> {
  const measured = new Map<number, Measured>();
  const extension = facts.extensions.find(({ name }) => name === 'pgstattuple');
  if (!extension || !session.privileges.scansTables) return measured;
  const schema = quoteIdent(extension.schema);
  const ask = async (oid: number, sql: string) => {
    try {
      const [row] = await session.rows<{ wasted: number; ratio: number }>(sql, [oid], { statementTimeoutMs: withinMs });
      if (row) measured.set(oid, { wastedBytes: row.wasted, ratio: row.ratio });
    } catch (thrown) {
      const code = (thrown as { code?: string }).code ?? '';
      if (!['PG_CANCELLED', 'PG_LOCKED', 'PG_DENIED', 'PG_QUERY'].includes(code)) throw thrown;
    }
  };
  const bytes = new Map([
    ...facts.tables.map(t => [t.oid, t.mainBytes] as const),
    ...facts.indexes.map(i => [i.oid, i.bytes] as const),
  ]);
  const suspects = (all: readonly Bloat[], ratio: number, wasted: number) =>
    all
      .filter(each => each.ratio >= ratio && each.wastedBytes >= wasted && bytes.get(each.oid)! <= largestBytes)
      .sort((a, b) => b.wastedBytes - a.wastedBytes)
      .slice(0, mostMeasured);
  for (const { oid } of suspects(tableBloat(facts), thresholds.tableBloatRatio, thresholds.tableBloatBytes)) {
    await ask(
      oid,
      `select (approx_free_space + dead_tuple_len)::float8 as wasted,
              ((approx_free_space + dead_tuple_len) / nullif(table_len, 0)::numeric)::float8 as ratio
         from ${schema}.pgstattuple_approx($1::oid::regclass)`,
    );
  }
  for (const { oid } of suspects(indexBloat(facts), thresholds.indexBloatRatio, thresholds.indexBloatBytes)) {
    // A freshly built index fills its leaves to 90 %.
    await ask(
      oid,
      `select (index_size * share)::float8 as wasted, share::float8 as ratio
         from ${schema}.pgstatindex($1::oid::regclass),
              lateral (select greatest(0, 1 - avg_leaf_density / 90.0
                         * (leaf_pages::numeric / nullif(leaf_pages + empty_pages + deleted_pages, 0))) as share) s
        where avg_leaf_density <> 'NaN'`,
    );
  }
  return measured;
}
