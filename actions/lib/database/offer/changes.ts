import { quoteQualified } from '../../postgres/index.ts';
import { changeId, type OfferedChange } from '../apply/index.ts';
import { type Catalog, type CatalogIndex, createStatements } from '../catalog/index.ts';
import { type IndexProof, type IndexRef, refKey, refOf } from '../prove/index.ts';
import type { RemovalCandidate } from '../removal/index.ts';

/**
 * A proved index as a change. Values are not in it: those that were sampled are rows of production, and a report may be
 * read by more people than the database.
 * @param existing finds an index of today
 */
export function buildChange(
  proof: IndexProof,
  textOf: ReadonlyMap<string, string>,
  existing: (ref: IndexRef) => CatalogIndex | undefined,
  catalog: Catalog,
): OfferedChange {
  const { index, build, users } = proof;
  const { definition, name, prerequisites } = index;
  const isPartitioned = catalog.find(definition.schema, definition.table)?.kind === 'partitioned';
  const drop = isPartitioned ? dropSql(refOf(index)).replace('CONCURRENTLY ', '') : dropSql(refOf(index));
  const common = {
    definition,
    sizeBytes: build?.bytes ?? null,
    buildSeconds: build?.seconds ?? null,
    expectedUsers: users.flatMap(fingerprint => {
      const text = textOf.get(fingerprint);
      return text === undefined ? [] : [{ fingerprint, text }];
    }),
  };
  const create = [...prerequisites, ...createStatements(definition, name, catalog)];
  const replaces = index.replaces.flatMap(ref => existing(ref) ?? []);
  if (replaces.length === 0) {
    const id = changeId({ kind: 'create', definition });
    return { kind: 'create', id, sql: create, rollback: [drop], ...common };
  }
  return {
    kind: 'merge',
    id: changeId({ kind: 'merge', definition, replaces }),
    sql: [...create, ...replaces.map(dropSql)],
    rollback: [...replaces.map(each => concurrently(each.sql)), drop],
    replaces: replaces.map(each => ({ ...existingOf(each), scans: null, coveredBy: null })),
    ...common,
  };
}

export function dropChange({ index, scans, coveredBy, kind }: RemovalCandidate): OfferedChange {
  const existing = {
    ...existingOf(index),
    // One that another covers may go although it was read.
    scans: kind === 'unused' ? scans : null,
    coveredBy: coveredBy ? { schema: coveredBy.schema, name: coveredBy.name } : null,
  };
  return {
    kind: 'drop',
    id: changeId({ kind: 'drop', index: existing }),
    sql: [dropSql(index)],
    rollback: [concurrently(index.sql)],
    index: existing,
  };
}

function existingOf({ schema, name, table, sql }: CatalogIndex) {
  return { schema, name, table, definition: sql };
}

function dropSql({ schema, name }: IndexRef): string {
  return `DROP INDEX CONCURRENTLY ${quoteQualified(schema, name)}`;
}

/** As `pg_get_indexdef` prints it. */
function concurrently(sql: string): string {
  return sql.replace(/^CREATE (UNIQUE )?INDEX /, (_, unique = '') => `CREATE ${unique}INDEX CONCURRENTLY `);
}

export function indexFinder(indexes: readonly CatalogIndex[]): (ref: IndexRef) => CatalogIndex | undefined {
  const byRef = new Map(indexes.map(index => [refKey(index), index]));
  return ref => byRef.get(refKey(ref));
}
