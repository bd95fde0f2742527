import type { CollectedFacts } from './facts/collect.ts';
import type { ColumnFacts } from './facts/columns.ts';
import type { IndexFacts } from './facts/indexes.ts';
import type { TableFacts } from './facts/relations.ts';

/**
 * How large a table or index would be if it were written anew, from statistics alone. Sizes of the structures: the
 * chapters "Database Page Layout" and "B-Tree Indexes" of the manual, and nbtree/README (deduplication).
 */

const headerBytes = 24;
const itemBytes = 4;

/** Bytes of the heap as VACUUM FULL would write it; undefined where ANALYZE has not been, or the role sees no statistics. */
export function expectedTableBytes(
  table: TableFacts,
  columns: readonly ColumnFacts[],
  blockBytes: number,
): number | undefined {
  const rows = Math.max(table.rows ?? -1, table.liveRows);
  if (table.rows === null || columns.length === 0 || columns.some(column => column.averageWidth === null))
    return undefined;
  const hasNulls = columns.some(column => (column.nullRatio ?? 0) > 0);
  const header = align(23 + (hasNulls ? Math.ceil(columns.length / 8) : 0), 8);
  const rowBytes = align(header + dataBytes(columns), 8) + itemBytes;
  const room = (blockBytes - headerBytes) * (optionOf(table.options, 'fillfactor', 100) / 100);
  return Math.ceil(rows / Math.max(1, Math.floor(room / rowBytes))) * blockBytes;
}

/** Columns one after the other, each where its alignment lets it begin. A value of its own length is short, and not aligned. */
function dataBytes(columns: readonly ColumnFacts[]): number {
  let offset = 0;
  for (const { length, alignment, averageWidth, nullRatio } of columns) {
    const there = 1 - (nullRatio ?? 0);
    const width = length > 0 ? length : (averageWidth ?? 0);
    const isShort = length < 0 && width < 127;
    const begin = isShort ? offset : align(offset, alignmentBytes[alignment]);
    offset += there * (begin - offset + width);
  }
  return offset;
}

const alignmentBytes = { c: 1, s: 2, i: 4, d: 8 } as const;

/** A posting list grows no larger when an index is built: a tenth of a page (nbtsort.c), six bytes for each row. */
const postingBytes = 812;
const rowPointerBytes = 6;

/**
 * Bytes of a B-tree as REINDEX would build it. Since 13 equal keys share one entry with a list of rows, which makes an
 * index on a column of few values three times as small: without that, its bloat hides in the estimate.
 */
export function expectedIndexBytes(
  index: IndexFacts,
  table: TableFacts,
  columns: readonly ColumnFacts[],
  undeduplicated: ReadonlySet<number>,
  blockBytes: number,
): number | undefined {
  if (index.method !== 'btree' || index.expressions !== null || index.rows === null) return undefined;
  // The reltuples of an index follow its table's, and a partial one has its own.
  const rows = index.predicate === null ? Math.max(index.rows, table.liveRows) : index.rows;
  const names = [...index.keys.map(({ column }) => column!), ...index.include];
  const known = names.map(name => columns.find(column => column.name === name));
  if (known.some(column => column === undefined || column.averageWidth === null)) return undefined;
  const of = known as ColumnFacts[];
  const keyBytes = align(dataBytes(of), 8);
  const hasNulls = of.some(({ nullRatio }) => (nullRatio ?? 0) > 0);
  const entryHeader = hasNulls ? 16 : 8;

  const isDeduplicated =
    index.include.length === 0 &&
    optionOf(index.options, 'deduplicate_items', 1) !== 0 &&
    !index.keys.some(({ opclass }) => undeduplicated.has(opclass));
  const entries = isDeduplicated ? groups(of, rows, index.isUnique) : rows;
  const rowsPerGroup = rows / Math.max(1, entries);
  const rowsPerPosting = Math.max(1, Math.floor((postingBytes - entryHeader - keyBytes) / rowPointerBytes));
  const leafBytes =
    rowsPerGroup <= 1
      ? rows * (entryHeader + keyBytes + itemBytes)
      : entries *
        (Math.ceil(rowsPerGroup / rowsPerPosting) * (entryHeader + keyBytes + itemBytes) +
          rowsPerGroup * rowPointerBytes);
  // 16 bytes at the end of each page name its neighbours.
  const room = (blockBytes - headerBytes - 16) * (optionOf(index.options, 'fillfactor', 90) / 100);
  const leaves = Math.ceil(leafBytes / room);
  const inner = Math.ceil((leaves * (8 + keyBytes + itemBytes)) / room);
  return (leaves + inner + 1) * blockBytes;
}

/** How many different keys: the product for several columns, which is never too few, so that bloat is never made up. */
function groups(columns: readonly ColumnFacts[], rows: number, isUnique: boolean): number {
  const nulls = Math.max(0, ...columns.map(({ nullRatio }) => nullRatio ?? 0));
  // A unique index may still hold any number of NULLs, which are equal for this.
  if (isUnique) return Math.max(1, rows * (1 - nulls));
  let product = 1;
  for (const { distinct } of columns) {
    const values = distinct === null || distinct === 0 ? rows : distinct < 0 ? -distinct * rows : distinct;
    product *= Math.max(1, values);
  }
  return Math.min(rows, product);
}

export interface Bloat {
  oid: number;
  /** What the statistics say could be given back. */
  wastedBytes: number;
  ratio: number;
}

export function tableBloat(facts: CollectedFacts): Bloat[] {
  const columns = Map.groupBy(facts.columns, ({ tableOid }) => tableOid);
  return facts.tables.flatMap(table => {
    if (table.kind === 'partitioned' || table.mainBytes === 0) return [];
    const expected = expectedTableBytes(table, columns.get(table.oid) ?? [], blockBytesOf(facts));
    return expected === undefined ? [] : [bloat(table.oid, table.mainBytes, expected)];
  });
}

export function indexBloat(facts: CollectedFacts): Bloat[] {
  const tables = new Map(facts.tables.map(table => [table.oid, table]));
  const columns = Map.groupBy(facts.columns, ({ tableOid }) => tableOid);
  return facts.indexes.flatMap(index => {
    const table = tables.get(index.tableOid);
    if (!table || index.bytes === 0 || !index.isValid) return [];
    const of = columns.get(index.tableOid) ?? [];
    const expected = expectedIndexBytes(index, table, of, facts.undeduplicated, blockBytesOf(facts));
    return expected === undefined ? [] : [bloat(index.oid, index.bytes, expected)];
  });
}

function bloat(oid: number, bytes: number, expected: number): Bloat {
  const wastedBytes = Math.max(0, bytes - expected);
  return { oid, wastedBytes, ratio: wastedBytes / bytes };
}

function blockBytesOf({ settings }: CollectedFacts): number {
  return Number(settings.get('block_size')?.value ?? 8192);
}

/** `fillfactor=70` of reloptions; words count as 1 and 0. */
function optionOf(options: readonly string[], name: string, byDefault: number): number {
  const text = options.find(option => option.startsWith(`${name}=`))?.slice(name.length + 1);
  if (text === undefined) return byDefault;
  return /^(off|false|no)$/i.test(text) ? 0 : /^(on|true|yes)$/i.test(text) ? 1 : Number(text);
}

function align(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to;
}
