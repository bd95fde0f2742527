import { formatBytes, formatDuration } from '../../log/index.ts';
import { cell, codeBlock, codeSpan, inertText } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import type { AdviseData, AdvisedIndex, AdvisedStatementData } from './data.ts';

export function lines({ data }: Report<AdviseData>): string[] {
  if (!data) return [];
  const offered = data.indexes.filter(each => each.verdict === 'offered');
  return [
    headline(data),
    ...data.indexes.flatMap(each => [
      `${each.verdict}: ${each.sql};`,
      `  ${each.why}${measuresOf(each)}`,
      ...(each.id ? [`  apply it with: ops database apply --index ${each.id}`] : []),
    ]),
    ...data.removals.flatMap(each => [
      `${each.verdict}: ${each.sql}; (${formatBytes(each.bytes)})`,
      `  ${each.reason}; ${each.why}`,
      ...(each.id ? [`  apply it with: ops database apply --index ${each.id}`] : []),
    ]),
    ...data.drift.map(each => `drift: ${each.why}${each.sql.length > 0 ? `: ${each.sql.join('; ')};` : ''}`),
    ...data.notes.map(note => `note: ${note}`),
    ...(offered.length > 0 && data.totalMsAfter !== null ? [totalLine(data)] : []),
  ];
}

function headline({ indexes, removals, changes, copy }: AdviseData): string {
  if (copy.kind === 'none' && indexes.length + removals.length > 0)
    return `Nothing is offered, since nothing could be proved: ${copy.why}`;
  if (changes.length === 0) return 'There is nothing to change: no index would help that is not there already';
  const builds = changes.filter(change => change.kind !== 'drop').length;
  return `${builds} indexes to build and ${changes.length - builds} to drop are offered, each proved on ${placeOf(copy)}`;
}

function placeOf(copy: AdviseData['copy']): string {
  switch (copy.kind) {
    case 'restored':
      return `the restored set ${copy.setId} (snapshot of ${copy.snapshotAt}, ${copy.verdict ?? 'not drilled yet'})`;
    case 'given':
      return copy.display;
    case 'none':
      return 'nothing';
  }
}

function totalLine({ workload, totalMsAfter }: AdviseData): string {
  const share = workload.totalMs > 0 ? Math.round((1 - totalMsAfter! / workload.totalMs) * 100) : 0;
  return `The workload: ${time(workload.totalMs)} now, ${time(totalMsAfter!)} with all that is offered (${share} % less)`;
}

function measuresOf({ bytes, buildSeconds, write }: AdvisedIndex): string {
  const parts: string[] = [];
  if (bytes !== null) parts.push(`${formatBytes(bytes)}, built in ${formatDuration(buildSeconds ?? 0)}`);
  if (write?.insert) parts.push(`1,000 inserts ${slower(write.insert)}`);
  if (write?.update) parts.push(`1,000 updates of its columns ${slower(write.update)}`);
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

function slower({ withoutMs, withMs }: { withoutMs: number; withMs: number }): string {
  return `${withoutMs.toFixed(1)} → ${withMs.toFixed(1)} ms`;
}

export function summary(report: Report<AdviseData>): string {
  const { data, error } = report;
  if (!data) return `## Advice failed\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  return evidence(data, 250_000);
}

/** The evidence as Markdown, cut off at whole rows where it would be longer than `mostCharacters`. */
export function evidence(data: AdviseData, mostCharacters: number): string {
  const room = { left: mostCharacters - 2_000 };
  const offered = data.changes.length > 0;
  const parts = [
    `## ${offered ? 'Indexes that pay' : 'No index to change'}`,
    '',
    inertText(headline(data)),
    '',
    ...(data.totalMsAfter !== null && offered ? [inertText(totalLine(data)), ''] : []),
  ];
  for (const part of parts) room.left -= part.length + 1;
  const add = (section: string[]) => parts.push(...section);
  add(
    table(
      room,
      ['verdict', 'index', 'why', 'size', 'build', '1,000 inserts', '1,000 updates', 'saves'],
      data.indexes.map(indexRow),
    ),
  );
  add(
    table(
      room,
      ['verdict', 'drop', 'size', 'scans', 'why'],
      data.removals.map(each => [
        each.verdict,
        codeSpan(`${each.schema}.${each.name}`),
        formatBytes(each.bytes),
        String(each.scans),
        inertText(`${each.reason}; ${each.why}`),
      ]),
    ),
  );
  add(changesBlock(data, room));
  const told = data.statements.filter(each => each.outcome !== 'same').sort((a, b) => b.totalMs - a.totalMs);
  add(
    table(
      room,
      ['statement', 'calls', 'outcome', 'before', 'after', 'blocks before', 'blocks after', 'text'],
      told.map(statementRow),
    ),
  );
  add(
    table(
      room,
      ['drift', 'index', 'why'],
      data.drift.map(each => [each.kind, codeSpan(`${each.schema}.${each.name}`), inertText(each.why)]),
    ),
  );
  for (const note of data.notes) add(fits(room, [`- ${inertText(note)}`]));
  return `${parts.join('\n')}\n`;
}

function indexRow(each: AdvisedIndex): string[] {
  return [
    each.verdict,
    codeSpan(each.sql),
    inertText(each.why),
    each.bytes === null ? '–' : formatBytes(each.bytes),
    each.buildSeconds === null ? '–' : formatDuration(each.buildSeconds),
    each.write?.insert ? slower(each.write.insert) : '–',
    each.write?.update ? slower(each.write.update) : '–',
    each.savedMs > 0 ? time(each.savedMs) : '–',
  ];
}

function statementRow(each: AdvisedStatementData): string[] {
  const shown = each.text.length > 300 ? `${each.text.slice(0, 300)} …` : each.text;
  return [
    codeSpan(each.fingerprint),
    String(each.calls),
    each.why ? inertText(`${each.outcome}: ${each.why}`) : each.outcome,
    each.beforeMs === null ? '–' : `${each.isBeforeLimit ? 'over ' : ''}${time(each.beforeMs)}`,
    each.afterMs === null ? '–' : time(each.afterMs),
    each.beforeBuffers === null ? '–' : String(each.beforeBuffers),
    each.afterBuffers === null ? '–' : String(each.afterBuffers),
    codeSpan(shown),
  ];
}

function changesBlock({ changes }: AdviseData, room: { left: number }): string[] {
  return changes.flatMap(change =>
    fits(room, [
      `Apply ${codeSpan(change.id)}:`,
      '',
      codeBlock(
        [...change.sql.map(sql => `${sql};`), ...change.rollback.map(sql => `-- to take it back: ${sql};`)],
        'sql',
      ),
      '',
    ]),
  );
}

function table(room: { left: number }, head: string[], rows: string[][]): string[] {
  if (rows.length === 0) return [];
  const lead = [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`];
  const kept: string[] = [];
  for (const row of rows) {
    const line = `| ${row.map(cell).join(' | ')} |`;
    if (fits(room, [line]).length === 0) break;
    kept.push(line);
  }
  const rest = rows.length - kept.length;
  return [...lead, ...kept, '', ...(rest > 0 ? [`${rest} more are in the report.`, ''] : [])];
}

function fits(room: { left: number }, part: string[]): string[] {
  const length = part.reduce((sum, line) => sum + line.length + 1, 0);
  if (length > room.left) return [];
  room.left -= length;
  return part;
}

function time(ms: number): string {
  return ms < 10 ? `${ms.toFixed(2)} ms` : ms < 1000 ? `${ms.toFixed(0)} ms` : formatDuration(ms / 1000);
}
