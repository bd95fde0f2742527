import { formatBytes, formatCount } from '../../log/index.ts';
import type { Check } from '../../reports/index.ts';
import type { CleanupData, RuleOutcome } from './outcome.ts';

export function checksOf({ isDryRun, rules, pruned, vacuumed, warnings, database }: CleanupData): Check[] {
  const failed = vacuumed.filter(each => each.status === 'failed');
  return [
    ...rules.map(ruleCheck),
    ...pruned.map(each => pruneCheck(each, isDryRun)),
    {
      id: 'database.cleanup.vacuum',
      target: database,
      status: failed.length > 0 ? 'warning' : 'ok',
      value: failed.length,
      threshold: 0,
      unit: 'tables',
      message:
        isDryRun && failed.length === 0
          ? 'Nothing was deleted, so there is nothing to vacuum'
          : failed.length === 0
            ? 'Every table that lost a good share of its rows was vacuumed'
            : failed.map(({ table, message }) => `${table} was not vacuumed: ${message}`).join('; '),
    },
    {
      id: 'database.cleanup.indexes',
      target: database,
      status: warnings.length > 0 ? 'warning' : 'ok',
      value: warnings.length,
      threshold: 0,
      unit: 'indexes',
      message:
        warnings.length === 0
          ? 'The columns of all rules have an index, where one is worth it'
          : warnings.map(({ table, message, statement }) => `${table}: ${message}. ${statement}`).join(' '),
    },
  ];
}

function ruleCheck(rule: RuleOutcome): Check {
  return {
    id: 'database.cleanup.rule',
    target: rule.table,
    status: rule.status === 'failed' ? 'critical' : rule.status === 'put off' ? 'warning' : 'ok',
    value: rule.deletedRows,
    threshold: null,
    unit: 'rows',
    message: ruleMessage(rule),
  };
}

function pruneCheck(pruned: CleanupData['pruned'][number], isDryRun: boolean): Check {
  return {
    id: 'database.cleanup.archives',
    target: pruned.destination,
    status: pruned.problem === null ? 'ok' : 'warning',
    value: pruned.runs,
    threshold: null,
    unit: 'archives',
    message: pruneMessage(pruned, isDryRun),
  };
}

/** What went (or would), and what stays and why. */
export function pruneMessage(
  { destination, runs, bytes, problem }: CleanupData['pruned'][number],
  isDryRun: boolean,
): string {
  const what = `${formatCount(runs)} ${runs === 1 ? 'archive' : 'archives'} (${formatBytes(bytes)})`;
  const done = `${what} older than they are kept ${isDryRun ? 'would be' : 'were'} removed from ${destination}`;
  if (problem === null) return done;
  return bytes === 0 ? `old archives in ${destination} stay: ${problem}` : `${done}; others stay: ${problem}`;
}

/** What was done (or would be), what stays and why. */
export function ruleMessage(rule: RuleOutcome): string {
  const { status, code, message, planned, left } = rule;
  const stays = left ?? planned;
  const kept = [
    ...(left && left.deletable !== 0 ? [`${counted(left.deletable, planned.most)} are left for the next run`] : []),
    ...(stays.referenced !== 0
      ? [`${counted(stays.referenced, planned.most)} stay, since other rows refer to them`]
      : []),
  ];
  const what =
    status === 'planned'
      ? `${counted(planned.deletable, planned.most)} would be deleted${cascades(rule)}`
      : `${formatCount(rule.deletedRows)} rows deleted${rule.cascadedRows > 0 ? `, and ${formatCount(rule.cascadedRows)} with them by CASCADE` : ''}`;
  const how = status === 'failed' || status === 'put off' ? `${status}: ${code ? `${code}: ` : ''}${message}; ` : '';
  const why = status === 'limit' ? [message] : [];
  return `${rule.table}: ${how}${[what, ...kept, ...why].join('; ')}`;
}

function cascades({ planned }: RuleOutcome): string {
  const found = planned.cascades.filter(each => each.rows !== 0);
  const list = found.map(({ table, rows }) => `${counted(rows, planned.most)} of ${table}`);
  const changes =
    planned.changes.length > 0 ? `; ${planned.changes.join(', ')} would be set to NULL or the default` : '';
  return `${list.length > 0 ? `, with ${list.join(', ')} by CASCADE` : ''}${changes}`;
}

function counted(rows: number | null, most: number): string {
  if (rows === null) return 'an unknown number of rows (counting took too long)';
  return rows >= most
    ? `more than ${formatCount(most - 1)} rows`
    : `${formatCount(rows)} ${rows === 1 ? 'row' : 'rows'}`;
}
