import { formatBytes } from '../../../log/index.ts';
import type { IndexFacts, IndexKeyFacts } from '../facts/indexes.ts';
import { counted, type Finding, type HealthCheck, relationName } from './check.ts';
import { isNeeded } from './unused-indexes.ts';

const meaning = 'Whatever query can use the one can use the other, so it is written and vacuumed for nothing.';

/** The same columns in the same order with the same operator classes, collations, directions, predicate and expressions. */
export const duplicateIndexes: HealthCheck = {
  id: 'database.indexes.duplicate',
  unit: 'indexes',
  title: 'duplicate indexes',
  meaning,
  needs: ['indexes'],
  judge: ({ indexes }) =>
    counted(
      redundant(indexes)
        .filter(({ isDuplicate }) => isDuplicate)
        .map(findingOf),
    ),
};

/** The columns of another one begin with those of this, or it is the same read from the other end. */
export const overlappingIndexes: HealthCheck = {
  id: 'database.indexes.overlapping',
  unit: 'indexes',
  title: 'indexes that another one covers',
  meaning: `${meaning} The wider one is a little slower to read; where that matters, keep both.`,
  needs: ['indexes'],
  judge: ({ indexes }) =>
    counted(
      redundant(indexes)
        .filter(({ isDuplicate }) => !isDuplicate)
        .map(findingOf),
    ),
};

export interface Redundant {
  index: IndexFacts;
  /** The one that does its work as well. */
  by: IndexFacts;
  isDuplicate: boolean;
}

/** Every index that could go because another one stays; of two that are the same, one is kept. */
export function redundant(indexes: readonly IndexFacts[]): Redundant[] {
  const found: Redundant[] = [];
  const gone = new Set<number>();
  for (const [, ofTable] of Map.groupBy(indexes.filter(isComparable), ({ tableOid }) => tableOid)) {
    // What is easiest to give up comes first: the one that nothing needs, that is used least, and that is youngest.
    const order = [...ofTable].sort(
      (a, b) =>
        Number(isNeeded(a)) - Number(isNeeded(b)) ||
        a.keys.length - b.keys.length ||
        a.scans - b.scans ||
        b.oid - a.oid,
    );
    for (const index of order) {
      if (isNeeded(index)) continue;
      const others = ofTable.filter(other => other.oid !== index.oid && !gone.has(other.oid));
      const same = others.find(other => isSame(index, other));
      const by = same ?? others.find(other => covers(other, index));
      if (!by) continue;
      gone.add(index.oid);
      found.push({ index, by, isDuplicate: same !== undefined });
    }
  }
  return found;
}

/** An index of a partition goes with that of the partitioned table; one that is not valid covers nothing. */
function isComparable(index: IndexFacts): boolean {
  return index.isValid && index.isReady && !index.isAttached && !index.isBeingBuilt && !index.isClustered;
}

/** A unique one does what the same one without uniqueness does; the other way round it does not. */
function isSame(index: IndexFacts, other: IndexFacts): boolean {
  return (
    isAlike(index, other) &&
    index.keys.length === other.keys.length &&
    index.keys.every((key, place) => isSameKey(key, other.keys[place]!)) &&
    index.expressions === other.expressions &&
    index.include.every(column => other.include.includes(column)) &&
    other.include.every(column => index.include.includes(column))
  );
}

function covers(wider: IndexFacts, index: IndexFacts): boolean {
  if (index.method !== 'btree' || !isAlike(index, wider) || wider.keys.length < index.keys.length) return false;
  // Expressions are printed as one text for the whole index: they are compared where they are all the same.
  if (index.expressions !== null && index.expressions !== wider.expressions) return false;
  if (index.expressions === null && wider.keys.slice(0, index.keys.length).some(({ column }) => column === null))
    return false;
  const isPrefix = index.keys.every((key, place) => isSameKey(key, wider.keys[place]!));
  // A B-tree is read from either end: (a DESC, b DESC NULLS LAST) backwards is (a, b NULLS FIRST).
  const isMirrored = index.keys.every((key, place) =>
    isSameKey({ ...key, option: key.option ^ 3 }, wider.keys[place]!),
  );
  if (!isPrefix && !isMirrored) return false;
  const carried = [...wider.keys.flatMap(({ column }) => column ?? []), ...wider.include];
  return index.include.every(column => carried.includes(column));
}

function isAlike(a: IndexFacts, b: IndexFacts): boolean {
  return a.method === b.method && a.predicate === b.predicate && a.isPartitioned === b.isPartitioned;
}

function isSameKey(a: IndexKeyFacts, b: IndexKeyFacts): boolean {
  return a.attnum === b.attnum && a.opclass === b.opclass && a.collation === b.collation && a.option === b.option;
}

function findingOf({ index, by, isDuplicate }: Redundant): Finding {
  const [name, other] = [relationName(index), relationName(by)];
  return {
    subject: name,
    severity: 'warning',
    value: index.bytes,
    message: `${name} (${formatBytes(index.bytes)}) ${isDuplicate ? `is the same as ${other}` : `is covered by ${other}`}`,
    // The index of a partitioned table cannot be dropped concurrently, and takes those of the partitions with it.
    mend: [`DROP INDEX ${index.isPartitioned ? '' : 'CONCURRENTLY '}${name};`],
  };
}
