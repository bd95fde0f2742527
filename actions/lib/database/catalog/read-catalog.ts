import type pg from 'pg';
import type { IndexDefinition, IndexKey, IndexMethod } from '../indexes/index.ts';
import { Catalog, type CatalogColumn, type CatalogIndex, type CatalogTable, type TableKind } from './catalog.ts';

/**
 * Tables, views, columns and indexes of the database, without those of the system and of temporary schemas. One query
 * each for tables, columns and indexes, however many there are; reads catalogs only. Throws what pg throws.
 */
export async function readCatalog(client: pg.Client): Promise<Catalog> {
  const path = await client.query<{ schemas: string[] }>('SELECT pg_catalog.current_schemas(false)::text[] AS schemas');
  const tables = await client.query<TableRow>(tablesQuery);
  const columns = await client.query<ColumnRow>(columnsQuery);
  const indexes = await client.query<IndexRow>(indexesQuery);
  const columnsOf = Map.groupBy(columns.rows, row => row.table_oid);
  const indexesOf = Map.groupBy(indexes.rows, row => row.table_oid);
  const leaves = leavesByRoot(tables.rows);
  const own = tables.rows.map(row =>
    asTable(row, columnsOf.get(row.oid) ?? [], indexesOf.get(row.oid) ?? [], leaves.get(row.oid) ?? []),
  );
  return new Catalog(own.map(withSumOfLeaves(own)), path.rows[0]!.schemas);
}

interface TableRow {
  oid: number;
  schema: string;
  name: string;
  relkind: string;
  reltuples: number;
  relpages: number;
  relallvisible: number;
  bytes: string;
  view_sql: string | null;
  parent_oid: number | null;
  inserted: string;
  updated: string;
  hot_updated: string;
  deleted: string;
  seq_scans: string;
  index_scans: string;
  pages_asked: string;
  pages_in_memory: string;
}

const isUserSchema = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

// pg_relation_size and relpages say the same after VACUUM; before, only the first is true.
const tablesQuery = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, c.relkind, c.reltuples::float8 AS reltuples,
         c.relpages, c.relallvisible,
         CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END AS bytes,
         CASE WHEN c.relkind = 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END AS view_sql,
         (SELECT i.inhparent::int8::float8 FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition LIMIT 1) AS parent_oid,
         coalesce(s.n_tup_ins, 0) AS inserted, coalesce(s.n_tup_upd, 0) AS updated,
         coalesce(s.n_tup_hot_upd, 0) AS hot_updated, coalesce(s.n_tup_del, 0) AS deleted,
         coalesce(s.seq_scan, 0) AS seq_scans, coalesce(s.idx_scan, 0) AS index_scans,
         pg_catalog.pg_stat_get_blocks_fetched(c.oid) AS pages_asked, pg_catalog.pg_stat_get_blocks_hit(c.oid) AS pages_in_memory
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
   WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND ${isUserSchema}
   ORDER BY c.oid`;

interface ColumnRow {
  table_oid: number;
  name: string;
  number: number;
  type: string;
  base_type: string;
  category: string;
  is_not_null: boolean;
  is_byte_order: boolean;
  is_generated: boolean;
  is_sortable: boolean;
}

// A domain over a domain is followed to the type below. C.UTF-8 of libc sorts by bytes too, and the planner does not know it.
const columnsQuery = `
  WITH RECURSIVE base (oid, base_oid) AS (
    SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
    UNION ALL
    SELECT d.oid, b.base_oid FROM pg_catalog.pg_type d JOIN base b ON d.typbasetype = b.oid WHERE d.typtype = 'd'
  ), own AS (
    SELECT to_jsonb(d) AS d FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
  ), sortable AS (
    SELECT o.opcintype FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
     WHERE a.amname = 'btree' AND o.opcdefault
  )
  SELECT c.oid::int8::float8 AS table_oid, a.attname AS name, a.attnum AS number,
         pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, t.typname AS base_type, t.typcategory AS category,
         a.attnotnull AS is_not_null, a.attgenerated <> '' AS is_generated,
         CASE WHEN a.attcollation = 0 THEN true
              WHEN l.collname = 'default' THEN
                CASE coalesce(o.d ->> 'datlocprovider', 'c') WHEN 'b' THEN true WHEN 'i' THEN false
                     ELSE o.d ->> 'datcollate' IN ('C', 'POSIX') END
              ELSE l.collprovider = 'b' OR l.collprovider <> 'i' AND coalesce(l.collcollate, '') IN ('C', 'POSIX')
         END AS is_byte_order,
         t.typcategory IN ('A', 'E', 'R') OR t.typname = 'varchar'
           OR EXISTS (SELECT FROM sortable s WHERE s.opcintype = t.oid) AS is_sortable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN base b ON b.oid = a.atttypid
    JOIN pg_catalog.pg_type t ON t.oid = b.base_oid
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    CROSS JOIN own o
   WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND ${isUserSchema}
   ORDER BY c.oid, a.attnum`;

interface IndexRow {
  table_oid: number;
  oid: number;
  name: string;
  schema: string;
  table_name: string;
  sql: string;
  method: string;
  bytes: string;
  relpages: number;
  reltuples: number;
  is_unique: boolean;
  is_primary: boolean;
  is_constraint: boolean;
  is_replica_identity: boolean;
  is_valid: boolean;
  is_partition: boolean;
  scans: string;
  predicate: string | null;
  options: number[];
  has_parameters: boolean;
  key_columns: (string | null)[];
  /** Only where the key is an expression. */
  key_sql: (string | null)[];
  opclasses: (string | null)[];
  has_own_collation: boolean;
  included: string[];
}

// pg_get_indexdef of a single key is the costly part: asked only where the key is an expression.
const indexesQuery = `
  SELECT x.indrelid::int8::float8 AS table_oid, x.indexrelid::int8::float8 AS oid, ic.relname AS name,
         n.nspname AS schema, c.relname AS table_name, pg_catalog.pg_get_indexdef(x.indexrelid) AS sql, am.amname AS method,
         CASE WHEN ic.relkind = 'i' THEN coalesce(pg_catalog.pg_relation_size(ic.oid), 0) ELSE 0 END AS bytes,
         ic.relpages, ic.reltuples::float8 AS reltuples,
         x.indisunique AS is_unique, x.indisprimary AS is_primary, x.indisreplident AS is_replica_identity,
         x.indisvalid AS is_valid, ic.relispartition AS is_partition,
         EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid) AS is_constraint,
         coalesce(s.idx_scan, 0) AS scans, pg_catalog.pg_get_expr(x.indpred, x.indrelid) AS predicate,
         x.indoption::int2[]::int4[] AS options, ic.reloptions IS NOT NULL AS has_parameters,
         k.key_columns, k.key_sql, k.opclasses, coalesce(k.has_own_collation, false) AS has_own_collation, k.included
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class ic ON ic.oid = x.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am am ON am.oid = ic.relam
    LEFT JOIN pg_catalog.pg_stat_all_indexes s ON s.indexrelid = x.indexrelid
    CROSS JOIN LATERAL (
      SELECT array_agg(a.attname::text ORDER BY u.n) FILTER (WHERE u.n <= x.indnkeyatts) AS key_columns,
             array_agg(CASE WHEN u.attnum = 0 THEN pg_catalog.pg_get_indexdef(x.indexrelid, u.n::int, true) END ORDER BY u.n)
               FILTER (WHERE u.n <= x.indnkeyatts) AS key_sql,
             array_agg(CASE WHEN NOT o.opcdefault THEN o.opcname::text END ORDER BY u.n) FILTER (WHERE u.n <= x.indnkeyatts) AS opclasses,
             bool_or(u.attnum > 0 AND u.n <= x.indnkeyatts AND x.indcollation[u.n - 1] <> a.attcollation) AS has_own_collation,
             coalesce(array_agg(a.attname::text ORDER BY u.n) FILTER (WHERE u.n > x.indnkeyatts), '{}') AS included
        FROM unnest(x.indkey::int2[]) WITH ORDINALITY u (attnum, n)
        LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = u.attnum AND u.attnum <> 0
        LEFT JOIN pg_catalog.pg_opclass o ON u.n <= x.indnkeyatts AND o.oid = x.indclass[u.n - 1]
    ) k
   WHERE ${isUserSchema}
   ORDER BY x.indrelid, x.indexrelid`;

const kinds: Record<string, TableKind> = {
  r: 'table',
  p: 'partitioned',
  m: 'materialized view',
  v: 'view',
  f: 'foreign',
};

function asTable(row: TableRow, columns: ColumnRow[], indexes: IndexRow[], leaves: number[]): CatalogTable {
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: kinds[row.relkind] ?? 'table',
    columns: columns.map(asColumn),
    indexes: indexes.map(asIndex),
    rows: Math.max(0, row.reltuples),
    pages: Math.max(row.relpages, Math.ceil(Number(row.bytes) / 8192)),
    visiblePages: row.relallvisible,
    bytes: Number(row.bytes),
    counters: {
      inserted: Number(row.inserted),
      updated: Number(row.updated),
      hotUpdated: Number(row.hot_updated),
      deleted: Number(row.deleted),
      sequentialScans: Number(row.seq_scans),
      indexScans: Number(row.index_scans),
      pagesAsked: Number(row.pages_asked),
      pagesInMemory: Number(row.pages_in_memory),
    },
    leaves,
    parentOid: row.parent_oid ?? undefined,
    viewSql: row.view_sql ?? undefined,
  };
}

function asColumn(row: ColumnRow): CatalogColumn {
  return {
    name: row.name,
    number: row.number,
    type: row.type,
    baseType: row.base_type,
    category: row.category,
    isNotNull: row.is_not_null,
    isByteOrder: row.is_byte_order,
    isGenerated: row.is_generated,
    isSortable: row.is_sortable,
  };
}

function asIndex(row: IndexRow): CatalogIndex {
  return {
    oid: row.oid,
    name: row.name,
    schema: row.schema,
    table: row.table_name,
    definition: definitionOf(row),
    sql: row.sql,
    method: row.method,
    bytes: Number(row.bytes),
    pages: Math.max(row.relpages, Math.ceil(Number(row.bytes) / 8192)),
    rows: Math.max(0, row.reltuples),
    isUnique: row.is_unique,
    isPrimary: row.is_primary,
    isConstraint: row.is_constraint,
    isReplicaIdentity: row.is_replica_identity,
    isValid: row.is_valid,
    isPartition: row.is_partition,
    scans: Number(row.scans),
  };
}

const methods = new Set<string>(['btree', 'gin', 'gist', 'brin'] satisfies IndexMethod[]);
const descending = 1;
const nullsFirst = 2;

function definitionOf(row: IndexRow): IndexDefinition | undefined {
  if (!methods.has(row.method) || row.has_own_collation || row.has_parameters) return undefined;
  const keys = row.key_columns.map((column, n): IndexKey => {
    const option = row.options[n] ?? 0;
    const isDescending = (option & descending) !== 0;
    const isNullsFirst = (option & nullsFirst) !== 0;
    return {
      ...(column === null
        ? { kind: 'expression', expression: withoutParentheses(row.key_sql[n] ?? '') }
        : { kind: 'column', column }),
      ...(row.opclasses[n] ? { opclass: row.opclasses[n] } : {}),
      ...(isDescending ? { isDescending } : {}),
      ...(isNullsFirst === isDescending ? {} : { isNullsFirst }),
    };
  });
  return {
    schema: row.schema,
    table: row.table_name,
    method: row.method as IndexMethod,
    keys,
    include: row.included,
    ...(row.predicate === null ? {} : { where: withoutParentheses(row.predicate) }),
    ...(row.is_unique ? { isUnique: true } : {}),
  };
}

/** The server prints `(a = 1)` and `((x ->> 'k'))`; a definition holds neither of the outer pairs. */
export function withoutParentheses(sql: string): string {
  if (!sql.startsWith('(') || !sql.endsWith(')')) return sql;
  let depth = 0;
  let quote = '';
  for (let n = 0; n < sql.length; n++) {
    const character = sql[n]!;
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === "'" || character === '"') quote = character;
    else if (character === '(') depth++;
    else if (character === ')') {
      depth--;
      if (depth === 0 && n < sql.length - 1) return sql;
    }
  }
  return withoutParentheses(sql.slice(1, -1));
}

/** Leaves below each partitioned table, through every level. */
function leavesByRoot(rows: readonly TableRow[]): Map<number, number[]> {
  const parents = new Map(rows.map(row => [row.oid, row.parent_oid]));
  const leaves = new Map<number, number[]>();
  for (const row of rows) {
    if (row.relkind === 'p') continue;
    for (let parent = row.parent_oid; parent !== null && parent !== undefined; parent = parents.get(parent) ?? null) {
      leaves.set(parent, [...(leaves.get(parent) ?? []), row.oid]);
    }
  }
  return leaves;
}

/** A partitioned table has no pages of its own, and the server fills in its rows only when it is analysed itself. */
function withSumOfLeaves(tables: readonly CatalogTable[]): (table: CatalogTable) => CatalogTable {
  const byOid = new Map(tables.map(table => [table.oid, table]));
  return table => {
    if (table.kind !== 'partitioned') return table;
    const leaves = table.leaves.flatMap(oid => byOid.get(oid) ?? []);
    const sum = (of: (leaf: CatalogTable) => number) => leaves.reduce((total, leaf) => total + of(leaf), 0);
    return {
      ...table,
      rows: sum(leaf => leaf.rows),
      pages: sum(leaf => leaf.pages),
      visiblePages: sum(leaf => leaf.visiblePages),
      bytes: sum(leaf => leaf.bytes),
      counters: {
        inserted: sum(leaf => leaf.counters.inserted),
        updated: sum(leaf => leaf.counters.updated),
        hotUpdated: sum(leaf => leaf.counters.hotUpdated),
        deleted: sum(leaf => leaf.counters.deleted),
        sequentialScans: sum(leaf => leaf.counters.sequentialScans),
        indexScans: sum(leaf => leaf.counters.indexScans),
        pagesAsked: sum(leaf => leaf.counters.pagesAsked),
        pagesInMemory: sum(leaf => leaf.counters.pagesInMemory),
      },
    };
  };
}
