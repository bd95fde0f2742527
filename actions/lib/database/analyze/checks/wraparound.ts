import { formatCount, formatRatio } from '../../../log/index.ts';
import { quoteIdent } from '../../../postgres/index.ts';
import type { CollectedFacts } from '../facts/collect.ts';
import type { TableFacts } from '../facts/relations.ts';
import { type Finding, type Given, type HealthCheck, type Judgement, relationName, worst } from './check.ts';

/** Half of the 32-bit circle lies in the past; the server stops writes three million before its end. */
const idsInAll = 2 ** 31;

const meaning =
  'Transaction ids are reused after two billion. Rows must be frozen before that; when they are not, the server stops accepting writes. Freezing is held back by old transactions, prepared transactions and replication slots.';

export const transactionWraparound: HealthCheck = {
  id: 'database.wraparound.transactions',
  unit: 'ratio',
  title: 'transaction ids running out',
  meaning,
  needs: ['databases', 'tables'],
  judge: (facts, given) => judge(facts, given, 'transaction ids', ({ xidAge }) => xidAge),
};

export const multixactWraparound: HealthCheck = {
  id: 'database.wraparound.multixacts',
  unit: 'ratio',
  title: 'multixact ids running out',
  meaning: `${meaning} Multixacts stand for rows that several transactions lock at once, as foreign keys do.`,
  needs: ['databases', 'tables'],
  judge: (facts, given) => judge(facts, given, 'multixact ids', ({ multixactAge }) => multixactAge),
};

function judge(
  facts: CollectedFacts,
  { config }: Given,
  what: string,
  age: (of: { xidAge: number; multixactAge: number }) => number,
): Judgement {
  const { wraparoundWarning: warning, wraparoundCritical: critical } = config.thresholds;
  const used = facts.databases.map(database => ({ ...database, ratio: age(database) / idsInAll }));
  const oldest = [...facts.tables].sort((a, b) => age(b) - age(a));
  const findings = used
    .filter(({ ratio }) => ratio >= warning)
    .map(
      (database): Finding => ({
        subject: quoteIdent(database.name),
        severity: database.ratio >= critical ? 'critical' : 'warning',
        value: database.ratio,
        message: `${formatRatio(database.ratio)} of the ${what} are used in the database ${quoteIdent(database.name)}: its oldest row is ${formatCount(age(database))} of them old`,
        mend: database.isCurrent ? freeze(oldest.filter(table => age(table) / idsInAll >= warning * 0.9)) : [],
      }),
    );
  const value = Math.max(0, ...used.map(({ ratio }) => ratio));
  return worst(value, warning, findings);
}

/** The first ones move the database's own age. */
function freeze(tables: readonly TableFacts[]): string[] {
  return tables.slice(0, 5).map(table => `VACUUM (FREEZE, VERBOSE) ${relationName(table)};`);
}
