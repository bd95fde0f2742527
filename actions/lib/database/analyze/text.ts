import { formatBytes, formatCount, formatDuration, formatRatio } from '../../log/index.ts';
import { cell, codeBlock, codeSpan, flat, inertText } from '../../markdown/index.ts';
import type { Report, Status } from '../../reports/index.ts';
import type { AnalyzeData, HealthData, StatementData } from './data.ts';
import { milliseconds } from './statements.ts';

/** What a person reads in a terminal, verdict first. */
export function analyzeLines({ checks, data }: Report<AnalyzeData>): string[] {
  if (!data) return [];
  const found = data.health.filter(({ findings, status }) => findings.length > 0 || status === 'unknown');
  const others = checks.filter(({ id, status }) => status !== 'ok' && !data.health.some(health => health.id === id));
  return [
    `${verdict(data, checks)}: ${data.database}, PostgreSQL ${data.server}${data.isReplica ? ' (replica)' : ''}, ${data.databaseBytes === null ? 'size unknown' : formatBytes(data.databaseBytes)}`,
    ...others.map(({ status, message }) => `  ${status}: ${flat(message)}`),
    ...found.flatMap(health => [
      `  ${health.status}: ${health.title} (${health.id})${health.note ? `: ${flat(health.note)}` : ''}`,
      ...health.findings
        .slice(0, shownFindings)
        .flatMap(({ message, mend }) => [`    ${flat(message)}`, ...mend.map(sql => `      ${flat(sql)}`)]),
      ...(health.findings.length + health.findingsLeftOut > shownFindings
        ? [
            `    and ${formatCount(health.findings.length + health.findingsLeftOut - shownFindings)} more, in the report`,
          ]
        : []),
    ]),
    ...(data.statements.length > 0 ? [`  Statements, costliest first, ${windowText(data)}:`] : []),
    ...data.statements
      .slice(0, shownStatements)
      .flatMap(statement => [
        `    ${formatRatio(statement.totalRatio)}, ${formatCount(statement.calls)} calls of ${milliseconds(statement.meanMs ?? 0)}${reasonsText(statement)}: ${flat(statement.text).slice(0, 160)}`,
        ...statement.findings.flatMap(({ message, suggestion, mend }) => [
          `      ${flat(message)}. ${flat(suggestion)}`,
          ...mend.map(sql => `        ${flat(sql)}`),
        ]),
      ]),
    ...data.progress.map(
      ({ what, relation, phase, ratio }) =>
        `  running: ${what} of ${flat(relation)}, ${phase}${ratio === null ? '' : ` ${formatRatio(ratio)}`}`,
    ),
  ];
}

const shownFindings = 5;
const shownStatements = 10;
const shownInSummary = 20;

/** The step summary. */
export function analyzeSummary({ checks, data, error }: Report<AnalyzeData>): string {
  if (!data)
    return `## The database was not analysed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const found = data.health.filter(({ findings }) => findings.length > 0);
  const unknown = checks.filter(({ status }) => status === 'unknown');
  return [
    `## ${verdict(data, checks)}: ${codeSpan(data.database)}`,
    '',
    `PostgreSQL ${data.server}${data.isReplica ? ', a replica' : ''}; ${data.databaseBytes === null ? 'size unknown' : formatBytes(data.databaseBytes)}; ${formatCount(data.statementCount)} statements${data.window ? `, ${windowText(data)}` : ' not counted'}.`,
    '',
    ...checks
      .filter(({ id, status }) => status === 'warning' && !data.health.some(health => health.id === id))
      .map(({ message }) => `- ${mark('warning')} ${inertText(message)}`),
    ...unknown.map(({ message }) => `- ${mark('unknown')} ${inertText(message)}`),
    '',
    ...found.flatMap(healthSection),
    ...statementsSection(data),
    ...tablesSection(data),
  ].join('\n');
}

function healthSection(health: HealthData): string[] {
  const { status, title, meaning, findings, findingsLeftOut, note } = health;
  const mends = findings.slice(0, shownInSummary).flatMap(({ mend }) => mend);
  return [
    `### ${mark(status)} ${formatCount(findings.length + findingsLeftOut)} ${title}`,
    '',
    inertText(`${meaning}${note ? ` ${note}.` : ''}`),
    '',
    ...findings.slice(0, shownInSummary).map(({ message }) => `- ${inertText(message)}`),
    ...(findings.length + findingsLeftOut > shownInSummary ? ['- …'] : []),
    '',
    ...(mends.length > 0 ? [codeBlock(mends, 'sql'), ''] : []),
  ];
}

function statementsSection(data: AnalyzeData): string[] {
  if (data.statements.length === 0) return [];
  const shown = data.statements.slice(0, shownInSummary);
  const rows = shown.map(statement =>
    [
      formatRatio(statement.totalRatio),
      formatCount(statement.calls),
      milliseconds(statement.meanMs ?? 0),
      reasonsText(statement).replace(/^, /, ''),
      codeSpan(flat(statement.text).slice(0, 200)),
    ]
      .map(cell)
      .join(' | '),
  );
  return [
    `### Statements, costliest first`,
    '',
    '| share of time | calls | mean | | statement |',
    '|---|---|---|---|---|',
    ...rows.map(row => `| ${row} |`),
    '',
    ...shown
      .filter(({ findings }) => findings.length > 0)
      .flatMap(({ text, findings }) => [
        `- ${codeSpan(flat(text).slice(0, 100))}`,
        ...findings.flatMap(({ message, suggestion, mend }) => [
          `  - ${inertText(`${message}. ${suggestion}`)}${mend.map(sql => ` ${codeSpan(sql)}`).join('')}`,
        ]),
      ]),
    '',
  ];
}

function tablesSection({ tables }: AnalyzeData): string[] {
  return [
    '### Largest tables',
    '',
    '| table | rows | size | indexes |',
    '|---|---|---|---|',
    ...tables
      .slice(0, 10)
      .map(
        ({ name, rows, bytes, indexBytes }) =>
          `| ${[codeSpan(name), rows === null ? 'never analysed' : formatCount(rows), formatBytes(bytes), formatBytes(indexBytes)].map(cell).join(' | ')} |`,
      ),
    '',
  ];
}

function verdict(data: AnalyzeData, checks: readonly { status: Status }[]): string {
  const count = checks.filter(({ status }) => status === 'warning' || status === 'critical').length;
  if (count > 0) return `${formatCount(count)} of ${formatCount(checks.length)} checks found something`;
  return checks.some(({ status }) => status === 'unknown')
    ? 'Nothing was found in what was seen'
    : `Nothing is wrong with ${data.tables.length === 0 ? 'an empty database' : 'the database'}`;
}

function windowText({ window }: AnalyzeData): string {
  if (!window || window.seconds === null) return 'since their counters began';
  const length = formatDuration(window.seconds);
  return window.kind === 'since'
    ? `in the ${length} since the last report`
    : `in the ${length} since their counters began`;
}

function reasonsText({ reasons, slowSince }: StatementData): string {
  const since = slowSince ? ` since ${slowSince}` : '';
  return reasons.map(reason => `, ${reason}${reason === 'slow' ? since : ''}`).join('');
}

function mark(status: Status): string {
  return { ok: '✅', warning: '⚠️', critical: '❌', unknown: '❔' }[status];
}
