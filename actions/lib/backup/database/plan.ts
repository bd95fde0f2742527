import type { Slice, TableRecord } from '../sets/manifest.ts';
import type { TableFacts } from './catalog.ts';

/** What is copied into one part: one block range of one table, or several small tables whole. */
export interface PartPlan {
  slices: SlicePlan[];
  /** Heap and TOAST bytes: for the order of work and the size of uploads. */
  estimatedBytes: number;
}

export interface SlicePlan {
  /** Index into the tables of the plan. */
  table: number;
  firstBlock: number | null;
  endBlock: number | null;
}

export interface PlanOptions {
  /** TID range scans came with PostgreSQL 14; before, a table is one segment. */
  canCutByBlocks: boolean;
  /** Bytes a segment should have; a power of two. Default: a sixteenth of the table, from 1 to 8 MiB. */
  segmentBytes?: number;
}

const defaultSegmentBytes = 8 * 1024 * 1024;
const largestSegmentBytes = 1024 * 1024 * 1024;
/** A table is cut into about this many segments at most, so that a terabyte is not a million objects. */
const segmentsPerTable = 128;
/** Tables below this share a part with others. */
const smallTableBytes = 1024 * 1024;
const blockBytes = 8192;

/**
 * The parts of a dump, largest first, so that the last worker to finish is not left alone with a big one.
 *
 * Boundaries are the same from one backup to the next while tables grow: segments are powers of two of heap blocks from
 * block 0, the last one has no end, and small tables go to buckets by name. That is what lets an unchanged segment be
 * recognised and not sent again.
 */
export function planParts(tables: readonly TableFacts[], options: PlanOptions): PartPlan[] {
  const parts: PartPlan[] = [];
  const small: number[] = [];
  tables.forEach((table, index) => {
    if (table.tableBytes < smallTableBytes) small.push(index);
    else parts.push(...cut(table, index, options));
  });
  parts.push(...bucket(tables, small));
  return parts.sort((a, b) => b.estimatedBytes - a.estimatedBytes);
}

function cut(table: TableFacts, index: number, options: PlanOptions): PartPlan[] {
  const whole = [{ slices: [{ table: index, firstBlock: null, endBlock: null }], estimatedBytes: table.tableBytes }];
  if (!options.canCutByBlocks || !table.isHeap || table.heapBlocks === 0) return whole;
  const wanted =
    options.segmentBytes ?? Math.min(defaultSegmentBytes, Math.max(smallTableBytes, powerOfTwo(table.tableBytes / 16)));
  const segmentBytes = Math.min(largestSegmentBytes, Math.max(wanted, powerOfTwo(table.tableBytes / segmentsPerTable)));
  // TOAST counts: a heap block that points to much TOAST is worth more than 8 KiB.
  const bytesPerBlock = Math.max(blockBytes, nearestPowerOfTwo(table.tableBytes / table.heapBlocks));
  const blocks = Math.max(1, segmentBytes / bytesPerBlock);
  const segments: PartPlan[] = [];
  for (let first = 0; first < table.heapBlocks; first += blocks) {
    const isLast = first + blocks >= table.heapBlocks;
    const share = Math.min(blocks, table.heapBlocks - first) / table.heapBlocks;
    segments.push({
      slices: [{ table: index, firstBlock: first, endBlock: isLast ? null : first + blocks }],
      estimatedBytes: Math.round(table.tableBytes * share),
    });
  }
  return segments;
}

/** Small tables by a hash of their name into a power-of-two number of parts: a new table moves no other. */
function bucket(tables: readonly TableFacts[], small: readonly number[]): PartPlan[] {
  const total = small.reduce((sum, index) => sum + tables[index]!.tableBytes, 0);
  const count = powerOfTwo(Math.max(1, total / defaultSegmentBytes));
  const buckets = new Map<number, PartPlan>();
  for (const index of small) {
    const table = tables[index]!;
    const slot = hash(`${table.schema}.${table.name}`) % count;
    const part = buckets.get(slot) ?? { slices: [], estimatedBytes: 0 };
    part.slices.push({ table: index, firstBlock: null, endBlock: null });
    part.estimatedBytes += table.tableBytes;
    buckets.set(slot, part);
  }
  return [...buckets.values()];
}

/**
 * The same ranges in a former set: its part can stand for the planned one when every table's signature is the same and
 * nothing in the ranges has changed. A range that was the open end then and has an end now is another range.
 */
export function matchingSlices(
  planned: readonly SlicePlan[],
  tables: readonly TableFacts[],
  former: readonly Slice[],
  formerTables: readonly TableRecord[],
): boolean {
  if (planned.length !== former.length) return false;
  return planned.every((slice, i) => {
    const then = former[i]!;
    const table = tables[slice.table]!;
    const record = formerTables[then.table];
    return (
      record !== undefined &&
      record.schema === table.schema &&
      record.name === table.name &&
      record.signature === table.signature &&
      !table.isVolatileText &&
      then.firstBlock === slice.firstBlock &&
      then.endBlock === slice.endBlock
    );
  });
}

/** Smallest power of two that is at least `value`, and at least 1. */
function powerOfTwo(value: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(value)));
}

/** Nearest: a free space map of one block must not halve the segments. */
function nearestPowerOfTwo(value: number): number {
  return 2 ** Math.round(Math.log2(value));
}

/** FNV-1a, 32 bit: stable across runs and versions. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return h;
}
