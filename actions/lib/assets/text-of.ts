import { formatBytes, formatCount, formatRatio } from '../log/index.ts';
import { cell, codeSpan, inertText } from '../markdown/index.ts';
import type { Report } from '../reports/index.ts';
import { subjectOf } from './checks.ts';
import type { AssetsData } from './data.ts';

/** What a person reads in a terminal, verdict first. */
export function linesOf({ data, checks, status }: Report<AssetsData>): string[] {
  if (!data) return [];
  const broken = checks.filter(check => check.status !== 'ok').map(check => check.message);
  return [
    `${status === 'ok' ? 'Fine' : 'Not fine'}: ${headline(data)}`,
    ...broken.map(message => `  ✗ ${message}`),
    ...data.byType.map(
      ({ type, files, bytes, savedBytes, possibleBytes }) =>
        `  ${type.padEnd(10)} ${formatCount(files).padStart(7)} files  ${formatBytes(bytes).padStart(10)}${saving(savedBytes, possibleBytes)}`,
    ),
    ...data.changes
      .slice(0, 15)
      .map(
        change =>
          `  ${change.path}  ${formatBytes(change.before)} → ${formatBytes(change.after)} (−${formatRatio(1 - change.after / change.before)}${change.score === null ? '' : `, score ${change.score.toFixed(1)}`})`,
      ),
    ...data.left.slice(0, 20).map(({ path, reason }) => `  left as it is: ${path}: ${reason}`),
    ...(data.leftFiles > 20 ? [`  … and ${formatCount(data.leftFiles - 20)} more files left as they are`] : []),
    ...(data.manifest === null ? [] : [`Manifest: ${data.manifest}`]),
  ];
}

function headline(data: AssetsData): string {
  const { files, bytes, savedBytes, possibleBytes, writtenFiles, cachedFiles } = data;
  const parts = [`${formatCount(files)} files, ${formatBytes(bytes)}`];
  if (savedBytes > 0) parts.push(`${formatBytes(savedBytes)} saved`);
  if (possibleBytes > 0) parts.push(`${formatBytes(possibleBytes)} could go`);
  if (writtenFiles > 0) parts.push(`${formatCount(writtenFiles)} files written`);
  if (cachedFiles > 0) parts.push(`${formatCount(cachedFiles)} unchanged since the last run`);
  return parts.join(', ');
}

function saving(savedBytes: number, possibleBytes: number): string {
  if (savedBytes > 0) return `  −${formatBytes(savedBytes)}`;
  return possibleBytes > 0 ? `  −${formatBytes(possibleBytes)} possible` : '';
}

const titles: Readonly<Record<AssetsData['mode'], string>> = {
  check: 'Assets checked',
  optimize: 'Assets optimised',
  merge: 'Assets merged',
};

/** The step summary. Every name and reason is from elsewhere. */
export function summaryOf({ data, checks, status, error }: Report<AssetsData>): string {
  if (!data) return `## Assets: failed\n\n${inertText(error ? `${error.code}: ${error.message}` : '')}\n`;
  const broken = checks.filter(check => check.status !== 'ok');
  return [
    `## ${titles[data.mode]}${status === 'ok' ? '' : ': not fine'}`,
    `${inertText(headline(data))}.`,
    broken.map(({ message }) => `- ❌ ${inertText(message)}`).join('\n'),
    table(
      ['type', 'files', 'bytes', 'saved', 'possible'],
      data.byType.map(({ type, files, bytes, savedBytes, possibleBytes }) => [
        type,
        formatCount(files),
        formatBytes(bytes),
        formatBytes(savedBytes),
        formatBytes(possibleBytes),
      ]),
    ),
    section('Savings', changeTable(data.changes)),
    section('Budgets', budgetTable(data.budgets)),
    section(
      'Heaviest files',
      table(
        ['file', 'bytes'],
        data.heaviest.map(({ path, bytes }) => [codeSpan(path), formatBytes(bytes)]),
      ),
    ),
    section('Left as they are', leftTable(data.left, data.leftFiles)),
    section(
      'Trend',
      table(
        ['run', 'bytes'],
        data.trend.map(({ at, bytes }) => [at.slice(0, 16).replace('T', ' '), formatBytes(bytes)]),
      ),
    ),
  ]
    .filter(part => part !== '')
    .join('\n\n')
    .concat('\n');
}

export function changeTable(changes: AssetsData['changes'], most = 50): string {
  const rows = changes
    .slice(0, most)
    .map(({ path, before, after, score, isHeavy, isTaken }) => [
      `${isTaken ? '✅ ' : isHeavy ? '❌ ' : ''}${codeSpan(path)}`,
      formatBytes(before),
      formatBytes(after),
      `−${formatRatio(1 - after / before)}`,
      score === null ? '' : score.toFixed(1),
    ]);
  return withMore(table(['file', 'before', 'after', 'saved', 'score'], rows), changes.length - most);
}

export function budgetTable(budgets: AssetsData['budgets'], most = 30): string {
  const rows = budgets
    .slice(0, most)
    .map(budget => [
      `${budget.isBroken ? '❌' : '✅'} ${inertText(subjectOf(budget))}`,
      formatBytes(budget.bytes),
      formatBytes(budget.limitBytes),
    ]);
  return withMore(table(['budget', 'now', 'limit'], rows), budgets.length - most);
}

export function leftTable(left: AssetsData['left'], all: number, most = 30): string {
  const rows = left.slice(0, most).map(({ path, reason }) => [codeSpan(path), inertText(reason)]);
  return withMore(table(['file', 'why'], rows), all - rows.length);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function withMore(text: string, more: number): string {
  return text !== '' && more > 0 ? `${text}\n\n… and ${formatCount(more)} more.` : text;
}

function section(title: string, content: string): string {
  return content === '' ? '' : `<details><summary>${title}</summary>\n\n${content}\n\n</details>`;
}
