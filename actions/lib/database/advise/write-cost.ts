import type { CatalogTable } from '../catalog/index.ts';
import type { IndexDefinition } from '../indexes/index.ts';
import type { PlannedStatement } from './planned-statement.ts';

/** Rows that the workload writes into a table, in the window that its times are of. */
export interface TableWrites {
  inserted: number;
  /** Updates by the columns they set; `hotShare` is how many of them leave every index alone today. */
  updates: readonly { columns: ReadonlySet<string>; rows: number }[];
  hotShare: number;
}

/**
 * Milliseconds to keep one more entry, warm and without contention: estimates that only rank candidates; the proof measures what
 * writes really cost. A GIN entry is many keys, gathered in its pending list; BRIN touches its range only when that grows.
 */
const entryMs = { btree: 0.006, gin: 0.045, gist: 0.03, brin: 0.0005 };

/** Rows written to each table, from the statements of the workload; from the server's counters where it has no such statements. */
export function writesByTable(statements: readonly PlannedStatement[]): Map<number, TableWrites> {
  const found = new Map<
    number,
    { inserted: number; updates: { columns: ReadonlySet<string>; rows: number }[]; table: CatalogTable }
  >();
  for (const { usage, workload } of statements) {
    for (const { table, operation, columns } of usage.written) {
      const entry = found.get(table.oid) ?? { inserted: 0, updates: [], table };
      const rows = Math.max(workload.rows, operation === 'insert' ? workload.calls : 0);
      if (operation === 'insert') entry.inserted += rows;
      if (operation === 'update') entry.updates.push({ columns, rows });
      found.set(table.oid, entry);
    }
  }
  return new Map(
    [...found].map(([oid, { inserted, updates, table }]) => [oid, { inserted, updates, hotShare: hotShareOf(table) }]),
  );
}

function hotShareOf(table: CatalogTable): number {
  const { updated, hotUpdated } = table.counters;
  // Without any history: half of the updates find room on their page.
  return updated > 0 ? hotUpdated / updated : 0.5;
}

/** Milliseconds of the window that keeping this index up to date costs. */
export function writeMs(
  definition: IndexDefinition,
  table: CatalogTable,
  writes: TableWrites | undefined,
  share = 1,
): number {
  if (!writes) return 0;
  const perEntry = entryMs[definition.method];
  const columns = indexedColumns(definition, table);
  let milliseconds = writes.inserted * perEntry;
  for (const update of writes.updates) {
    const changes = [...update.columns].some(column => columns.has(column));
    // An update that was HOT so far then writes an entry into every index of the table, and not only into this one. BRIN
    // alone does not stand in its way (16 and later; before, it did).
    const lostHot = changes && definition.method !== 'brin' ? writes.hotShare * (1 + table.indexes.length) : 0;
    const entries = (changes ? 1 : 1 - writes.hotShare) + lostHot;
    milliseconds += update.rows * perEntry * entries;
  }
  return milliseconds * share;
}

/** Columns whose change makes a new entry; for an expression all that it names. */
function indexedColumns(definition: IndexDefinition, table: CatalogTable): Set<string> {
  const texts = [
    ...definition.keys.flatMap(key => (key.kind === 'expression' ? [key.expression] : [])),
    ...(definition.where === undefined ? [] : [definition.where]),
  ];
  const inText = table.columns.filter(column => texts.some(text => mentions(text, column.name)));
  return new Set([
    ...definition.keys.flatMap(key => (key.kind === 'column' ? [key.column] : [])),
    ...definition.include,
    ...inText.map(column => column.name),
  ]);
}

function mentions(text: string, column: string): boolean {
  return new RegExp(`(^|[^\\w"])"?${column.replace(/[^\w]/g, '\\$&')}"?($|[^\\w"])`).test(text);
}
