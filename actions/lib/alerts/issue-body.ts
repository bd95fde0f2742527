import { createHash } from 'node:crypto';
import { mostBodyCharacters } from '../github/index.ts';
import { formatBytes, formatCount, formatDuration, formatRatio } from '../log/index.ts';
import { cell, codeBlock, codeSpan, flat, inertText, link } from '../markdown/index.ts';
import type { Reason } from './actions.ts';
import { alertKey } from './desired.ts';
import { runbookOf } from './runbooks.ts';
import { sparkline } from './sparkline.ts';
import { type AlertState, encodeMarker, type Member } from './state.ts';

/** What a body says beside the state; the same for all alerts of a repository. */
export interface IssueText {
  /** Name of what is operated. */
  platform: string;
  /** Where a person reads a report; undefined when it is published nowhere. */
  reportUrl(kind: string, reportId: string): string | undefined;
}

/** `Critical: The newest backup is older than the objective allows (shop)`; changes with the severity alone. */
export function issueTitle({ id, target, severity }: AlertState): string {
  const on = target === null ? '' : ` (${clip(flat(target), 100)})`;
  // No Markdown in titles, but mentions in what is made of them.
  return `${capital(severity)}: ${runbookOf({ id, target }).title}${on}`.replaceAll('@', '@\u200b');
}

/** The whole body, the marker first. The same state makes the same body, so an unchanged one is not written again. */
export function issueBody(state: AlertState, text: IssueText): string {
  const body = [
    encodeMarker(state),
    headline(state),
    '',
    `> ${inertText(state.reading.message)}`,
    '',
    ...(state.members ? memberTable(state.members, state.unlisted) : facts(state)),
    '',
    ...chart(state),
    ...runbookLines(state),
    '',
    ...links(state, text),
    '',
    `<sub>Kept by Production Ops for ${inertText(text.platform)}: the text above is written anew while it lasts, so put notes in a comment. It closes by itself when the check is well. Close it by hand, and it stays closed until it was well and is breached again.</sub>`,
  ].join('\n');
  if (body.length <= mostBodyCharacters) return body;
  // What is foreign is bounded, so this is a runbook that somebody wrote a book into.
  return `${body.slice(0, mostBodyCharacters - 2)}\n…`;
}

/** What a person is told when an issue changes; undefined changes need no comment. */
export function commentBody(reason: Reason, before: AlertState, state: AlertState, into?: number): string {
  return `${commentMarker(reason, before, state)}\n${commentText(reason, before, state, into)}`;
}

/** Tells a comment from every other one, so that one whose answer was lost is not written twice. */
export function commentMarker(reason: Reason, before: AlertState, state: AlertState): string {
  const identity = [reason, state.key, before.since, before.notifiedAt, state.severity, state.episodes];
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 20);
  return `<!-- ops-alert-comment ${hash} -->`;
}

function commentText(reason: Reason, before: AlertState, state: AlertState, into: number | undefined): string {
  const { reading, severity } = state;
  const message = `> ${inertText(reading.message)}`;
  const run = reading.runUrl === null ? '' : ` ${link('The run', reading.runUrl)}.`;
  switch (reason) {
    case 'reopened':
      return `**Breached again**: ${severity}, since ${time(state.since)}.${run}\n\n${message}`;
    case 'severity':
      return `**${capital(before.severity)} → ${severity}**, since ${time(state.since)}.${run}\n\n${message}`;
    case 'repeat':
      return `**Still ${severity}**, for ${lasted(state.since, reading.at)}.${run}\n\n${message}`;
    case 'joined':
      return `**More alerts joined**: ${state.reading.value ?? 0} now; the list above is up to date.${run}`;
    case 'recovered':
      return `**Well again** since ${time(state.clearSince ?? reading.at)}, after ${lasted(state.since, state.clearSince ?? reading.at)}.${run}\n\n${message}`;
    case 'merged':
      return `Two runs opened the same alert at the same time. It goes on in #${into ?? 0}.`;
  }
}

function headline({ severity, since, clearSince, closedAt, members }: AlertState): string {
  if (closedAt !== null) return `**Well again** since ${time(clearSince ?? closedAt)}. It was ${severity}.`;
  if (clearSince !== null)
    return `**Well since ${time(clearSince)}**, and closed when that has lasted. It was ${severity}.`;
  return `**${capital(severity)}** since ${time(since)}${members ? `: ${members.length} alerts` : ''}`;
}

function facts(state: AlertState): string[] {
  const { reading, id, target, severity, since, episodes } = state;
  const rows: [string, string][] = [
    ['Check', codeSpan(id)],
    ...(target === null ? [] : ([['Measured on', codeSpan(target)]] as [string, string][])),
    ...(reading.value === null
      ? []
      : ([['Value', inertText(quantity(reading.value, reading.unit))]] as [string, string][])),
    ...(reading.threshold === null
      ? []
      : ([['Threshold', inertText(quantity(reading.threshold, reading.unit))]] as [string, string][])),
    ['Severity', severity],
    ['Since', time(since)],
    ['Last measured', time(reading.at)],
    ...(episodes > 1 ? ([['Times opened', String(episodes)]] as [string, string][]) : []),
  ];
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${cell(value)} |`)];
}

function memberTable(members: readonly Member[], unlisted: number): string[] {
  const rows = members.map(member => {
    const status = member.clearSince === null ? member.severity : `well since ${time(member.clearSince)}`;
    return `| ${status} | ${cell(codeSpan(alertKey(member)))} | ${time(member.since)} | ${cell(inertText(member.message))} |`;
  });
  const table = ['| | Check | Since | |', '|---|---|---|---|'];
  // The marker holds them all; the table may be cut.
  let room = mostBodyCharacters / 2;
  let shown = 0;
  for (const row of rows) {
    room -= row.length + 1;
    if (room < 0) break;
    table.push(row);
    shown++;
  }
  const hidden = rows.length - shown + unlisted;
  return hidden > 0 ? [...table, '', `And ${hidden} more.`] : table;
}

function chart({ recent, reading }: AlertState): string[] {
  if (recent.length < 2) return [];
  const values = recent.map(([, value]) => value);
  const first = new Date(recent[0]![0] * 1000).toISOString();
  const range = `min ${quantity(Math.min(...values), reading.unit)} · max ${quantity(Math.max(...values), reading.unit)} · now ${quantity(values.at(-1)!, reading.unit)}`;
  return [`The last ${values.length} values, since ${time(first)}:`, '', codeBlock([sparkline(values), range]), ''];
}

function runbookLines({ id, target }: AlertState): string[] {
  const { meaning, steps, commands } = runbookOf({ id, target });
  return [
    '### What it means',
    '',
    meaning,
    '',
    '### What to do',
    '',
    ...steps.map((step, index) => `${index + 1}. ${step}`),
    ...(commands.length > 0 ? ['', codeBlock(commands, 'sh')] : []),
  ];
}

function links({ kind, reading }: AlertState, text: IssueText): string[] {
  const reportUrl = text.reportUrl(kind, reading.reportId);
  const all = [
    reportUrl ? link('Report', reportUrl) : `Report ${codeSpan(reading.reportId)}`,
    ...(reading.runUrl === null ? [] : [link('Run', reading.runUrl)]),
  ];
  return [all.join(' · ')];
}

/** A value as a person reads it, by its unit. */
export function quantity(value: number, unit: string): string {
  if (/^seconds?$/i.test(unit)) return formatDuration(value);
  if (/^bytes?$/i.test(unit)) return formatBytes(value);
  if (/^ratio$/i.test(unit)) return formatRatio(value);
  const number = Number.isInteger(value) ? formatCount(value) : String(Number(value.toPrecision(4)));
  return unit === '' ? number : `${number} ${unit}`;
}

/** `2026-11-23 02:14 UTC` */
export function time(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

function lasted(from: string, to: string): string {
  return formatDuration(Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000));
}

function capital(word: string): string {
  return `${word[0]!.toUpperCase()}${word.slice(1)}`;
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
