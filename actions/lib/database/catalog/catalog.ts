import type { IndexDefinition } from '../indexes/index.ts';

export type TableKind = 'table' | 'partitioned' | 'materialized view' | 'view' | 'foreign';

export interface CatalogColumn {
  name: string;
  number: number;
  /** As a person writes it: `character varying(20)`. */
  type: string;
  /** Name of the type in pg_type, below domains: `varchar`, `int4`, `_text`. */
  baseType: string;
  /** `pg_type.typcategory`: A array, B boolean, D date, N number, S text, U user-defined … */
  category: string;
  isNotNull: boolean;
  /** Sorted by bytes (C, POSIX, C.UTF-8 of 17): a prefix search then needs no operator class of its own. */
  isByteOrder: boolean;
  isGenerated: boolean;
  /** Whether a B-tree can hold it with its default operator class. */
  isSortable: boolean;
}

/** Planner statistics of one column; from ANALYZE, in the units of pg_stats. */
export interface ColumnStatistics {
  nullFraction: number;
  averageBytes: number;
  /** Distinct values; already made absolute where the server keeps a share of the rows. */
  distinct: number;
  /** As text that the column's type reads; with frequencies from 0 to 1, most frequent first. */
  commonValues: readonly { value: string; frequency: number }[];
  histogram: readonly string[];
  /** -1 to 1: how far the order on disk is that of the values. */
  correlation: number | undefined;
  commonElements: readonly { value: string; frequency: number }[];
}

export interface CatalogIndex {
  oid: number;
  name: string;
  schema: string;
  table: string;
  /** Undefined where `IndexDefinition` cannot say it: another method, a collation of its own, a storage parameter. */
  definition: IndexDefinition | undefined;
  /** As the server prints it. */
  sql: string;
  method: string;
  bytes: number;
  pages: number;
  rows: number;
  isUnique: boolean;
  isPrimary: boolean;
  /** Held by a primary key, unique, exclusion or foreign key constraint. */
  isConstraint: boolean;
  isReplicaIdentity: boolean;
  isValid: boolean;
  /** A partition of an index on the parent. */
  isPartition: boolean;
  scans: number;
}

export interface CatalogTable {
  oid: number;
  schema: string;
  name: string;
  kind: TableKind;
  columns: readonly CatalogColumn[];
  indexes: readonly CatalogIndex[];
  /** Live rows as the planner counts them; of all partitions together for a partitioned table. */
  rows: number;
  pages: number;
  /** Pages that an index-only scan need not visit. */
  visiblePages: number;
  bytes: number;
  /** The server's counters since its statistics were reset. */
  counters: TableCounters;
  /** Oids of the leaves below a partitioned table. */
  leaves: readonly number[];
  parentOid: number | undefined;
  viewSql: string | undefined;
}

export interface TableCounters {
  inserted: number;
  updated: number;
  hotUpdated: number;
  deleted: number;
  sequentialScans: number;
  indexScans: number;
  /** Pages of the table itself, as often as they were asked for, and those of them that were in shared memory. */
  pagesAsked: number;
  pagesInMemory: number;
}

/** What a database holds, for all that resolves names in statements. Names are case-sensitive, as the server keeps them. */
export class Catalog {
  readonly tables: readonly CatalogTable[];
  readonly searchPath: readonly string[];
  readonly #byName: ReadonlyMap<string, CatalogTable>;
  readonly #byOid: ReadonlyMap<number, CatalogTable>;

  constructor(tables: readonly CatalogTable[], searchPath: readonly string[]) {
    this.tables = tables;
    this.searchPath = searchPath;
    this.#byName = new Map(tables.map(table => [nameKey(table.schema, table.name), table]));
    this.#byOid = new Map(tables.map(table => [table.oid, table]));
  }

  /** @param schema absent: the first of the search path that has the name */
  find(schema: string | undefined, name: string): CatalogTable | undefined {
    if (schema !== undefined) return this.#byName.get(nameKey(schema, name));
    for (const each of this.searchPath) {
      const found = this.#byName.get(nameKey(each, name));
      if (found) return found;
    }
    return undefined;
  }

  byOid(oid: number): CatalogTable | undefined {
    return this.#byOid.get(oid);
  }

  /** The table itself, or the leaves that hold its rows. */
  storageOf(table: CatalogTable): CatalogTable[] {
    if (table.kind !== 'partitioned') return [table];
    return table.leaves.flatMap(oid => this.#byOid.get(oid) ?? []);
  }
}

function nameKey(schema: string, name: string): string {
  return `${schema}\0${name}`;
}

/** Statistics by table and column. */
export class Statistics {
  readonly #byColumn: ReadonlyMap<string, ColumnStatistics>;

  constructor(entries: Iterable<readonly [string, ColumnStatistics]>) {
    this.#byColumn = new Map(entries);
  }

  static key(schema: string, table: string, column: string): string {
    return `${schema}\0${table}\0${column}`;
  }

  of(table: { schema: string; name: string }, column: string): ColumnStatistics | undefined {
    return this.#byColumn.get(Statistics.key(table.schema, table.name, column));
  }
}
