import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import { createIndexSql, definitionSql, type IndexDefinition, indexName } from '../indexes/index.ts';
import type { Catalog } from './catalog.ts';

/**
 * The server refuses CONCURRENTLY on a partitioned table: each partition gets its own, and the one of the parent, which
 * is empty and takes no time, holds them together and is valid when all are attached. Partitions of partitions are left to
 * `database apply`, and to one statement that locks for whoever runs it by hand.
 */
export function createStatements(definition: IndexDefinition, name: string, catalog: Catalog): string[] {
  const table = catalog.find(definition.schema, definition.table);
  if (table?.kind !== 'partitioned') return [createIndexSql(definition, name, { concurrently: true })];
  const leaves = catalog.storageOf(table);
  if (leaves.some(leaf => leaf.parentOid !== table.oid)) {
    return [createIndexSql(definition, name, { concurrently: false })];
  }
  const unique = definition.isUnique ? 'UNIQUE ' : '';
  const parent = quoteQualified(definition.schema, name);
  return [
    `CREATE ${unique}INDEX ${quoteIdent(name)} ON ONLY ${definitionSql(definition)}`,
    ...leaves.flatMap(leaf => {
      const own = { ...definition, schema: leaf.schema, table: leaf.name };
      const ownName = indexName(own);
      return [
        createIndexSql(own, ownName, { concurrently: true }),
        `ALTER INDEX ${parent} ATTACH PARTITION ${quoteQualified(leaf.schema, ownName)}`,
      ];
    }),
  ];
}
