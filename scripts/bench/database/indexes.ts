import type pg from 'pg';
import { createIndexSql, type IndexDefinition, type IndexRef } from '../../../actions/lib/database/advisor.ts';
import { quoteQualified } from '../../../actions/lib/postgres/index.ts';

/** Indexes that were really built. */
export interface BuiltSet {
  refs: IndexRef[];
  /** By `refs`; of a partitioned one with its partitions. */
  bytes: number[];
}

export interface NamedDefinition {
  name: string;
  definition: IndexDefinition;
  prerequisites?: readonly string[];
}

export async function buildDefinitions(
  client: pg.Client,
  indexes: readonly NamedDefinition[],
  options: { analyze: boolean } = { analyze: true },
): Promise<BuiltSet> {
  for (const { prerequisites = [] } of indexes) for (const sql of prerequisites) await client.query(sql);
  const named = indexes.map(({ name, definition }) => ({
    name,
    sql: createIndexSql(definition, name, { concurrently: false }),
  }));
  return build(client, named, options);
}

/** @param statements `CREATE INDEX ON …`, to which a name is given */
export async function buildStatements(
  client: pg.Client,
  prefix: string,
  statements: readonly string[],
): Promise<BuiltSet> {
  return build(
    client,
    statements.map((sql, n) => ({ name: `${prefix}_${n + 1}`, sql: sql.replace(' ON ', ` ${prefix}_${n + 1} ON `) })),
  );
}

async function build(
  client: pg.Client,
  indexes: readonly { name: string; sql: string }[],
  { analyze } = { analyze: true },
): Promise<BuiltSet> {
  for (const { sql } of indexes) await client.query(sql);
  // Expressions have statistics of their own, and only once they are indexed.
  if (analyze) await client.query('ANALYZE');
  const { rows } = await client.query<{ schema: string; name: string; bytes: string }>(
    `SELECT n.nspname AS schema, c.relname AS name,
            pg_relation_size(c.oid) + coalesce((SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(c.oid) p WHERE p.relid <> c.oid), 0) AS bytes
       FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, position)
       JOIN pg_class c ON c.relname = wanted.name AND c.relkind IN ('i', 'I')
       JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY position`,
    [indexes.map(each => each.name)],
  );
  return { refs: rows.map(({ schema, name }) => ({ schema, name })), bytes: rows.map(row => Number(row.bytes)) };
}

export function bytesOf({ bytes }: BuiltSet): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}

export async function dropIndexes(client: pg.Client, { refs }: BuiltSet): Promise<void> {
  if (refs.length === 0) return;
  await client.query(`DROP INDEX ${refs.map(ref => quoteQualified(ref.schema, ref.name)).join(', ')}`);
}
