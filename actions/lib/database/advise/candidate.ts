import type { CatalogTable } from '../catalog/index.ts';
import { definitionSql, type IndexDefinition, type IndexKey } from '../indexes/index.ts';
import type { Subject } from '../statements/index.ts';

/** An index that could be made. */
export interface Candidate {
  /** `definitionSql`: two candidates with the same one are the same index. */
  id: string;
  definition: IndexDefinition;
  /** The table as it is named: the parent where it is partitioned. */
  table: CatalogTable;
  /** What it answers, for a person: `equality on user_id, then order by placed_at`. */
  purpose: string;
  prerequisites: readonly string[];
}

/** A candidate whose size is known, as far as it can be without building it. */
export interface SizedCandidate extends Candidate {
  bytes: number;
  /** Entries in it: fewer than the table has rows for a partial one. */
  rows: number;
}

export function candidateOf(
  table: CatalogTable,
  definition: Omit<IndexDefinition, 'schema' | 'table'>,
  purpose: string,
  prerequisites: readonly string[] = [],
): Candidate {
  const whole = { ...definition, schema: table.schema, table: table.name };
  return { id: definitionSql(whole), definition: whole, table, purpose, prerequisites };
}

export function keyOf(
  subject: Subject,
  order: { isDescending?: boolean; isNullsFirst?: boolean; opclass?: string } = {},
): IndexKey {
  const { isDescending = false, isNullsFirst = isDescending, opclass } = order;
  return {
    ...(subject.kind === 'column'
      ? { kind: 'column', column: subject.column }
      : { kind: 'expression', expression: subject.sql }),
    ...(opclass === undefined ? {} : { opclass }),
    ...(isDescending ? { isDescending } : {}),
    ...(isNullsFirst === isDescending ? {} : { isNullsFirst }),
  };
}

/** What a key is searched by, whatever its direction. */
export function keyName(key: IndexKey): string {
  return key.kind === 'column' ? key.column : `(${key.expression})`;
}

/**
 * Whether an index on `wide` answers all that one on `narrow` does: the same method and condition, the keys of `narrow`
 * come first in `wide`, in the same or in the whole opposite direction, and what it carries is in `wide` too.
 */
export function serves(wide: IndexDefinition, narrow: IndexDefinition): boolean {
  if (wide.schema !== narrow.schema || wide.table !== narrow.table || wide.method !== narrow.method) return false;
  if (wide.where !== undefined && normalised(wide.where) !== normalised(narrow.where ?? '')) return false;
  if (wide.keys.length < narrow.keys.length) return false;
  if (wide.method !== 'btree') {
    return wide.keys.length === narrow.keys.length && narrow.keys.every((key, n) => isSameKey(wide.keys[n]!, key));
  }
  const leading = wide.keys.slice(0, narrow.keys.length);
  const isForward = leading.every(
    (key, n) => isSameKey(key, narrow.keys[n]!) && isSameOrder(key, narrow.keys[n]!, false),
  );
  const isBackward = leading.every(
    (key, n) => isSameKey(key, narrow.keys[n]!) && isSameOrder(key, narrow.keys[n]!, true),
  );
  if (!isForward && !isBackward) return false;
  const held = new Set([...wide.keys.flatMap(key => (key.kind === 'column' ? [key.column] : [])), ...wide.include]);
  return narrow.include.every(column => held.has(column));
}

/**
 * Whether `narrow` has no place beside `wide`: it serves the same rows in the same way, and once both were built, it would be
 * found to be redundant. Not one with a condition beside one without: it is smaller, and holds what is asked for only.
 */
export function isRedundantBeside(narrow: IndexDefinition, wide: IndexDefinition): boolean {
  const hasSameCondition = normalised(narrow.where ?? '') === normalised(wide.where ?? '');
  return narrow !== wide && hasSameCondition && serves(wide, narrow);
}

function isSameKey(a: IndexKey, b: IndexKey): boolean {
  return normalised(keyName(a)) === normalised(keyName(b)) && unqualified(a.opclass) === unqualified(b.opclass);
}

function isSameOrder(a: IndexKey, b: IndexKey, isTurned: boolean): boolean {
  const isDown = (key: IndexKey) => key.isDescending ?? false;
  const areNullsFirst = (key: IndexKey) => key.isNullsFirst ?? isDown(key);
  return isDown(a) === (isDown(b) !== isTurned) && areNullsFirst(a) === (areNullsFirst(b) !== isTurned);
}

/** The server writes `(payload ->> 'k'::text)` for `payload ->> 'k'`, and `lower((note)::text)` for `lower(note)`. */
export function normalised(sql: string): string {
  return sql
    .replace(/::(text|character varying|bpchar|"char"|[a-z_]+)(\[\])?/g, '')
    .replace(/[\s()"]/g, '')
    .toLowerCase();
}

function unqualified(opclass: string | undefined): string | undefined {
  return opclass?.replace(/^.*\./, '').replaceAll('"', '');
}
