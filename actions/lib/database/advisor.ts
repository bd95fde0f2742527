/** The pieces of the index advice, for what measures it (`npm run bench -- database`); actions use `index.ts`. */
export {
  type Advice,
  Advisor,
  advise,
  findHypopg,
  msAt,
  type SizedCandidate,
  type WeightedStatement,
  type WhatIf,
} from './advise/index.ts';
export { type Catalog, readCatalog } from './catalog/index.ts';
export { createIndexSql, definitionSql, type IndexDefinition, indexName } from './indexes/index.ts';
export { CopySession, type IndexRef, type Values } from './prove/index.ts';
export { type ParsedStatement, parseStatement, type WorkloadStatement } from './statements/index.ts';
