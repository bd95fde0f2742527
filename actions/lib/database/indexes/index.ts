export { createIndexSql, definitionSql, type IndexDefinition, type IndexKey, type IndexMethod } from './definition.ts';
export { indexName } from './name.ts';
export { createTrigramExtension } from './prerequisites.ts';
