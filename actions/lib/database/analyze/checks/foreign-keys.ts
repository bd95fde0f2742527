import { formatCount } from '../../../log/index.ts';
import { quoteIdent, quoteQualified } from '../../../postgres/index.ts';
import { createIndexSql, type IndexDefinition, indexName } from '../../indexes/index.ts';
import type { CollectedFacts } from '../facts/collect.ts';
import type { ForeignKeyFacts } from '../facts/constraints.ts';
import type { IndexFacts } from '../facts/indexes.ts';
import { counted, type HealthCheck } from './check.ts';
import { rowsWithPartitions } from './tables.ts';

export const foreignKeysWithoutIndex: HealthCheck = {
  id: 'database.foreign-keys.unindexed',
  unit: 'foreign keys',
  title: 'foreign keys without an index',
  meaning:
    'Deleting a row, or changing its key, makes the server look for the rows that refer to it. Without an index that is a scan of the whole referring table for each row, while locks are held.',
  needs: ['foreignKeys', 'indexes', 'tables'],
  judge(facts, { config }) {
    const tables = new Map(facts.tables.map(table => [table.oid, table]));
    const findings = facts.foreignKeys.flatMap(key => {
      const table = tables.get(key.tableOid);
      if (!table || table.ofExtension) return [];
      const rows = Math.max(table.rows ?? 0, rowsWithPartitions(table, facts.tables));
      if (rows < config.thresholds.foreignKeyRows) return [];
      if (facts.indexes.some(index => index.tableOid === key.tableOid && coversForeignKey(index, key))) return [];
      const referenced = tables.get(key.referenced.oid);
      const deleted = referenced?.deleted ?? 0;
      return [
        {
          subject: `${quoteQualified(key.schema, key.table)}.${quoteIdent(key.name)}`,
          severity: 'warning' as const,
          value: rows,
          message: `${quoteQualified(key.schema, key.table)} (${formatCount(rows)} rows) has no index for ${quoteIdent(key.name)} on ${key.columns.map(quoteIdent).join(', ')}; ${formatCount(deleted)} rows of ${quoteQualified(key.referenced.schema, key.referenced.table)} were deleted since the statistics began${key.actsOnDelete ? ', each of which changes rows here' : ''}`,
          mend: mendOf(key),
        },
      ];
    });
    return counted(findings);
  },
};

/** In any order, as long as the columns of the key come first; partial only where it leaves out what refers to nothing. */
export function coversForeignKey(index: IndexFacts, key: Pick<ForeignKeyFacts, 'attnums' | 'columns'>): boolean {
  if (!index.isValid || (index.method !== 'btree' && !(index.method === 'hash' && key.attnums.length === 1)))
    return false;
  if (index.predicate !== null && !isNotNull(index.predicate, key.columns)) return false;
  const first = index.keys.slice(0, key.attnums.length).map(({ attnum }) => attnum);
  return first.length === key.attnums.length && key.attnums.every(attnum => first.includes(attnum));
}

function isNotNull(predicate: string, columns: readonly string[]): boolean {
  return columns.some(column => [quoteIdent(column), column].some(name => predicate === `(${name} IS NOT NULL)`));
}

/** Whether a foreign key would be without an index if this one went. */
export function supportsForeignKey(index: IndexFacts, facts: Pick<CollectedFacts, 'foreignKeys' | 'indexes'>): boolean {
  return facts.foreignKeys.some(
    key =>
      key.tableOid === index.tableOid &&
      coversForeignKey(index, key) &&
      !facts.indexes.some(
        other => other.tableOid === index.tableOid && other.oid !== index.oid && coversForeignKey(other, key),
      ),
  );
}

function mendOf(key: ForeignKeyFacts): string[] {
  const definition: IndexDefinition = {
    schema: key.schema,
    table: key.table,
    method: 'btree',
    keys: key.columns.map(column => ({ kind: 'column', column })),
    include: [],
  };
  const name = indexName(definition);
  // A partitioned table takes no CONCURRENTLY: this makes the empty parent, and each partition is built and attached.
  if (key.isPartitioned)
    return [`${createIndexSql(definition, name, { concurrently: false }).replace(' ON ', ' ON ONLY ')};`];
  return [`${createIndexSql(definition, name, { concurrently: true })};`];
}
