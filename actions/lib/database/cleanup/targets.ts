import type pg from 'pg';
import type { RetentionRule } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import { type Relation, readRelations } from './relations.ts';

/** A table with rows of its own that a rule speaks of: the table, or one partition of it. */
export interface CleanupTarget extends Relation {
  rule: RetentionRule;
  columnType: 'timestamptz' | 'timestamp' | 'date';
  /** A whole B-tree that leads with the column. */
  hasIndex: boolean;
}

export interface ResolvedRule {
  rule: RetentionRule;
  /** `schema.table` */
  table: string;
  /** Of the declared table and of its partitions. */
  oids: readonly string[];
  targets: readonly CleanupTarget[];
}

/**
 * Holds every rule against the catalog, before anything is deleted by any of them.
 * @throws OpsError `CLEANUP_RULE` (exit 2): no such table or column, another type, a condition that is not one;
 * `PG_DENIED`: the role may not read, lock and delete rows
 */
export async function resolveRules(client: pg.Client, rules: readonly RetentionRule[]): Promise<ResolvedRule[]> {
  const resolved: ResolvedRule[] = [];
  for (const rule of rules) resolved.push(await resolve(client, rule));
  return resolved;
}

async function resolve(client: pg.Client, rule: RetentionRule): Promise<ResolvedRule> {
  const [name = '', schema = 'public'] = rule.table.split('.').reverse();
  const { rows } = await client.query<{ oid: string; relkind: string }>(
    `select c.oid::text, c.relkind from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2`,
    [schema, name],
  );
  const table = rows[0];
  if (!table) throw invalid(rule, 'there is no such table', 'Name it as schema.table.');
  if (table.relkind !== 'r' && table.relkind !== 'p') {
    throw invalid(rule, 'it is not a table', 'Only rows of tables and partitions can be deleted.');
  }
  const tree = await client.query<{ oid: string }>(
    table.relkind === 'p'
      ? 'select relid::oid::text as oid from pg_catalog.pg_partition_tree($1::oid::regclass)'
      : 'select $1::oid::text as oid',
    [table.oid],
  );
  const oids = tree.rows.map(row => row.oid);
  const relations = await readRelations(client, oids);
  const leaves = oids.map(oid => relations.get(oid)!).filter(relation => relation.kind === 'r');
  const targets: CleanupTarget[] = [];
  for (const leaf of leaves) targets.push(await targetOf(client, rule, leaf));
  return { rule, table: `${schema}.${name}`, oids, targets };
}

async function targetOf(client: pg.Client, rule: RetentionRule, relation: Relation): Promise<CleanupTarget> {
  const { rows } = await client.query<{ type: string; indexed: boolean; may: boolean }>(
    `select pg_catalog.format_type(case when t.typtype = 'd' then t.typbasetype else t.oid end, null) as type,
            exists (select 1 from pg_catalog.pg_index i
                      join pg_catalog.pg_class x on x.oid = i.indexrelid
                      join pg_catalog.pg_am m on m.oid = x.relam
                     where i.indrelid = a.attrelid and i.indkey[0] = a.attnum and i.indisvalid and i.indpred is null
                       and m.amname = 'btree') as indexed,
            pg_catalog.has_table_privilege(a.attrelid, 'select') and pg_catalog.has_table_privilege(a.attrelid, 'delete')
              and pg_catalog.has_any_column_privilege(a.attrelid, 'update') as may
       from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
      where a.attrelid = $1::oid and a.attname = $2 and a.attnum > 0 and not a.attisdropped`,
    [relation.oid, rule.column],
  );
  const column = rows[0];
  if (!column) throw invalid(rule, `it has no column '${rule.column}'`, 'Name the column as the table does.');
  const columnType = types[column.type];
  if (!columnType) {
    throw invalid(rule, `'${rule.column}' is of type ${column.type}`, 'It must be timestamptz, timestamp or date.');
  }
  if (!column.may) {
    throw new OpsError('PG_DENIED', `The role may not delete rows of ${relation.schema}.${relation.name}`, {
      hint: `GRANT SELECT, UPDATE, DELETE ON ${quoteQualified(relation.schema, relation.name)} TO it (UPDATE: to lock rows).`,
    });
  }
  await assertCondition(client, rule, relation);
  return { ...relation, rule, columnType, hasIndex: column.indexed };
}

const types: Readonly<Record<string, CleanupTarget['columnType']>> = {
  'timestamp with time zone': 'timestamptz',
  'timestamp without time zone': 'timestamp',
  date: 'date',
};

/**
 * One expression, and not something that closes our parenthesis and goes on: it must be understood both with and without
 * one. With a value, a query may hold only one statement.
 */
async function assertCondition(client: pg.Client, rule: RetentionRule, relation: Relation): Promise<void> {
  if (rule.condition === undefined) return;
  const from = `EXPLAIN SELECT $1::int FROM ONLY ${quoteQualified(relation.schema, relation.name)} AS ${quoteIdent(relation.name)} WHERE`;
  try {
    await client.query(`${from} (${rule.condition}\n)`, [1]);
    await client.query(`${from} ${rule.condition}\n AND true`, [1]);
  } catch (thrown) {
    throw invalid(
      rule,
      `its condition is refused: ${(thrown as Error).message}`,
      'It is what could stand behind WHERE; functions and types outside pg_catalog are written with their schema.',
    );
  }
}

function invalid(rule: RetentionRule, why: string, hint: string): OpsError {
  return new OpsError('CLEANUP_RULE', `The retention rule for ${rule.table} cannot be followed: ${why}`, {
    hint: `${hint} See database.cleanup.rules in .github/ops.yml; nothing was deleted.`,
    exit: 'usage',
  });
}
