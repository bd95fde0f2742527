import { sourceDatabase } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { formatCount, formatDuration, formatRatio } from '../../log/index.ts';
import { parsePostgresUrl } from '../../postgres/index.ts';
import { type Check, type LibraryOptions, libraryContext, type Operation } from '../../reports/index.ts';
import { openHistory, type Point, saturation } from '../history/index.ts';
import { openSession, unseenOf } from '../session/index.ts';
import { type ConnectionsData, connectionsDataSchema } from './data.ts';
import { readPooler } from './pgbouncer.ts';
import { readSessions, type SessionCounts } from './sessions.ts';
import { connectionsLines, connectionsSummary, forecastText } from './text.ts';

export const connectionsOperation: Operation<Record<string, never>, ConnectionsData> = {
  kind: 'database.connections',
  dataSchema: connectionsDataSchema,
  async execute(_input, context) {
    const { counts, database, unseen } = await look(context);
    const { pooler, problem } = await askPooler(context);
    const points = await openHistory(context).points('database.connections.used', database, historyDays, 'max');
    const data: ConnectionsData = {
      database,
      ...counts,
      forecast: forecastOf([...points, { at: context.now(), value: counts.used }], counts),
      pooler: pooler ?? null,
      poolerProblem: problem ? `${problem.message}. ${problem.hint ?? ''}`.trim() : null,
      unseen,
    };
    return { data, checks: checksOf(data, context) };
  },
  lines: connectionsLines,
  summary: connectionsSummary,
};

/**
 * Who is connected, how full the server and its pools are, and when they will be full, as a library.
 * @throws OpsError as the command does: `CONFIG_MISSING_VALUE`, `PG_AUTH`, `PG_TOO_MANY`, …
 */
export async function getConnectionPoolStatus(options: LibraryOptions = {}): Promise<ConnectionsData> {
  return (await connectionsOperation.execute({}, libraryContext(options))).data;
}

/** The daily highest of a season. */
const historyDays = 90;

async function look(context: OpsContext) {
  await using session = await openSession(sourceDatabase(context), {
    applicationName: 'production-ops connections',
    signal: context.signal,
  });
  const counts = await readSessions(session);
  // What tables it may read is no matter here.
  const unseen = unseenOf({ ...session.privileges, hiddenTables: 0, hiddenSequences: 0 }, session.major);
  return { counts, database: session.database, unseen };
}

/** The database is known without its pooler: one that does not answer is a check, not a failure. */
async function askPooler(context: OpsContext) {
  const url = context.secrets.pgbouncerAdminUrl;
  if (!url) return {};
  const target = parsePostgresUrl(url);
  try {
    return { pooler: await readPooler(target, { signal: context.signal }) };
  } catch (thrown) {
    if (context.signal.aborted || !(thrown instanceof OpsError)) throw thrown;
    return { problem: thrown };
  }
}

function forecastOf(points: readonly Point[], { max, reserved }: SessionCounts): ConnectionsData['forecast'] {
  const forecast = saturation(points, max - reserved);
  return forecast.kind === 'full' ? { ...forecast, at: forecast.at.toISOString() } : forecast;
}

function checksOf(data: ConnectionsData, context: OpsContext): Check[] {
  const { connections: limits, thresholds } = context.config.database;
  const target = data.database;
  const { used, max, reserved, usedRatio, forecast, pooler } = data;
  const idleSeconds = data.oldestIdleInTransactionSeconds ?? 0;
  const isSoon = forecast.kind === 'full' && forecast.days * 86_400 <= limits.fullWithin;
  const checks: Check[] = [
    {
      id: 'database.connections.used',
      target,
      status: usedRatio >= limits.critical ? 'critical' : usedRatio >= limits.warning ? 'warning' : 'ok',
      value: used,
      threshold: Math.floor((max - reserved) * limits.warning),
      unit: 'connections',
      message: `${formatCount(used)} of ${formatCount(max - reserved)} connections are used (${formatRatio(usedRatio)}); ${formatCount(reserved)} more are reserved`,
    },
    {
      id: 'database.connections.forecast',
      target,
      status: isSoon ? 'warning' : 'ok',
      value: forecast.kind === 'full' ? forecast.days : null,
      threshold: limits.fullWithin / 86_400,
      unit: 'days',
      message: forecastText(data),
    },
    {
      id: 'database.connections.idle-in-transaction',
      target,
      status: idleSeconds >= thresholds.idleInTransaction ? 'warning' : 'ok',
      value: data.idleInTransaction,
      threshold: null,
      unit: 'connections',
      message:
        data.idleInTransaction === 0
          ? 'No connection is idle in a transaction'
          : `${formatCount(data.idleInTransaction)} connections are idle in a transaction, the longest for ${formatDuration(idleSeconds)}`,
    },
  ];
  if (data.unseen[0]) {
    checks.push({
      id: 'database.seen',
      target,
      status: 'unknown',
      value: data.hidden,
      threshold: 0,
      unit: 'sessions',
      message: `${formatCount(data.hidden)} sessions of others are only counted: ${data.unseen.map(({ grant }) => grant).join(' ')}`,
    });
  }
  if (pooler || data.poolerProblem !== null) checks.push(poolCheck(data, limits.poolWait));
  return checks;
}

function poolCheck({ database, pooler, poolerProblem }: ConnectionsData, limit: number): Check {
  const common = { id: 'database.connections.pool-wait', target: database, threshold: limit, unit: 'seconds' };
  if (!pooler)
    return { ...common, status: 'unknown', value: null, message: `PgBouncer was not seen: ${poolerProblem}` };
  const worst = [...pooler.pools].sort((a, b) => b.maxWaitSeconds - a.maxWaitSeconds)[0];
  const value = worst?.maxWaitSeconds ?? 0;
  return {
    ...common,
    status: value >= limit ? 'warning' : 'ok',
    value,
    message:
      worst && worst.clientsWaiting > 0
        ? `${formatCount(worst.clientsWaiting)} clients of ${worst.user} wait for a connection to ${worst.database}, the longest for ${formatDuration(value)}: all ${formatCount(worst.serversActive)} of its pool are in use`
        : 'No client waits for a connection of its pool',
  };
}
