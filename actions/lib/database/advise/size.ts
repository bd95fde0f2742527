import type { CatalogColumn, CatalogTable, Statistics } from '../catalog/index.ts';
import type { IndexDefinition, IndexKey } from '../indexes/index.ts';

const pageBytes = 8192;
const pageHeader = 24 + 16;
const lineAndTuple = 4 + 8;
const itemPointer = 6;
/** What a posting list may hold while an index is built: a tenth of a page (nbtsort.c, `maxpostingsize`). */
const postingBytes = Math.floor((pageBytes * 10) / 100) - 4;

/**
 * Bytes of an index before it is built. A B-tree is reckoned with deduplication, without which equal keys would count
 * two to four times too much; GIN from the mean width of what it takes apart; BRIN from its ranges.
 * @param rows entries: those that the predicate of a partial index lets in
 */
export function estimateBytes(
  definition: IndexDefinition,
  table: CatalogTable,
  statistics: Statistics,
  rows: number,
): number {
  switch (definition.method) {
    case 'btree':
      return btreeBytes(definition, table, statistics, rows);
    case 'gin':
      return ginBytes(definition, table, statistics, rows);
    case 'brin':
      return brinBytes(definition, table, statistics);
    case 'gist':
      return Math.ceil((rows * 64) / (pageBytes * 0.7)) * pageBytes;
  }
}

function btreeBytes(definition: IndexDefinition, table: CatalogTable, statistics: Statistics, rows: number): number {
  const parts = definition.keys.map(key => keyStatistics(key, table, statistics));
  const carried = definition.include.map(column => keyStatistics({ kind: 'column', column }, table, statistics));
  const all = [...parts, ...carried];
  // A null takes no bytes of its own, but its tuple has a bitmap of 8.
  const data = all.reduce((sum, part) => padded(sum, part.align) + part.bytes * (1 - part.nullFraction), 0);
  const keyBytes = aligned(data) + (all.some(part => part.nullFraction > 0.01) ? 8 * anyNull(all) : 0);
  const canDeduplicate = !definition.isUnique && carried.length === 0 && parts.every(part => part.isImageEqual);
  // Nulls alone are one value, and share all of its entries.
  const nulls = canDeduplicate && parts.length === 1 ? rows * parts[0]!.nullFraction : 0;
  const leaf = canDeduplicate
    ? deduplicated(rows - nulls, keyBytes, parts) + nulls * itemPointer
    : rows * (lineAndTuple + keyBytes);
  const leafPages = Math.max(1, Math.ceil(leaf / ((pageBytes - pageHeader) * 0.9)));
  // Inner pages hold one entry for each page below, without what suffix truncation cuts off.
  const inner = Math.ceil((leafPages * (lineAndTuple + Math.min(keyBytes, 64))) / ((pageBytes - pageHeader) * 0.7));
  return (1 + leafPages + (leafPages > 1 ? inner : 0)) * pageBytes;
}

/** Rows with equal keys share entries, each of which holds so many rows as fit into it. */
function deduplicated(rows: number, keyBytes: number, parts: readonly KeyStatistics[]): number {
  const combinations = parts.reduce((product, part) => Math.min(product * part.distinct, 1e15), 1);
  const distinct = Math.min(rows, Math.max(1, combinations));
  const perKey = rows / distinct;
  // Also for no rows at all, of which there is no mean.
  if (!(perKey >= 1.5)) return rows * (lineAndTuple + keyBytes);
  const perPosting = Math.max(2, Math.floor((postingBytes - 8 - keyBytes) / itemPointer));
  const postings = Math.ceil(perKey / perPosting);
  // Its list of rows ends anywhere, and the entry is filled up to 8 bytes: half of that on average.
  return distinct * postings * (lineAndTuple + keyBytes + 4) + rows * itemPointer;
}

function anyNull(parts: readonly KeyStatistics[]): number {
  return 1 - parts.reduce((product, part) => product * (1 - part.nullFraction), 1);
}

interface KeyStatistics {
  bytes: number;
  align: number;
  distinct: number;
  nullFraction: number;
  /** Equal values have equal bytes, so that they can share an entry. */
  isImageEqual: boolean;
}

const fixedAlign: Record<string, number> = {
  bool: 1,
  int2: 2,
  int4: 4,
  date: 4,
  float4: 4,
  oid: 4,
  int8: 8,
  float8: 8,
  timestamp: 8,
  timestamptz: 8,
  time: 8,
  uuid: 1,
};
const notImageEqual = new Set(['numeric', 'float4', 'float8', 'jsonb', 'interval']);

function keyStatistics(key: IndexKey, table: CatalogTable, statistics: Statistics): KeyStatistics {
  const name = key.kind === 'column' ? key.column : soleColumn(key.expression, table);
  const column = table.columns.find(each => each.name === name);
  const known = name === undefined ? undefined : statistics.of(table, name);
  if (key.kind === 'expression')
    return expressionStatistics(key.expression, column, known?.averageBytes, known?.distinct, table);
  const align = fixedAlign[column?.baseType ?? ''] ?? 1;
  return {
    bytes: known?.averageBytes ?? 16,
    align: column && /^(_|numeric$)/.test(column.baseType) ? 4 : align,
    distinct: Math.max(1, known?.distinct ?? table.rows / 10),
    nullFraction: known?.nullFraction ?? 0,
    isImageEqual: isImageEqual(column),
  };
}

function isImageEqual(column: CatalogColumn | undefined): boolean {
  return column !== undefined && !notImageEqual.has(column.baseType) && !['A', 'R', 'C'].includes(column.category);
}

/** `lower(email)` has as many values as email, of the same width; a member of a document is short and repeats. */
function expressionStatistics(
  expression: string,
  column: CatalogColumn | undefined,
  bytes: number | undefined,
  distinct: number | undefined,
  table: CatalogTable,
): KeyStatistics {
  const isMember = /->>?/.test(expression);
  const keepsValues = /^(lower|upper|btrim|ltrim|rtrim)\(/i.test(expression);
  return {
    bytes: isMember ? 12 : ((keepsValues ? bytes : 16) ?? 16),
    align: 1,
    distinct: Math.max(1, keepsValues && distinct !== undefined ? distinct : table.rows / 20),
    nullFraction: 0,
    isImageEqual: column?.category !== 'A',
  };
}

function soleColumn(expression: string, table: CatalogTable): string | undefined {
  return columnsIn(expression, table)[0];
}

function columnsIn(expression: string, table: CatalogTable): string[] {
  return table.columns
    .map(column => column.name)
    .filter(name =>
      new RegExp(`(^|[^\\w"])"?${name.replace(/[^\w]/g, '\\$&')}"?($|[^\\w"])`).test(
        expression.replace(/'[^']*'/g, "''"),
      ),
    );
}

/**
 * What a value is taken apart into, and how many bytes each piece takes in its list of rows: an estimate, low for full text.
 * Lists are delta-coded, so a piece in many rows takes one to two bytes a row. The proof states the real size.
 */
function ginBytes(definition: IndexDefinition, table: CatalogTable, statistics: Statistics, rows: number): number {
  let bytes = 0;
  for (const key of definition.keys) {
    const names = key.kind === 'column' ? [key.column] : columnsIn(key.expression, table);
    // `title || ' ' || body` is as long as both.
    const width = names.reduce((sum, name) => sum + (statistics.of(table, name)?.averageBytes ?? 64), 0) || 64;
    const column = names.length === 1 ? table.columns.find(each => each.name === names[0]) : undefined;
    if (key.opclass?.includes('gin_trgm_ops')) bytes += rows * (width + 1) * 2.4;
    else if (column?.baseType === 'jsonb') bytes += rows * Math.max(1, width / 18) * 2.2;
    else if (column?.baseType === 'tsvector') bytes += rows * Math.max(1, width / 14) * 4.5;
    else if (key.kind === 'expression') bytes += rows * Math.max(1, width / 8) * 2.5;
    else bytes += rows * Math.max(1, (width - 20) / 8) * 2.5;
  }
  return Math.max(3, Math.ceil(bytes / (pageBytes * 0.9))) * pageBytes;
}

const pagesPerRange = 128;

function brinBytes(definition: IndexDefinition, table: CatalogTable, statistics: Statistics): number {
  const ranges = Math.ceil(table.pages / pagesPerRange);
  const width = definition.keys.reduce((sum, key) => sum + 2 * keyStatistics(key, table, statistics).bytes, 0);
  const regular = Math.ceil((ranges * (28 + aligned(width))) / (pageBytes * 0.95));
  const revmap = Math.ceil(ranges / 1360);
  return (1 + revmap + Math.max(1, regular)) * pageBytes;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function padded(offset: number, align: number): number {
  return Math.ceil(offset / align) * align;
}
