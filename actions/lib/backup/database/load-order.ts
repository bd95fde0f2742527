import type { Part } from '../sets/manifest.ts';

/** What one connection loads in one transaction. */
export interface Load {
  tables: ReadonlySet<number>;
  /** All rows of its tables are in it: no other connection touches them, and nobody has seen them without. */
  isWhole: boolean;
  /** The next part to load; undefined: that was all. */
  take(): Part | undefined;
}

/** Parts of the same tables. */
interface Group {
  tables: ReadonlySet<number>;
  isWhole: boolean;
  waiting: Part[];
  bytesLeft: number;
  /** Connections that load it now. */
  loaders: number;
}

/**
 * More than this times an equal share of all bytes, and a table is loaded by several connections. Below, the others find
 * enough to do meanwhile: other tables, and then indexes.
 */
const mostShares = 1.5;

/**
 * Which rows a connection loads next. A table is loaded by one of them, as long as that does not leave the others without
 * work: two that load one table spend a good part of their time on the lock under which PostgreSQL makes it longer, and
 * the rows cannot be frozen. The table with the most bytes comes first, so that none is left alone with it in the end.
 */
export class LoadOrder {
  readonly #groups: readonly Group[];
  #running = 0;

  constructor(parts: readonly Part[], connections: number) {
    const most = (mostShares * bytesOf(parts)) / connections;
    this.#groups = groups(parts).map(({ tables, parts }) => {
      const bytesLeft = bytesOf(parts);
      return { tables, isWhole: bytesLeft <= most, waiting: parts, bytesLeft, loaders: 0 };
    });
  }

  /** Some rows are not in yet. */
  get isLoading(): boolean {
    return this.#running > 0;
  }

  /**
   * What to load now, and what to call when it is committed, which gives the tables that have all their rows now.
   * Undefined: nothing is left to begin.
   */
  next(): { load: Load; done: () => readonly number[] } | undefined {
    let best: Group | undefined;
    for (const group of this.#groups) {
      const canBegin = group.waiting.length > 0 && !(group.isWhole && group.loaders > 0);
      if (canBegin && (!best || isBetter(group, best))) best = group;
    }
    if (!best) return undefined;
    const group = best;
    group.loaders++;
    this.#running++;
    return {
      load: { tables: group.tables, isWhole: group.isWhole, take: () => take(group) },
      done: () => {
        group.loaders--;
        this.#running--;
        return group.loaders === 0 && group.waiting.length === 0 ? [...group.tables] : [];
      },
    };
  }
}

function take(group: Group): Part | undefined {
  const part = group.waiting.shift();
  group.bytesLeft -= part?.plainBytes ?? 0;
  return part;
}

function isBetter(group: Group, than: Group): boolean {
  return group.loaders === than.loaders ? group.bytesLeft > than.bytesLeft : group.loaders < than.loaders;
}

/** Large tables have parts of their own, small ones share a part: no table is in two groups. */
function groups(parts: readonly Part[]): { tables: Set<number>; parts: Part[] }[] {
  const byTable = new Map<number, { tables: Set<number>; parts: Part[] }>();
  for (const part of parts) {
    const tables = (part.slices ?? []).map(slice => slice.table);
    const group = tables.map(table => byTable.get(table)).find(known => known !== undefined) ?? {
      tables: new Set(),
      parts: [],
    };
    group.parts.push(part);
    for (const table of tables) byTable.set(table, group);
    for (const table of tables) group.tables.add(table);
  }
  const all = [...new Set(byTable.values())];
  // As the rows lay in the source: what was stored in order of time comes back in it.
  for (const group of all) group.parts.sort((a, b) => firstBlock(a) - firstBlock(b));
  return all;
}

function bytesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.plainBytes, 0);
}

function firstBlock(part: Part): number {
  return part.slices?.[0]?.firstBlock ?? 0;
}
