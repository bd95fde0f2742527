import { quoteQualified } from '../../postgres/index.ts';
import { type Catalog, type CatalogIndex, type CatalogTable, createStatements } from '../catalog/index.ts';
import type { IndexDefinition } from '../indexes/index.ts';
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
  /** What is declared; null for what is not. */
  declared: DeclaredIndex | null;
}

export interface Comparison {
  drift: Drift[];
  /** Indexes of today that are declared. */
  found: ReadonlySet<CatalogIndex>;
}

/**
 * Compares what is declared with what is there. An index that is the same under another name is there: what it is called
 * is nobody's loss. Those of constraints are never called undeclared. Throws the codes of `pgError`.
 */
export async function compareDeclared(
  session: DatabaseSession,
  catalog: Catalog,
  declared: readonly DeclaredIndex[],
  options: { isStrict: boolean; ignoreSchemas: readonly string[] },
): Promise<Comparison> {
  const canonical = new Canonical(session);
  const drift: Drift[] = [];
  const found = new Set<CatalogIndex>();
  for (const each of declared) {
    const { definition, name } = each;
    const table = catalog.find(definition.schema, definition.table);
    const wanted = table && (await canonical.identity(definition));
    const same = wanted && (await sameAs(canonical, table.indexes, wanted, name));
    const namesake = table?.indexes.find(index => index.name === name);
    for (const index of [same, namesake]) if (index) found.add(index);
    const differs = differenceOf(each, table, same || undefined, namesake, catalog);
    if (differs) drift.push({ schema: definition.schema, table: definition.table, name, declared: each, ...differs });
  }
  if (options.isStrict) drift.push(...undeclared(catalog, found, options.ignoreSchemas));
  return { drift, found };
}

type Difference = Pick<Drift, 'kind' | 'why' | 'sql'> & Partial<Pick<Drift, 'name'>>;

function differenceOf(
  { definition, name, prerequisites }: DeclaredIndex,
  table: CatalogTable | undefined,
  same: CatalogIndex | undefined,
  namesake: CatalogIndex | undefined,
  catalog: Catalog,
): Difference | undefined {
  if (!table) return { kind: 'no table', why: `there is no table ${definition.schema}.${definition.table}`, sql: [] };
  if (same?.isValid) return undefined;
  if (same) {
    const why = `${same.name} is invalid: a build was cut off, and nothing reads it`;
    return { kind: 'invalid', name: same.name, why, sql: [`REINDEX INDEX CONCURRENTLY ${quoted(same)}`] };
  }
  const create = [...prerequisites, ...createStatements(definition, name, catalog)];
  if (!namesake) return { kind: 'missing', why: `${name} is declared and not there`, sql: create };
  const why = `${name} is there and is another index: ${namesake.sql}`;
  return { kind: 'different', why, sql: [`DROP INDEX CONCURRENTLY ${quoted(namesake)}`, ...create] };
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
      declared: null,
    }));
}

function quoted({ schema, name }: CatalogIndex): string {
  return quoteQualified(schema, name);
}
