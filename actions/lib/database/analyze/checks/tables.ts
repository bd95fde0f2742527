import { formatBytes, formatCount, formatRatio } from '../../../log/index.ts';
import { quoteIdent, quoteQualified } from '../../../postgres/index.ts';
import { tableBloat } from '../bloat.ts';
import type { TableFacts } from '../facts/relations.ts';
import { counted, type HealthCheck, relationName } from './check.ts';

export const invalidConstraints: HealthCheck = {
  id: 'database.constraints.invalid',
  unit: 'constraints',
  title: 'constraints that are not validated',
  meaning:
    'NOT VALID holds new rows to it only. Rows from before may break it, and the planner cannot rely on it. VALIDATE takes a lock that lets reads and writes pass.',
  needs: ['invalidConstraints'],
  judge: ({ invalidConstraints: invalid }) =>
    counted(
      invalid.map(({ schema, table, name, kind }) => ({
        subject: `${quoteQualified(schema, table)}.${quoteIdent(name)}`,
        severity: 'warning',
        value: 1,
        message: `The ${kind} constraint ${quoteIdent(name)} of ${quoteQualified(schema, table)} is NOT VALID`,
        mend: [`ALTER TABLE ${quoteQualified(schema, table)} VALIDATE CONSTRAINT ${quoteIdent(name)};`],
      })),
    ),
};

export const missingPrimaryKeys: HealthCheck = {
  id: 'database.tables.no-primary-key',
  unit: 'tables',
  title: 'tables without a primary key',
  meaning:
    'Rows that are equal cannot be told apart, logical replication cannot update or delete them, and tools that work in batches have nothing to hold on to.',
  needs: ['tables', 'indexes'],
  judge({ tables, indexes }) {
    const without = tables.filter(
      table => !table.hasPrimaryKey && table.kind !== 'matview' && table.parentOid === null && !table.ofExtension,
    );
    return counted(
      without.map(table => {
        const name = relationName(table);
        const unique = indexes.find(
          index =>
            index.tableOid === table.oid &&
            index.isUnique &&
            index.isValid &&
            index.predicate === null &&
            index.expressions === null &&
            index.method === 'btree' &&
            !index.isPartitioned &&
            !index.servesConstraint,
        );
        return {
          subject: name,
          severity: 'warning',
          value: table.rows ?? 0,
          message: `${name} (${formatCount(table.rows ?? 0)} rows) has no primary key${unique ? `; ${relationName(unique)} could become it when its columns are NOT NULL` : ''}`,
          // A new column rewrites the table under ACCESS EXCLUSIVE: only where there is no unique index to take.
          mend: [
            unique
              ? `ALTER TABLE ${name} ADD PRIMARY KEY USING INDEX ${quoteIdent(unique.name)};`
              : `ALTER TABLE ${name} ADD COLUMN ${quoteIdent('id')} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;`,
          ],
        };
      }),
    );
  },
};

export const bloatedTables: HealthCheck = {
  id: 'database.tables.bloated',
  unit: 'tables',
  title: 'bloated tables',
  meaning:
    'Space that dead rows left and new ones have not filled is read by every scan and kept in the cache. VACUUM lets new rows use it; only a rewrite gives it back, with VACUUM FULL under an exclusive lock or with pg_repack without.',
  needs: ['tables', 'columns', 'settings'],
  judge(facts, { config, measured }) {
    const { tableBloatRatio, tableBloatBytes } = config.thresholds;
    const byOid = new Map(facts.tables.map(table => [table.oid, table]));
    const findings = tableBloat(facts)
      .map(estimate => ({
        oid: estimate.oid,
        ...(measured.get(estimate.oid) ?? estimate),
        isMeasured: measured.has(estimate.oid),
      }))
      .filter(({ ratio, wastedBytes }) => ratio >= tableBloatRatio && wastedBytes >= tableBloatBytes)
      .map(({ oid, wastedBytes, ratio, isMeasured }) => {
        const table = byOid.get(oid)!;
        const name = relationName(table);
        return {
          subject: name,
          severity: 'warning' as const,
          value: wastedBytes,
          message: `${name} could give back ${formatBytes(wastedBytes)} of ${formatBytes(table.mainBytes)} (${formatRatio(ratio)}, ${isMeasured ? 'measured' : 'estimated'})`,
          mend: [`VACUUM (FULL, ANALYZE) ${name};`],
        };
      });
    return counted(findings);
  },
};

export const deadRows: HealthCheck = {
  id: 'database.tables.dead-rows',
  unit: 'tables',
  title: 'tables full of dead rows',
  meaning:
    'Autovacuum does not keep up: it is held back by an old transaction, a replication slot or a lock, or its settings are too timid for the table. Scans read the dead rows too.',
  needs: ['tables'],
  judge({ tables, isInRecovery }, { config }) {
    const { deadRowsRatio, deadRows: fewest } = config.thresholds;
    const findings = tables
      .filter(({ deadRows: dead, liveRows }) => dead >= fewest && dead >= deadRowsRatio * (dead + liveRows))
      .map(table => ({
        subject: relationName(table),
        severity: 'warning' as const,
        value: table.deadRows,
        message: `${relationName(table)} has ${formatCount(table.deadRows)} dead rows beside ${formatCount(table.liveRows)} live ones; last vacuumed ${table.vacuumedAt ?? 'never'}`,
        mend: [`VACUUM (ANALYZE) ${relationName(table)};`],
      }));
    return counted(isInRecovery ? [] : findings);
  },
};

const fewestStaleRows = 1000;

export const staleStatistics: HealthCheck = {
  id: 'database.tables.stale-statistics',
  unit: 'tables',
  title: 'tables whose statistics are old or missing',
  meaning:
    'The planner chooses by them. Autovacuum never analyses a partitioned table as a whole, and no table whose autovacuum is off.',
  needs: ['tables'],
  judge({ tables, isInRecovery }, { config }) {
    const isStale = (table: TableFacts) => {
      if (table.kind === 'partitioned')
        return table.isNeverAnalyzed && rowsWithPartitions(table, tables) >= fewestStaleRows;
      const isNever = table.isNeverAnalyzed && table.rows === null && table.liveRows >= fewestStaleRows;
      const changed = table.changedSinceAnalyze;
      return (
        isNever || (changed >= fewestStaleRows && changed > config.thresholds.staleStatisticsRatio * table.liveRows)
      );
    };
    const findings = tables.filter(isStale).map(table => ({
      subject: relationName(table),
      severity: 'warning' as const,
      value: table.changedSinceAnalyze,
      message:
        table.analyzedAt === null
          ? `${relationName(table)} was never analysed`
          : `${formatCount(table.changedSinceAnalyze)} rows of ${relationName(table)} changed since it was analysed at ${table.analyzedAt}`,
      mend: [`ANALYZE ${relationName(table)};`],
    }));
    return counted(isInRecovery ? [] : findings);
  },
};

/** Live rows of a table, and of its partitions. */
export function rowsWithPartitions(table: TableFacts, tables: readonly TableFacts[]): number {
  const partitions = tables.filter(({ parentOid }) => parentOid === table.oid);
  return table.liveRows + partitions.reduce((sum, partition) => sum + rowsWithPartitions(partition, tables), 0);
}

export const autovacuumOff: HealthCheck = {
  id: 'database.tables.autovacuum-off',
  unit: 'tables',
  title: 'tables whose autovacuum is off',
  meaning:
    'Nothing removes their dead rows and keeps their statistics until somebody does it by hand; only wraparound still forces it.',
  needs: ['tables'],
  judge: ({ tables }) =>
    counted(
      tables
        .filter(({ options }) => options.some(option => /^autovacuum_enabled=(false|off|no|0)$/i.test(option)))
        .map(table => ({
          subject: relationName(table),
          severity: 'warning',
          value: table.rows ?? 0,
          message: `Autovacuum of ${relationName(table)} is switched off`,
          mend: [`ALTER TABLE ${relationName(table)} RESET (autovacuum_enabled);`],
        })),
    ),
};

const fewestScans = 100;

export const sequentialScans: HealthCheck = {
  id: 'database.tables.sequential',
  unit: 'tables',
  title: 'large tables that are read from end to end',
  meaning:
    'More than one in twenty of their scans reads the whole table. `ops database advise` finds the statements and proves the index that helps them.',
  needs: ['tables'],
  judge({ tables }, { config }) {
    const findings = tables
      .filter(({ liveRows, rows }) => Math.max(liveRows, rows ?? 0) >= config.thresholds.sequentialRows)
      .filter(
        ({ sequentialScans: scans, indexScans, sequentialRows, liveRows }) =>
          scans >= fewestScans && scans > 0.05 * (scans + indexScans) && sequentialRows / scans > 0.5 * liveRows,
      )
      .map(table => ({
        subject: relationName(table),
        severity: 'warning' as const,
        value: table.sequentialRows,
        message: `${relationName(table)} (${formatCount(table.liveRows)} rows) was read from end to end ${formatCount(table.sequentialScans)} times, ${formatCount(table.sequentialRows)} rows in all, and by an index ${formatCount(table.indexScans)} times`,
        mend: [],
      }));
    return counted(findings);
  },
};

const fewestUpdates = 10_000;
const newPageRatio = 0.2;

export const hotUpdates: HealthCheck = {
  id: 'database.tables.hot-updates',
  unit: 'tables',
  title: 'tables whose updates write every index',
  meaning:
    'An update whose new version finds room on the same page, and changes no indexed column, writes no index (HOT). A lower fillfactor leaves that room; an index on a column that always changes prevents it.',
  needs: ['tables'],
  judge({ tables }, { config }) {
    const findings = tables.flatMap(table => {
      const { updated, hotUpdated, newPageUpdated } = table;
      if (updated < fewestUpdates || table.kind === 'partitioned') return [];
      const hot = hotUpdated / updated;
      const moved = newPageUpdated === null ? 0 : newPageUpdated / updated;
      if (hot >= config.thresholds.hotRatio && moved < newPageRatio) return [];
      const name = relationName(table);
      const isFilled = table.options.some(option => option.startsWith('fillfactor='));
      return [
        {
          subject: name,
          severity: 'warning' as const,
          value: updated - hotUpdated,
          message: `${formatRatio(hot)} of ${formatCount(updated)} updates of ${name} were HOT${newPageUpdated === null ? '' : `, ${formatRatio(moved)} moved the row to another page`}`,
          mend: isFilled ? [] : [`ALTER TABLE ${name} SET (fillfactor = 90);`],
        },
      ];
    });
    return counted(findings);
  },
};
