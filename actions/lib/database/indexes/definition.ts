import { quoteIdent, quoteQualified } from '../../postgres/index.ts';

/** One key of an index: a column, or an expression as the server prints it (without outer parentheses). */
export type IndexKey = {
  /** Default: that of the type. */
  opclass?: string;
  isDescending?: boolean;
  /** Default as in PostgreSQL: last when ascending, first when descending. */
  isNullsFirst?: boolean;
} & ({ kind: 'column'; column: string } | { kind: 'expression'; expression: string });

export type IndexMethod = 'btree' | 'gin' | 'gist' | 'brin';

/** An index as a definition alone: no name, no size. Two that print the same are the same index. */
export interface IndexDefinition {
  schema: string;
  table: string;
  method: IndexMethod;
  keys: readonly IndexKey[];
  /** Columns carried along and not searched (INCLUDE). */
  include: readonly string[];
  /** The predicate of a partial index, as SQL without WHERE. */
  where?: string;
  isUnique?: boolean;
}

/** `"public"."orders" USING btree ("customer_id", "created_at" DESC) INCLUDE ("total") WHERE …`: also its identity. */
export function definitionSql(definition: IndexDefinition): string {
  const { schema, table, method, keys, include, where } = definition;
  const included = include.length > 0 ? ` INCLUDE (${include.map(quoteIdent).join(', ')})` : '';
  const predicate = where === undefined ? '' : ` WHERE ${where}`;
  return `${quoteQualified(schema, table)} USING ${method} (${keys.map(keySql).join(', ')})${included}${predicate}`;
}

/** @param name always given: an index without a name cannot be found again when its build is cut off */
export function createIndexSql(
  definition: IndexDefinition,
  name: string,
  { concurrently }: { concurrently: boolean },
): string {
  const unique = definition.isUnique ? 'UNIQUE ' : '';
  return `CREATE ${unique}INDEX ${concurrently ? 'CONCURRENTLY ' : ''}${quoteIdent(name)} ON ${definitionSql(definition)}`;
}

function keySql(key: IndexKey): string {
  const what = key.kind === 'column' ? quoteIdent(key.column) : `(${key.expression})`;
  const opclass = key.opclass === undefined ? '' : ` ${key.opclass}`;
  const direction = key.isDescending ? ' DESC' : '';
  const isDefaultNulls = key.isNullsFirst === undefined || key.isNullsFirst === (key.isDescending ?? false);
  return `${what}${opclass}${direction}${isDefaultNulls ? '' : key.isNullsFirst ? ' NULLS FIRST' : ' NULLS LAST'}`;
}
