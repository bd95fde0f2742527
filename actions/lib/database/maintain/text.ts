import { formatDuration } from '../../log/index.ts';
import { codeBlock, codeSpan, inertText } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import type { MaintainData } from './outcome.ts';

export function lines({ data }: Report<MaintainData>): string[] {
  if (!data) return [];
  return [
    ...(data.isDryRun ? ['Nothing was analysed. This would be:'] : []),
    ...(data.analyzed.length === 0 ? ['No table has stale statistics'] : []),
    ...data.analyzed.map(
      ({ table, status, message, seconds }) =>
        `analyze ${table}: ${status}, ${message}${status === 'done' ? ` (${formatDuration(seconds)})` : ''}`,
    ),
    ...(data.leftTables > 0 ? [`${data.leftTables} more are stale, for the next run`] : []),
    ...adviceOf(data).flatMap(({ what, statement }) => [`advice: ${what}`, `  ${statement}`]),
    ...data.notJudged.map(each => `not judged: ${each}`),
  ];
}

export function summary({ data, error }: Report<MaintainData>): string {
  if (!data) return `## Maintenance failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const advice = adviceOf(data);
  return [
    `## ${data.isDryRun ? 'Maintenance planned' : 'Maintained'}`,
    '',
    ...(data.analyzed.length === 0 ? ['No table has stale statistics.'] : []),
    ...data.analyzed.map(
      ({ table, status, message }) => `- ANALYZE ${codeSpan(table)}: ${status}, ${inertText(message)}`,
    ),
    '',
    ...(advice.length > 0
      ? [
          '### Advice',
          '',
          'Nothing of this was done.',
          '',
          ...advice.map(({ what }) => `- ${inertText(what)}`),
          '',
          codeBlock(
            advice.map(({ statement }) => statement),
            'sql',
          ),
          '',
        ]
      : []),
    ...data.notJudged.map(each => `- Not judged: ${inertText(each)}`),
    '',
  ].join('\n');
}

function adviceOf({ autovacuum, tuning }: MaintainData): { what: string; statement: string }[] {
  return [
    ...autovacuum.map(({ table, reason, statement }) => ({ what: `${table}: ${reason}`, statement })),
    ...tuning.map(({ setting, current, reason, needsRestart, statement }) => ({
      what: `${setting} is ${current}: ${reason}${needsRestart ? ' (takes effect after a restart)' : ''}`,
      statement,
    })),
  ];
}
