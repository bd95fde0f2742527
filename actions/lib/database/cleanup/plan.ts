import type pg from 'pg';
import { createIndexSql, type IndexDefinition, indexName } from '../indexes/index.ts';
import type { ForeignKey, ForeignKeys } from './foreign-keys.ts';
import { aliasOf, fromSql, joinSql, oldSql, referencedSql } from './sql.ts';
import type { CleanupTarget, ResolvedRule } from './targets.ts';

/** What a rule would delete now. Null where counting took longer than it may. */
export interface RuleCounts {
  /** Old enough, and not referenced. */
  deletable: number | null;
  /** Old enough, and kept by rows that refer to them. */
  referenced: number | null;
  /** What CASCADE takes along; rows of a table that is in a circle of CASCADEs are counted once around. */
  cascades: { table: string; rows: number | null }[];
  /** `table.column`: set to NULL or their default by the deletion. */
  changes: string[];
  /** Counting ended at this many: there are at least so many. */
  most: number;
}

export interface Warning {
  table: string;
  message: string;
  statement: string;
}

/** Counts stop a little after what one run may delete: they tell what a run will do, and cost no more than that. */
export async function countRule(
  client: pg.Client,
  keys: ForeignKeys,
  { rule, targets }: ResolvedRule,
  before: Date,
): Promise<RuleCounts> {
  const most = rule.maxRowsPerRun + 1;
  const counts: RuleCounts = { deletable: 0, referenced: 0, cascades: [], changes: [], most };
  const cascades = new Map<string, number | null>();
  const changes = new Set<string>();
  for (const target of targets) {
    const alias = aliasOf(target);
    const referenced = referencedSql(keys, target.oid, alias);
    const old = oldSql(target);
    const from = fromSql(target, alias);
    const goes = referenced === null ? old : `${old} AND NOT ${referenced}`;
    counts.deletable = add(counts.deletable, await count(client, `${from} WHERE ${goes}`, before, most));
    if (referenced !== null) {
      counts.referenced = add(
        counts.referenced,
        await count(client, `${from} WHERE ${old} AND ${referenced}`, before, most),
      );
    }
    for (const { table, sql } of cascadesOf(
      keys,
      target,
      `EXISTS (SELECT FROM ${from} WHERE ${goes} AND `,
      alias,
      changes,
    )) {
      cascades.set(table, add(cascades.get(table) ?? 0, await count(client, sql, before, most)));
    }
  }
  counts.cascades = [...cascades].map(([table, rows]) => ({ table, rows }));
  counts.changes = [...changes];
  return counts;
}

/** @param opening `EXISTS (SELECT FROM parent WHERE … AND `: what a child joins onto, and closes */
function cascadesOf(
  keys: ForeignKeys,
  target: CleanupTarget,
  opening: string,
  alias: string,
  changes: Set<string>,
): { table: string; sql: string }[] {
  let number = 0;
  return below(target.oid, opening, alias, []);

  function below(oid: string, open: string, of: string, path: readonly ForeignKey[]): { table: string; sql: string }[] {
    return keys.to(oid).flatMap(key => {
      const table = `${key.child.schema}.${key.child.name}`;
      if (key.onDelete === 'set null' || key.onDelete === 'set default') {
        changes.add(`${table}.${key.childColumns.join(', ')}`);
      }
      if (key.onDelete !== 'cascade' || path.includes(key)) return [];
      const name = `child_${++number}`;
      const is = `${open}${joinSql(key, of, name)})`;
      const from = fromSql(key.child, name);
      return [
        { table, sql: `${from} WHERE ${is}` },
        ...below(key.child.oid, `EXISTS (SELECT FROM ${from} WHERE ${is} AND `, name, [...path, key]),
      ];
    });
  }
}

async function count(client: pg.Client, from: string, before: Date, most: number): Promise<number | null> {
  try {
    const { rows } = await client.query<{ rows: string }>(
      `SELECT count(*) AS rows FROM (SELECT FROM ${from} LIMIT $2) AS counted`,
      [before.toISOString(), most],
    );
    return Number(rows[0]!.rows);
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    if (code === '57014' || code === '55P03') return null;
    throw thrown;
  }
}

const add = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);

/** Reading fewer than these is not worth an index. */
const smallRows = 10_000;

/** What makes a clean-up slow for everybody, and the statement that mends it. */
export function indexWarnings(keys: ForeignKeys, { rule, targets }: ResolvedRule): Warning[] {
  return targets.flatMap(target => {
    const warnings: Warning[] = [];
    const table = `${target.schema}.${target.name}`;
    if (target.rows < smallRows) return [];
    if (!target.hasIndex) {
      warnings.push({
        table,
        message: `no index leads with ${rule.column}: each run reads the whole table`,
        statement: indexStatement(target, [rule.column]),
      });
    }
    for (const key of keys.to(target.oid).filter(each => !each.isIndexed)) {
      const child = `${key.child.schema}.${key.child.name}`;
      warnings.push({
        table: child,
        message: `no index for the foreign key ${key.name}: for each row deleted from ${table} all of ${child} is read`,
        statement: indexStatement(key.child, key.childColumns),
      });
    }
    return warnings;
  });
}

function indexStatement(table: { schema: string; name: string }, columns: readonly string[]): string {
  const definition: IndexDefinition = {
    schema: table.schema,
    table: table.name,
    method: 'btree',
    keys: columns.map(column => ({ kind: 'column', column })),
    include: [],
  };
  return `${createIndexSql(definition, indexName(definition), { concurrently: true })};`;
}
