export {
  Catalog,
  type CatalogColumn,
  type CatalogIndex,
  type CatalogTable,
  type ColumnStatistics,
  Statistics,
  type TableCounters,
  type TableKind,
} from './catalog.ts';
export { createStatements } from './create-statements.ts';
export { readCatalog } from './read-catalog.ts';
export { readStatistics } from './read-statistics.ts';
