import type pg from 'pg';
import { quoteLiteral } from '../../../postgres/index.ts';

/**
 * Writes the planner statistics of the source into the copy: `pg_stats`, which any role may read, holds all of
 * `pg_statistic` that the planner needs but the operators, which are those of the column's type. Also for expressions of
 * existing indexes. Returns how many columns got theirs.
 */
export async function copyStatistics(
  source: pg.Client,
  copy: pg.Client,
  tables: readonly { schema: string; name: string }[],
): Promise<number> {
  const { rows } = await source.query<StatsRow>(sourceQuery, [
    tables.map(each => each.schema),
    tables.map(each => each.name),
  ]);
  const slots = await copy.query<TargetRow>(targetQuery, [
    rows.map(row => row.schema),
    rows.map(row => row.table),
    rows.map(row => row.column),
  ]);
  const targets = new Map(slots.rows.map(row => [`${row.schema}\0${row.table}\0${row.column}`, row]));
  let count = 0;
  for (const row of rows) {
    const target = targets.get(`${row.schema}\0${row.table}\0${row.column}`);
    if (!target) continue;
    try {
      await copy.query(insertSql(row, target));
      count++;
    } catch (thrown) {
      // A type whose values cannot be read back here leaves its column without statistics: as before the first ANALYZE.
      if (!(thrown instanceof Error) || !('severity' in thrown)) throw thrown;
    }
  }
  return count;
}

/** How many values a column or an expression has, where the server knows nothing of it: for an index that is only offered. */
export function distinctSql(relation: string, distinct: number, width: number): string {
  const empty = Array.from({ length: 5 }, () => '0').join(', ');
  const none = Array.from({ length: 5 }, () => 'NULL').join(', ');
  return `INSERT INTO pg_catalog.pg_statistic
    VALUES (${quoteLiteral(relation)}::regclass, 1, false, 0, ${width}, ${distinct}, ${empty}, ${empty}, ${empty}, ${none}, ${none})`;
}

interface StatsRow {
  schema: string;
  table: string;
  column: string;
  inherited: boolean;
  null_frac: number;
  avg_width: number;
  n_distinct: number;
  correlation: number | null;
  common_vals: string | null;
  common_freqs: string | null;
  histogram: string | null;
  common_elems: string | null;
  common_elem_freqs: string | null;
  elem_counts: string | null;
}

const sourceQuery = `
  WITH wanted AS (
    SELECT w.schema, w.name FROM unnest($1::text[], $2::text[]) AS w (schema, name)
    UNION
    SELECT n.nspname, ic.relname
      FROM unnest($1::text[], $2::text[]) AS w (schema, name)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
      JOIN pg_catalog.pg_index x ON x.indrelid = c.oid AND x.indexprs IS NOT NULL
      JOIN pg_catalog.pg_class ic ON ic.oid = x.indexrelid
  )
  SELECT s.schemaname AS schema, s.tablename AS "table", s.attname AS "column", s.inherited,
         s.null_frac::float8, s.avg_width, s.n_distinct::float8, s.correlation::float8,
         s.most_common_vals::text AS common_vals, s.most_common_freqs::text AS common_freqs, s.histogram_bounds::text AS histogram,
         s.most_common_elems::text AS common_elems, s.most_common_elem_freqs::text AS common_elem_freqs,
         s.elem_count_histogram::text AS elem_counts
    FROM wanted w JOIN pg_catalog.pg_stats s ON s.schemaname = w.schema AND s.tablename = w.name`;

interface TargetRow {
  schema: string;
  table: string;
  column: string;
  relation: string;
  attnum: number;
  type: string;
  element_type: string;
  equal: string | null;
  less: string | null;
  element_equal: string | null;
  collation: string;
}

const ownOpclassType = (type: string) => `
  CASE WHEN ${type}.typtype = 'e' THEN 'anyenum'::regtype::oid
       WHEN ${type}.typtype = 'r' THEN 'anyrange'::regtype::oid
       WHEN ${type}.typcategory = 'A' AND ${type}.typelem <> 0 THEN 'anyarray'::regtype::oid
       WHEN ${type}.typname = 'varchar' THEN 'text'::regtype::oid
       ELSE ${type}.oid END`;

const operatorOf = (type: string, strategy: number) => `
  (SELECT p.amopopr::oid::text FROM pg_catalog.pg_opclass o
     JOIN pg_catalog.pg_am am ON am.oid = o.opcmethod AND am.amname = 'btree'
     JOIN pg_catalog.pg_amop p ON p.amopfamily = o.opcfamily AND p.amoplefttype = o.opcintype
                              AND p.amoprighttype = o.opcintype AND p.amopstrategy = ${strategy}
    WHERE o.opcdefault AND o.opcintype = ${ownOpclassType(type)} LIMIT 1)`;

// The words of a document are kept as text, whatever its type says of elements.
const targetQuery = `
  WITH RECURSIVE base (oid, base_oid) AS (
    SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
    UNION ALL
    SELECT d.oid, b.base_oid FROM pg_catalog.pg_type d JOIN base b ON d.typbasetype = b.oid WHERE d.typtype = 'd'
  )
  SELECT DISTINCT ON (w.schema, w.name, w.col) w.schema, w.name AS "table", w.col AS "column", c.oid::text AS relation, a.attnum,
         a.atttypid::text AS type, a.attcollation::text AS collation,
         CASE WHEN t.typname = 'tsvector' THEN 'text'::regtype::oid ELSE t.typelem END::text AS element_type,
         ${operatorOf('t', 3)} AS equal, ${operatorOf('t', 1)} AS less,
         CASE WHEN t.typname = 'tsvector' THEN '98' WHEN e.oid IS NOT NULL THEN ${operatorOf('e', 3)} END AS element_equal
    FROM unnest($1::text[], $2::text[], $3::text[]) AS w (schema, name, col)
    JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = w.col AND a.attnum > 0 AND NOT a.attisdropped
    JOIN base b ON b.oid = a.atttypid
    JOIN pg_catalog.pg_type t ON t.oid = b.base_oid
    LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem`;

/** Kinds of slots: src/include/catalog/pg_statistic.h. */
const kinds = { commonValues: 1, histogram: 2, correlation: 3, commonElements: 4, elementCounts: 5 };

interface Slot {
  kind: number;
  operator: string | null;
  numbers: string | null;
  values: string | null;
  type: string;
  collation: string;
}

function insertSql(row: StatsRow, target: TargetRow): string {
  const { type, element_type: elementType, collation } = target;
  const all: (Slot & { isThere: boolean })[] = [
    {
      kind: kinds.commonValues,
      operator: target.equal,
      numbers: row.common_freqs,
      values: row.common_vals,
      type,
      collation,
      isThere: row.common_vals !== null,
    },
    {
      kind: kinds.histogram,
      operator: target.less,
      numbers: null,
      values: row.histogram,
      type,
      collation,
      isThere: row.histogram !== null,
    },
    {
      kind: kinds.correlation,
      operator: target.less,
      numbers: row.correlation === null ? null : `{${row.correlation}}`,
      values: null,
      type,
      collation,
      isThere: row.correlation !== null,
    },
    {
      kind: kinds.commonElements,
      operator: target.element_equal,
      numbers: row.common_elem_freqs,
      values: row.common_elems,
      type: elementType,
      collation: collation === '0' ? '100' : collation,
      isThere: row.common_elems !== null,
    },
    {
      kind: kinds.elementCounts,
      operator: target.element_equal,
      numbers: row.elem_counts,
      values: null,
      type,
      collation,
      isThere: row.elem_counts !== null,
    },
  ];
  const slots: (Slot | undefined)[] = all.filter(slot => slot.isThere && slot.operator !== null);
  const five = <T>(of: (slot: Slot) => T, otherwise: T): string =>
    Array.from({ length: 5 }, (_, n) => (slots[n] ? of(slots[n]) : otherwise)).join(', ');
  return `INSERT INTO pg_catalog.pg_statistic VALUES (
    ${target.relation}, ${target.attnum}, ${row.inherited}, ${row.null_frac}, ${row.avg_width}, ${row.n_distinct},
    ${five(slot => String(slot.kind), '0')},
    ${five(slot => slot.operator ?? '0', '0')},
    ${five(slot => slot.collation, '0')},
    ${five(slot => (slot.numbers === null ? 'NULL' : `${quoteLiteral(slot.numbers)}::float4[]`), 'NULL')},
    ${five(slot => (slot.values === null ? 'NULL' : `pg_catalog.array_in(${quoteLiteral(slot.values)}::cstring, ${slot.type}, -1)::anyarray`), 'NULL')})`;
}
