import { quoteQualified, withoutTimeLimits } from '../../postgres/index.ts';
import { encodingOption, type TableFacts } from './catalog.ts';
import type { SlicePlan } from './plan.ts';
import { blockRange } from './unchanged.ts';

/**
 * The session a backup and a comparison run in: text of values depends on these, so they are the same on both sides.
 * An empty search_path keeps names in expressions honest (CVE-2018-1058); row_security off makes a policy an error
 * instead of a silent filter.
 */
export const pinnedSettings: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmloption: 'content',
  lc_monetary: 'C',
  row_security: 'off',
  search_path: '',
  ...withoutTimeLimits,
  synchronize_seqscans: 'off',
  // One backend per connection: `jobs` says how many cores a backup may take.
  max_parallel_workers_per_gather: '0',
};

const timeLimits = Object.keys(withoutTimeLimits)
  .map(name => `'${name}'`)
  .join(', ');

/** What `psql` needs before the rows of a part: the same text settings, and no surprises. */
export const partPreamble = [
  "SET client_encoding = 'UTF8';",
  "SET DateStyle = 'ISO, YMD';",
  "SET IntervalStyle = 'postgres';",
  "SET TimeZone = 'UTC';",
  "SET lc_monetary = 'C';",
  'SET xmloption = content;',
  'SET row_security = off;',
  "SET search_path = '';",
  // Without those that the server does not know.
  `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN (${timeLimits}) \\g /dev/null`,
  'SET synchronous_commit = off;',
  'BEGIN;',
  '',
].join('\n');

export const partEnd = 'COMMIT;\n';
export const rowsEnd = '\\.\n\n';

/** The line that stands before the rows of a slice. */
export const rowsStart = (table: Pick<TableFacts, 'copyFrom'>) => `${table.copyFrom};\n`;

/** COPY … TO STDOUT of one slice. Only the table itself: children of an inheritance parent are tables of their own. */
export function copyToStdout(table: TableFacts, slice: SlicePlan, encoding: string): string {
  const target = quoteQualified(table.schema, table.name);
  const range = blockRange(slice);
  if (range === '') {
    return `COPY ${target}${table.columns.length > 0 ? ` (${table.columns.join(', ')})` : ''} TO STDOUT${encodingOption(encoding)}`;
  }
  const list = table.columns.map(column => `o.${column}`).join(', ');
  return `COPY (SELECT ${list} FROM ONLY ${target} AS o${range}) TO STDOUT${encodingOption(encoding)}`;
}

/** The same COPY, of rows that are frozen at once: only into a table that was made or truncated in this transaction. */
export function frozen(copyFrom: string): string {
  return / WITH \(ENCODING '[^']*'\)$/.test(copyFrom)
    ? copyFrom.replace(/\)$/, ', FREEZE)')
    : `${copyFrom} WITH (FREEZE)`;
}
