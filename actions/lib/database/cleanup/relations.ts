import type pg from 'pg';
import { quoteIdent } from '../../postgres/index.ts';

/** What deleting from a table needs to know of it. */
export interface Relation {
  oid: string;
  schema: string;
  name: string;
  kind: string;
  isPartitioned: boolean;
  /** Planner's estimate, or what the statistics count; 0 when neither is known. */
  rows: number;
  /** Quoted; those that the server computes are left out. */
  columns: readonly string[];
}

export async function readRelations(client: pg.Client, oids: readonly string[]): Promise<Map<string, Relation>> {
  const { rows } = await client.query<Relation>(
    `select c.oid::text, n.nspname as schema, c.relname as name, c.relkind::text as kind, c.relkind = 'p' as "isPartitioned",
            greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)::float8 as rows,
            (select coalesce(array_agg(a.attname::text order by a.attnum), '{}') from pg_catalog.pg_attribute a
              where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = any ($1::oid[])`,
    [oids],
  );
  return new Map(rows.map(row => [row.oid, { ...row, columns: row.columns.map(quoteIdent) }]));
}
