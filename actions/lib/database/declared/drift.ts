import { quoteQualified } from '../../postgres/index.ts';
import type { Check } from '../../reports/index.ts';
import type { Catalog, CatalogIndex } from '../catalog/index.ts';
import { createIndexSql, type IndexDefinition } from '../indexes/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import { Canonical } from './canonical.ts';
import type { DeclaredIndex } from './definition.ts';

/** One difference between `database.indexes` and the database, and the statements that mend it. */
export interface Drift {
  kind: 'missing' | 'different' | 'invalid' | 'undeclared' | 'no table';
  schema: string;
  table: string;
  name: string;
  /** One sentence for a person. */
  why: string;
  /** In order; empty where a person has to decide. */
  sql: string[];
}

/**
 * Compares what is declared with what is there. An index that is the same under another name is there: what it is called
 * is nobody's loss. Those of constraints are never called undeclared. Throws the codes of `pgError`.
 */
export async function findDrift(
  session: DatabaseSession,
  catalog: Catalog,
  declared: readonly DeclaredIndex[],
  options: { isStrict: boolean; ignoreSchemas: readonly string[] },
): Promise<Drift[]> {
  const canonical = new Canonical(session);
  const found: Drift[] = [];
  const matched = new Set<CatalogIndex>();
  for (const each of declared) {
    const { definition, name } = each;
    const at = { schema: definition.schema, table: definition.table, name };
    const table = catalog.find(definition.schema, definition.table);
    if (!table) {
      found.push({
        ...at,
        kind: 'no table',
        why: `there is no table ${definition.schema}.${definition.table}`,
        sql: [],
      });
      continue;
    }
    const wanted = await canonical.identity(definition);
    const same = await sameAs(canonical, table.indexes, wanted, name);
    const namesake = table.indexes.find(index => index.name === name);
    for (const index of [same, namesake]) if (index) matched.add(index);
    const create = createIndexSql(definition, name, { concurrently: true });
    if (same && !same.isValid) {
      const why = `${same.name} is invalid: a build was cut off, and nothing reads it`;
      found.push({ ...at, name: same.name, kind: 'invalid', why, sql: [`REINDEX INDEX CONCURRENTLY ${quoted(same)}`] });
    } else if (!same && namesake) {
      const why = `${name} is there and is another index: ${namesake.sql}`;
      found.push({ ...at, kind: 'different', why, sql: [`DROP INDEX CONCURRENTLY ${quoted(namesake)}`, create] });
    } else if (!same) {
      found.push({ ...at, kind: 'missing', why: `${name} is declared and not there`, sql: [create] });
    }
  }
  if (options.isStrict) found.push(...undeclared(catalog, matched, options.ignoreSchemas));
  return found;
}

/** A valid one before an invalid one, the namesake before another. */
async function sameAs(
  canonical: Canonical,
  indexes: readonly CatalogIndex[],
  wanted: string,
  name: string,
): Promise<CatalogIndex | undefined> {
  const same: CatalogIndex[] = [];
  for (const index of indexes) {
    if (index.definition && (await canonical.identity(own(index, index.definition))) === wanted) same.push(index);
  }
  const rank = (index: CatalogIndex) => Number(index.isValid) * 2 + Number(index.name === name);
  return same.sort((a, b) => rank(b) - rank(a))[0];
}

function own(index: CatalogIndex, definition: IndexDefinition): IndexDefinition {
  return { ...definition, isUnique: index.isUnique };
}

function undeclared(catalog: Catalog, matched: ReadonlySet<CatalogIndex>, ignoreSchemas: readonly string[]): Drift[] {
  return catalog.tables
    .filter(table => !ignoreSchemas.includes(table.schema))
    .flatMap(table => table.indexes)
    .filter(index => !matched.has(index) && !index.isPrimary && !index.isConstraint && !index.isPartition)
    .map(index => ({
      kind: 'undeclared' as const,
      schema: index.schema,
      table: index.table,
      name: index.name,
      why: `${index.name} is there and not declared`,
      sql: [],
    }));
}

function quoted({ schema, name }: CatalogIndex): string {
  return quoteQualified(schema, name);
}

/** `database.indexes.drift`; none is declared: there is nothing to drift from. */
export function driftCheck(drift: readonly Drift[], declared: number, target: string): Check[] {
  if (declared === 0 && drift.length === 0) return [];
  const counts = Map.groupBy(drift, each => each.kind);
  const text = [...counts].map(([kind, list]) => `${list.length} ${kind}`).join(', ');
  return [
    {
      id: 'database.indexes.drift',
      target,
      status: drift.length === 0 ? 'ok' : 'warning',
      value: drift.length,
      threshold: 0,
      unit: 'indexes',
      message:
        drift.length === 0
          ? `All ${declared} declared indexes are there`
          : `${drift.length} indexes differ from database.indexes (${text}): ${drift[0]!.why}`,
    },
  ];
}
