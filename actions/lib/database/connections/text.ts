import { formatCount, formatDuration, formatRatio } from '../../log/index.ts';
import { cell, codeSpan, flat, inertText } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import type { ConnectionsData } from './data.ts';

type Counts = ConnectionsData['byState'];

const groupsOf = (data: ConnectionsData): readonly [string, Counts][] => [
  ['state', data.byState],
  ['user', data.byUser],
  ['application', data.byApplication],
  ['database', data.byDatabase],
  ['waits for', data.byWait],
];

/** What a person reads in a terminal, verdict first. */
export function connectionsLines({ checks, data }: Report<ConnectionsData>): string[] {
  if (!data) return [];
  return [
    usedText(data),
    ...checks.filter(({ status }) => status !== 'ok').map(({ status, message }) => `  ${status}: ${flat(message)}`),
    ...groupsOf(data)
      .filter(([, counts]) => counts.length > 0)
      .map(
        ([what, counts]) =>
          `  ${what}: ${counts.map(({ name, connections }) => `${flat(name)} ${connections}`).join(', ')}`,
      ),
    ...(data.oldest
      ? [
          `  oldest: session ${data.oldest.pid} of ${flat(data.oldest.user ?? 'somebody')}, ${formatDuration(data.oldest.seconds)}`,
        ]
      : []),
    ...(data.oldestTransactionSeconds === null
      ? []
      : [`  oldest transaction: ${formatDuration(data.oldestTransactionSeconds)}`]),
    ...(data.pooler?.pools ?? []).map(
      pool =>
        `  pool ${flat(pool.database)} of ${flat(pool.user)} (${pool.mode}): ${pool.clientsActive} clients, ${pool.clientsWaiting} waiting, ${pool.serversActive} of ${pool.serversActive + pool.serversIdle} servers busy`,
    ),
    `  ${forecastText(data)}`,
  ];
}

/** The step summary. */
export function connectionsSummary({ checks, data, error }: Report<ConnectionsData>): string {
  if (!data)
    return `## The connections were not seen\n\n${inertText(error?.message ?? '')}\n\n${inertText(error?.hint ?? '')}\n`;
  const rows = groupsOf(data).flatMap(([what, counts]) =>
    counts.map(({ name, connections }) => `| ${what} | ${cell(codeSpan(name))} | ${formatCount(connections)} |`),
  );
  const pools = (data.pooler?.pools ?? []).map(
    pool =>
      `| ${[codeSpan(pool.database), codeSpan(pool.user), pool.mode, String(pool.clientsActive), String(pool.clientsWaiting), `${pool.serversActive} of ${pool.serversActive + pool.serversIdle}`, formatDuration(pool.maxWaitSeconds)].map(cell).join(' | ')} |`,
  );
  return [
    `## ${usedText(data)}`,
    '',
    ...checks.filter(({ status }) => status !== 'ok').map(({ message }) => `- ${inertText(message)}`),
    '',
    `${forecastText(data)}.`,
    '',
    '| by | | connections |',
    '|---|---|---|',
    ...rows,
    '',
    ...(pools.length > 0
      ? [
          '| pool | user | mode | clients | waiting | servers busy | longest wait |',
          '|---|---|---|---|---|---|---|',
          ...pools,
          '',
        ]
      : []),
  ].join('\n');
}

function usedText({ used, max, reserved, usedRatio }: ConnectionsData): string {
  return `${formatCount(used)} of ${formatCount(max - reserved)} connections are used (${formatRatio(usedRatio)})`;
}

export function forecastText({ forecast, max, reserved }: ConnectionsData): string {
  switch (forecast.kind) {
    case 'too short':
      return `The history is too short for a forecast: ${formatCount(forecast.points)} measurements over ${forecast.days.toFixed(1)} days`;
    case 'not growing':
      return 'The number of connections does not grow towards its limit';
    case 'full':
      return `At the present growth all ${formatCount(max - reserved)} connections are in use on ${forecast.at.slice(0, 10)}, in ${forecast.days.toFixed(0)} days`;
  }
}
