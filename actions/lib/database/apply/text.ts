import { formatBytes, formatDuration } from '../../log/index.ts';
import { cell, codeBlock, codeSpan, inertText } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import type { ApplyData } from './operation.ts';
import type { ChangeOutcome } from './outcome.ts';

const allDeclared = 'Every declared index is there';

export function lines({ data }: Report<ApplyData>): string[] {
  if (!data) return [];
  const planned = data.isDryRun ? ['Nothing was changed. This would run:'] : [];
  return [
    ...data.mended.map(each => `mended: ${each.schema}.${each.index} of run ${each.reportId}: ${each.message}`),
    ...planned,
    ...(data.isDeclared && data.changes.length === 0 ? [allDeclared] : []),
    ...data.changes.flatMap(change => [
      `${change.kind} ${change.index} on ${change.table}: ${change.status}, ${change.message}${measures(change)}`,
      ...(data.isDryRun ? change.statements.map(sql => `  ${sql};`) : []),
      ...(change.rollback.length > 0 ? [`  to take it back: ${change.rollback.join(' ')}`] : []),
    ]),
    ...data.leftovers.map(
      each => `LEFT: ${each.schema}.${each.index} (${each.origin}): ${each.message}. ${each.statement}`,
    ),
    ...data.notGuarded.map(each => `not watched: ${each}`),
  ];
}

/** Also of a run that has no report yet. */
export function summary({ data, error, checks }: Pick<Report<ApplyData>, 'data' | 'error' | 'checks'>): string {
  if (!data) return `## Changes failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const isWell = checks.every(check => check.status === 'ok');
  const rows = data.changes.map(change =>
    [
      change.kind,
      codeSpan(change.index),
      codeSpan(change.table),
      change.status,
      inertText(`${change.message}${measures(change)}`),
    ]
      .map(cell)
      .join(' | '),
  );
  const rollback = data.changes.flatMap(change => change.rollback);
  return [
    `## ${data.isDryRun ? 'Changes planned' : isWell ? 'Changes applied' : 'Changes applied in part'}`,
    '',
    ...(data.changes.length > 0
      ? ['| change | index | table | outcome | |', '|---|---|---|---|---|', ...rows.map(row => `| ${row} |`), '']
      : [data.isDeclared ? `${allDeclared}.` : 'Nothing was chosen.', '']),
    ...(data.isDryRun
      ? [
          codeBlock(
            data.changes.flatMap(change => change.statements.map(sql => `${sql};`)),
            'sql',
          ),
          '',
        ]
      : []),
    ...(rollback.length > 0 ? ['To take it back:', '', codeBlock(rollback, 'sql'), ''] : []),
    ...data.mended.map(
      each => `- Mended ${codeSpan(each.index)}, begun by run ${each.reportId}: ${inertText(each.message)}`,
    ),
    ...data.leftovers.map(
      each =>
        `- **Half made**: ${codeSpan(`${each.schema}.${each.index}`)} (${each.origin}): ${inertText(each.message)}. ${codeSpan(each.statement)}`,
    ),
    ...data.notGuarded.map(each => `- Not watched: ${inertText(each)}`),
    '',
  ].join('\n');
}

function measures(change: ChangeOutcome): string {
  const parts = [
    ...(change.attempts > 1 ? [`${change.attempts} tries`] : []),
    ...(change.status === 'done' ? [formatDuration(change.seconds)] : []),
    ...(change.status === 'done' && change.sizeBytes !== null ? [formatBytes(change.sizeBytes)] : []),
    ...(change.planner && change.planner.asked > 0
      ? [`used for ${change.planner.used} of ${change.planner.asked} statements`]
      : []),
  ];
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
}
