import { formatCount, formatRatio } from '../../../log/index.ts';
import { quoteIdent, quoteQualified } from '../../../postgres/index.ts';
import type { CollectedFacts } from '../facts/collect.ts';
import { type Finding, type HealthCheck, relationName, worst } from './check.ts';

export const sequencesNearEnd: HealthCheck = {
  id: 'database.sequences',
  unit: 'ratio',
  title: 'sequences and integer keys near their end',
  meaning:
    'At the end every insert fails. A column of type integer ends at 2,147,483,647, also where its sequence would go on. Changing its type rewrites the table under an exclusive lock: plan it long before.',
  needs: ['sequences', 'tables', 'indexes', 'columns'],
  judge(facts, { config }) {
    const { sequenceWarning: warning, sequenceCritical: critical } = config.thresholds;
    const used = [...ofSequences(facts), ...ofKeys(facts)];
    const findings = used
      .filter(({ value }) => value >= warning)
      .map((finding): Finding => ({ ...finding, severity: finding.value >= critical ? 'critical' : 'warning' }));
    const hidden = facts.sequences.filter(({ isReadable }) => !isReadable).length;
    return worst(
      used.length === 0 ? null : Math.max(...used.map(({ value }) => value)),
      warning,
      findings,
      hidden > 0 ? `${formatCount(hidden)} sequences were not shown to this role` : undefined,
    );
  },
};

type Use = Omit<Finding, 'severity'>;

function ofSequences({ sequences }: CollectedFacts): Use[] {
  return sequences.flatMap(({ schema, name, lastValue, increment, min, limit, column }) => {
    if (lastValue === null) return [];
    const at = increment > 0 ? lastValue : -lastValue;
    const value = Math.max(0, (at - min) / (limit - min));
    const sequence = relationName({ schema, name });
    const fills = column
      ? ` for ${quoteQualified(column.schema, column.table)}.${quoteIdent(column.name)} (${column.type})`
      : '';
    return [
      {
        subject: sequence,
        value,
        message: `${sequence}${fills} is at ${formatCount(lastValue)}, ${formatRatio(value)} of its values`,
        mend: [
          ...(column && column.type !== 'bigint'
            ? [
                `ALTER TABLE ${quoteQualified(column.schema, column.table)} ALTER COLUMN ${quoteIdent(column.name)} TYPE bigint;`,
              ]
            : []),
          `ALTER SEQUENCE ${sequence} AS bigint MAXVALUE 9223372036854775807;`,
        ],
      },
    ];
  });
}

const limits: Readonly<Record<string, number>> = { smallint: 32_767, integer: 2_147_483_647 };

/** Keys that the application counts itself: as far as the histogram of ANALYZE knows. */
function ofKeys({ tables, indexes, columns, sequences }: CollectedFacts): Use[] {
  const filled = new Set(
    sequences.flatMap(({ column }) => (column ? `${column.schema} ${column.table} ${column.name}` : [])),
  );
  const byOid = new Map(tables.map(table => [table.oid, table]));
  return columns.flatMap(column => {
    const table = byOid.get(column.tableOid);
    const limit = limits[column.type];
    if (!table || limit === undefined || column.highest === null || column.highest <= 0) return [];
    if (filled.has(`${table.schema} ${table.name} ${column.name}`)) return [];
    const isKey = indexes.some(
      index =>
        index.tableOid === column.tableOid &&
        index.isPrimary &&
        index.keys.length === 1 &&
        index.keys[0]!.attnum === column.attnum,
    );
    if (!isKey) return [];
    const subject = `${relationName(table)}.${quoteIdent(column.name)}`;
    const value = column.highest / limit;
    return [
      {
        subject,
        value,
        message: `The key ${subject} (${column.type}) is at ${formatCount(column.highest)}, ${formatRatio(value)} of its values`,
        mend: [`ALTER TABLE ${relationName(table)} ALTER COLUMN ${quoteIdent(column.name)} TYPE bigint;`],
      },
    ];
  });
}
