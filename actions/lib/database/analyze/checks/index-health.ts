import { formatBytes, formatRatio } from '../../../log/index.ts';
import { quoteIdent, quoteQualified } from '../../../postgres/index.ts';
import { indexBloat } from '../bloat.ts';
import { counted, type HealthCheck, relationName } from './check.ts';

export const invalidIndexes: HealthCheck = {
  id: 'database.indexes.invalid',
  unit: 'indexes',
  title: 'invalid indexes',
  meaning:
    'A CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY that was cut off leaves one behind. No query uses it, every write still pays for it, and CREATE INDEX IF NOT EXISTS takes it for the real one.',
  needs: ['indexes'],
  judge({ indexes }) {
    const invalid = indexes.filter(index => !index.isValid && !index.isBeingBuilt && !index.isPartitioned);
    return counted(
      invalid.map(index => {
        const name = relationName(index);
        // REINDEX CONCURRENTLY builds beside the old one, under its name with this at the end.
        const isCopy = /_cc(new|old)\d*$/.test(index.name);
        // A unique one that is of no constraint is one whose build found two equal keys.
        const mustStay = (index.servesConstraint || index.isReplicaIdentity) && !isCopy;
        return {
          subject: name,
          severity: 'warning',
          value: index.bytes,
          message: `${name} (${formatBytes(index.bytes)}) on ${quoteQualified(index.schema, index.table)} is not valid${isCopy ? ', a leftover of REINDEX CONCURRENTLY' : ''}`,
          mend: [mustStay ? `REINDEX INDEX CONCURRENTLY ${name};` : `DROP INDEX CONCURRENTLY ${name};`],
        };
      }),
    );
  },
};

export const bloatedIndexes: HealthCheck = {
  id: 'database.indexes.bloated',
  unit: 'indexes',
  title: 'bloated indexes',
  meaning:
    'Pages that are mostly empty are read and cached like full ones. The estimate knows that equal keys share an entry (from 13 on); the extension pgstattuple measures instead.',
  needs: ['indexes', 'tables', 'columns', 'settings'],
  judge(facts, { config, measured }) {
    const { indexBloatRatio, indexBloatBytes } = config.thresholds;
    const byOid = new Map(facts.indexes.map(index => [index.oid, index]));
    const findings = indexBloat(facts)
      .map(estimate => ({
        oid: estimate.oid,
        ...(measured.get(estimate.oid) ?? estimate),
        isMeasured: measured.has(estimate.oid),
      }))
      .filter(({ ratio, wastedBytes }) => ratio >= indexBloatRatio && wastedBytes >= indexBloatBytes)
      .map(({ oid, wastedBytes, ratio, isMeasured }) => {
        const index = byOid.get(oid)!;
        const name = relationName(index);
        return {
          subject: name,
          severity: 'warning' as const,
          value: wastedBytes,
          message: `${name} could give back ${formatBytes(wastedBytes)} of ${formatBytes(index.bytes)} (${formatRatio(ratio)}, ${isMeasured ? 'measured' : 'estimated'})`,
          mend: [`REINDEX INDEX CONCURRENTLY ${name};`],
        };
      });
    // Up to 14.3 REINDEX CONCURRENTLY could miss rows (fixed in 14.4).
    const isUnsafe = facts.versionNum >= 140_000 && facts.versionNum < 140_004;
    return counted(
      isUnsafe ? findings.map(finding => ({ ...finding, mend: [] })) : findings,
      isUnsafe ? 'REINDEX CONCURRENTLY of 14.0 to 14.3 can corrupt an index: update PostgreSQL first' : undefined,
    );
  },
};

export const nullHeavyIndexes: HealthCheck = {
  id: 'database.indexes.nulls',
  unit: 'indexes',
  title: 'indexes that are mostly NULL',
  meaning:
    'Most entries stand for rows without a value, which are hardly ever searched for. A partial index leaves them out.',
  needs: ['indexes', 'columns'],
  judge({ indexes, columns }, { config }) {
    const { nullRatio, nullIndexBytes } = config.thresholds;
    const nullsOf = new Map(columns.map(column => [`${column.tableOid} ${column.attnum}`, column.nullRatio]));
    const findings = indexes.flatMap(index => {
      const [first] = index.keys;
      if (!first?.column || index.bytes < nullIndexBytes || index.method !== 'btree' || !index.isValid) return [];
      // A constraint cannot be partial; with one more column, rows without the first may be searched for by the others.
      if (
        index.predicate !== null ||
        index.servesConstraint ||
        index.isUnique ||
        index.keys.length > 1 ||
        index.isAttached
      )
        return [];
      const ratio = nullsOf.get(`${index.tableOid} ${first.attnum}`) ?? 0;
      if (ratio < nullRatio) return [];
      const name = relationName(index);
      const table = quoteQualified(index.schema, index.table);
      const partial = `${index.name.slice(0, 50)}_not_null`;
      return [
        {
          subject: name,
          severity: 'warning' as const,
          value: index.bytes * ratio,
          message: `${formatRatio(ratio)} of ${name} (${formatBytes(index.bytes)}) is NULL`,
          mend: [
            `CREATE INDEX CONCURRENTLY ${quoteIdent(partial)} ON ${table} (${quoteIdent(first.column)}) WHERE ${quoteIdent(first.column)} IS NOT NULL;`,
            `DROP INDEX CONCURRENTLY ${name};`,
          ],
        },
      ];
    });
    return counted(findings);
  },
};
