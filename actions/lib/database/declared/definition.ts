import type { DeclaredIndexConfig } from '../../config/index.ts';
import { createTrigramExtension, type IndexDefinition, type IndexKey, indexName } from '../indexes/index.ts';

/** A declared index as a definition, and the name it is to have. */
export interface DeclaredIndex {
  definition: IndexDefinition;
  name: string;
  /** SQL that must have run before. */
  prerequisites: readonly string[];
  why: string;
}

export function declaredIndex(config: DeclaredIndexConfig): DeclaredIndex {
  const [table, schema = 'public'] = config.table.split('.').reverse();
  const definition: IndexDefinition = {
    schema,
    table: table!,
    method: config.method,
    keys: config.columns.map(keyOf),
    include: config.include,
    ...(config.where !== undefined && { where: config.where }),
    ...(config.unique && { isUnique: true }),
  };
  const prerequisites = definition.keys.some(key => key.opclass?.endsWith('_trgm_ops')) ? [createTrigramExtension] : [];
  return { definition, name: config.name ?? indexName(definition), prerequisites, why: config.why };
}

function keyOf(key: DeclaredIndexConfig['columns'][number]): IndexKey {
  if (typeof key === 'string') {
    const [, column, direction] = /^(.*?)(?:\s+(asc|desc))?$/is.exec(key)!;
    return { kind: 'column', column: column!, ...(direction?.toLowerCase() === 'desc' && { isDescending: true }) };
  }
  const { opclass, descending, nullsFirst } = key;
  return {
    ...('column' in key ? { kind: 'column', column: key.column } : { kind: 'expression', expression: key.expression }),
    ...(opclass !== undefined && { opclass }),
    ...(descending && { isDescending: true }),
    ...(nullsFirst !== undefined && { isNullsFirst: nullsFirst }),
  };
}
