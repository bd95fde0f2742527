import { formatBytes, formatDuration } from '../../log/index.ts';
import { cell, codeBlock, codeSpan, inertText } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import { pruneMessage, ruleMessage } from './checks.ts';
import type { CleanupData, RuleOutcome } from './outcome.ts';

export function lines({ data }: Report<CleanupData>): string[] {
  if (!data) return [];
  return [
    ...(data.isDryRun ? ['Nothing was deleted. As it is now:'] : []),
    ...data.rules.map(rule => `${ruleMessage(rule)}${measures(rule)}`),
    ...(data.archive
      ? [`archived: ${data.archive.folder} in ${data.archive.destinations.join(', ')}; ${keptFor(data.archive)}`]
      : []),
    ...data.pruned.map(each => pruneMessage(each, data.isDryRun)),
    ...data.vacuumed
      .filter(each => each.status !== 'not needed')
      .map(each => `vacuum ${each.table}: ${each.status === 'done' ? 'done' : `failed, ${each.message}`}`),
    ...data.warnings.flatMap(({ table, message, statement }) => [`${table}: ${message}`, `  ${statement}`]),
    ...data.notWatched.map(each => `not watched: ${each}`),
  ];
}

export function summary({ data, error, checks }: Report<CleanupData>): string {
  if (!data) return `## Clean-up failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const isWell = data.rules.every(rule => rule.status !== 'failed' && rule.status !== 'put off');
  const rows = data.rules.map(rule =>
    [
      codeSpan(rule.table),
      inertText(`${rule.column} before ${rule.before.slice(0, 10)}`),
      rule.condition === null ? '' : codeSpan(rule.condition),
      rule.isArchived ? 'archived' : 'not archived',
      inertText(`${ruleMessage(rule)}${measures(rule)}`),
    ]
      .map(cell)
      .join(' | '),
  );
  const failed = checks.filter(check => check.id === 'database.cleanup.vacuum' && check.status !== 'ok');
  return [
    `## ${data.isDryRun ? 'Clean-up planned' : isWell ? 'Cleaned up' : 'Cleaned up in part'}`,
    '',
    '| table | rows | condition | | |',
    '|---|---|---|---|---|',
    ...rows.map(row => `| ${row} |`),
    '',
    ...(data.archive
      ? [
          `Archived in ${codeSpan(data.archive.folder)} of ${data.archive.destinations.map(codeSpan).join(', ')}${data.archive.isEncrypted ? ', encrypted' : ''}; ${keptFor(data.archive)}. ${codeSpan('RESTORE.md')} there says how to put rows back.`,
          '',
        ]
      : []),
    ...data.pruned.map(each => `- ${inertText(pruneMessage(each, data.isDryRun))}`),
    ...failed.map(check => `- ${inertText(check.message)}`),
    ...(data.warnings.length > 0
      ? [
          'Indexes that would make it quicker:',
          '',
          codeBlock(
            data.warnings.map(each => each.statement),
            'sql',
          ),
          '',
        ]
      : []),
    ...data.notWatched.map(each => `- Not watched: ${inertText(each)}`),
    '',
  ].join('\n');
}

function keptFor({ keptSeconds }: NonNullable<CleanupData['archive']>): string {
  return keptSeconds === null
    ? 'kept until somebody removes it, since database.cleanup.keepArchives is not set'
    : `kept for ${formatDuration(keptSeconds)}`;
}

function measures({ batches, seconds, pausedSeconds, archivedBytes }: RuleOutcome): string {
  if (batches === 0) return '';
  const paused = pausedSeconds > 0 ? [`paused for ${formatDuration(pausedSeconds)}`] : [];
  const archived = archivedBytes > 0 ? [`${formatBytes(archivedBytes)} archived`] : [];
  return ` (${[`${batches} ${batches === 1 ? 'batch' : 'batches'}`, formatDuration(seconds), ...paused, ...archived].join(', ')})`;
}
