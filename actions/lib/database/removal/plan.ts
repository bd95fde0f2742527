import type { CatalogIndex, CatalogTable } from '../catalog/index.ts';
import { definitionSql, type IndexDefinition, type IndexKey, indexName } from '../indexes/index.ts';
import type { ForeignKey } from './foreign-keys.ts';
import { type IndexUsage, usageKey } from './usage.ts';

/** An index that might go. Nothing is dropped for this alone: `prove` tries the workload without it. */
export interface RemovalCandidate {
  index: CatalogIndex;
  kind: 'duplicate' | 'prefix' | 'unused';
  /** The one that does all that this one does. */
  coveredBy: CatalogIndex | undefined;
  scans: number;
  why: string;
}

/** Two that might be one. */
export interface MergeCandidate {
  definition: IndexDefinition;
  name: string;
  replaces: readonly CatalogIndex[];
}

export interface RemovalOptions {
  /** Statistics younger than this say nothing about what is unused. */
  unusedWindowSeconds: number;
  /** Unused, but too small to be worth a word. */
  unusedIndexBytes: number;
  ignoreSchemas: readonly string[];
  /** What the configuration declares stays, whoever reads it: dropping it would be drift. */
  declared?: ReadonlySet<CatalogIndex>;
}

export interface RemovalPlan {
  removals: RemovalCandidate[];
  merges: MergeCandidate[];
}

/**
 * What of the indexes of today might go, from the catalog and from what the servers have counted. Never one that keeps
 * rows unique, belongs to a constraint, identifies rows for replication, is the last to serve a foreign key, is part of an
 * index on a partitioned table, or is declared.
 */
export function planRemovals(
  tables: readonly CatalogTable[],
  foreignKeys: readonly ForeignKey[],
  usage: IndexUsage,
  options: RemovalOptions,
): RemovalPlan {
  const plan: RemovalPlan = { removals: [], merges: [] };
  for (const table of tables) {
    if (options.ignoreSchemas.includes(table.schema)) continue;
    const keys = foreignKeys.filter(key => key.tableOid === table.oid);
    // What goes first must not be what another candidate is covered by.
    let left = table.indexes.filter(index => index.isValid);
    const isDeclared = (index: CatalogIndex) => options.declared?.has(index) ?? false;
    for (const index of [...left].sort(leastNeededFirst(usage)).filter(each => !isDeclared(each))) {
      const candidate = removalOf(index, left, keys, usage, options);
      if (!candidate) continue;
      plan.removals.push(candidate);
      left = left.filter(each => each !== index);
    }
    plan.merges.push(...mergesOf(left.filter(each => !isDeclared(each))));
  }
  plan.removals.sort((a, b) => b.index.bytes - a.index.bytes);
  plan.merges.sort((a, b) => bytesOf(b) - bytesOf(a));
  return plan;
}

function removalOf(
  index: CatalogIndex,
  left: readonly CatalogIndex[],
  keys: readonly ForeignKey[],
  usage: IndexUsage,
  options: RemovalOptions,
): RemovalCandidate | undefined {
  const scans = usage.scans.get(usageKey(index.schema, index.name)) ?? index.scans;
  const others = left.filter(each => each !== index);
  const twin = others.find(other => isTwin(index, other));
  if (twin && !isHeld(index)) {
    const why = `it is the same as ${twin.name}`;
    return { index, kind: 'duplicate', coveredBy: twin, scans, why };
  }
  if (isNeeded(index)) return undefined;
  const wider = others.find(other => isPrefix(index, other));
  if (wider) {
    const why = `${wider.name} begins with its columns and serves whatever it serves`;
    return { index, kind: 'prefix', coveredBy: wider, scans, why };
  }
  const isOldEnough = usage.windowSeconds >= options.unusedWindowSeconds && usage.replicas !== 'not all asked';
  if (scans > 0 || !isOldEnough || index.bytes < options.unusedIndexBytes) return undefined;
  if (keys.some(key => servesKey(index, key) && !others.some(other => servesKey(other, key)))) return undefined;
  const days = Math.floor(usage.windowSeconds / 86_400);
  const where = usage.replicas === 'all asked' ? 'on no server' : 'on the primary; replicas were not looked at';
  return { index, kind: 'unused', coveredBy: undefined, scans, why: `not read once in ${days} days ${where}` };
}

/** A constraint, a replica identity or an index of the partitioned parent holds it. */
function isHeld(index: CatalogIndex): boolean {
  return index.isPrimary || index.isConstraint || index.isReplicaIdentity || index.isPartition;
}

function isNeeded(index: CatalogIndex): boolean {
  return isHeld(index) || index.isUnique;
}

/** Of two that are the same, the one that is held stays, then the one that is read. */
function leastNeededFirst(usage: IndexUsage): (a: CatalogIndex, b: CatalogIndex) => number {
  const scans = (index: CatalogIndex) => usage.scans.get(usageKey(index.schema, index.name)) ?? index.scans;
  return (a, b) =>
    Number(isHeld(a)) - Number(isHeld(b)) ||
    Number(a.isUnique) - Number(b.isUnique) ||
    scans(a) - scans(b) ||
    // The same each time.
    (a.name < b.name ? 1 : -1);
}

/** The same rows in the same order. One that is not unique adds nothing to one that is. */
function isTwin(index: CatalogIndex, other: CatalogIndex): boolean {
  if (!index.definition || !other.definition) return false;
  if (index.isUnique && !other.isUnique) return false;
  const plain = (definition: IndexDefinition) => definitionSql({ ...definition, include: [] });
  return plain(index.definition) === plain(other.definition) && isIncluded(index.definition, other.definition);
}

/** Whether `other` is a B-tree that begins with the very keys of `index`, over the same rows. */
function isPrefix({ definition }: CatalogIndex, { definition: other }: CatalogIndex): boolean {
  if (!definition || !other || definition.method !== 'btree' || other.method !== 'btree') return false;
  if (definition.where !== other.where || definition.keys.length >= other.keys.length) return false;
  return definition.keys.every((key, n) => isSameKey(key, other.keys[n]!)) && isIncluded(definition, other);
}

function isIncluded(definition: IndexDefinition, other: IndexDefinition): boolean {
  const columns = new Set([...other.include, ...other.keys.flatMap(key => (key.kind === 'column' ? key.column : []))]);
  return definition.include.every(column => columns.has(column));
}

function isSameKey(a: IndexKey, b: IndexKey): boolean {
  const what = (key: IndexKey) => (key.kind === 'column' ? ['column', key.column] : ['expression', key.expression]);
  const of = (key: IndexKey) => {
    const isDescending = key.isDescending ?? false;
    return JSON.stringify([...what(key), key.opclass ?? null, isDescending, key.isNullsFirst ?? isDescending]);
  };
  return of(a) === of(b);
}

/** Whether the index finds the rows that point at one row: its first columns are those of the key, in any order. */
function servesKey({ definition }: CatalogIndex, { columns }: ForeignKey): boolean {
  if (definition?.method !== 'btree' || definition.where !== undefined) return false;
  const first = definition.keys.slice(0, columns.length).flatMap(key => (key.kind === 'column' ? key.column : []));
  return columns.every(column => first.includes(column));
}

const mostKeys = 4;
const mostMerges = 5;

/** Pairs that begin with the same key: the keys of the first, then what the second has besides. */
function mergesOf(indexes: readonly CatalogIndex[]): MergeCandidate[] {
  const free = indexes.filter(({ definition, ...index }) => {
    return definition?.method === 'btree' && !isNeeded({ definition, ...index }) && definition.keys.length > 0;
  });
  const merges: MergeCandidate[] = [];
  for (const [n, first] of free.entries()) {
    for (const second of free.slice(n + 1)) {
      const definition = merged(first.definition!, second.definition!);
      if (definition) merges.push({ definition, name: indexName(definition), replaces: [first, second] });
    }
  }
  return merges.slice(0, mostMerges);
}

function merged(a: IndexDefinition, b: IndexDefinition): IndexDefinition | undefined {
  if (a.where !== b.where || !isSameKey(a.keys[0]!, b.keys[0]!)) return undefined;
  const keys = [...a.keys, ...b.keys.filter(key => !a.keys.some(own => isSameKey(own, key)))];
  const columnOf = (key: IndexKey) => (key.kind === 'column' ? key.column : key.expression);
  // The same column in two directions is no key of one index.
  if (keys.length > mostKeys || new Set(keys.map(columnOf)).size < keys.length) return undefined;
  const include = [...new Set([...a.include, ...b.include])].filter(
    column => !keys.some(key => key.kind === 'column' && key.column === column),
  );
  return { ...a, keys, include };
}

function bytesOf({ replaces }: MergeCandidate): number {
  return replaces.reduce((sum, index) => sum + index.bytes, 0);
}
