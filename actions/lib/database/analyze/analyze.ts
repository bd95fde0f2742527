import { sourceDatabase } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { formatBytes, formatCount } from '../../log/index.ts';
import { parsePostgresUrl } from '../../postgres/index.ts';
import { type Check, type Operation, type Status, worstStatus } from '../../reports/index.ts';
import { type DatabaseHistory, openHistory } from '../history/index.ts';
import { type DatabaseSession, openSession, type Unseen } from '../session/index.ts';
import { readStatements, type StatementsProblem } from '../workload/index.ts';
import { type Given, type HealthCheck, type History, healthChecks, noHistory, unusedNow } from './checks/index.ts';
import { type AnalyzeData, analyzeDataSchema, type HealthData } from './data.ts';
import { driftHealth } from './drift.ts';
import { type CollectedFacts, collectFacts } from './facts/index.ts';
import { measureBloat } from './measure.ts';
import { type AnalysedStatements, analyseStatements, statementChecks } from './statements.ts';
import { analyzeLines, analyzeSummary } from './text.ts';

export const analyzeOperation: Operation<Record<string, never>, AnalyzeData> = {
  kind: 'database.analyze',
  dataSchema: analyzeDataSchema,
  async execute(_input, context) {
    await using session = await openSession(sourceDatabase(context), {
      applicationName: 'production-ops analyze',
      signal: context.signal,
    });
    return await analyse(session, context);
  },
  lines: analyzeLines,
  summary: analyzeSummary,
};

async function analyse(session: DatabaseSession, context: OpsContext): Promise<{ data: AnalyzeData; checks: Check[] }> {
  const config = context.config.database;
  const history = openHistory(context);
  const before = await previousOf(history, session.database);
  const facts = await collectFacts(session, {
    config,
    replicas: (context.secrets.databaseReplicaUrls ?? []).map(parsePostgresUrl),
    now: context.now(),
    signal: context.signal,
  });
  const given: Given = {
    config,
    measured: await measureBloat(session, facts, config),
    history: await historyOf(history, before, session.database),
  };
  const judged = healthChecks.map(check => judge(check, facts, given));
  const drift = await driftHealth(session, config);

  const { statements: raw, problem } = await readStatements(session);
  const analysed = raw && (await analyseStatements(session, raw, before?.reading ?? undefined, facts, config));
  const unseen = [...facts.unseen, ...hiddenStatements(raw?.hidden ?? 0, facts)];
  const size = facts.databases.find(({ isCurrent }) => isCurrent)?.bytes ?? null;
  const data: AnalyzeData = {
    database: session.database,
    server: versionOf(session.versionNum),
    isReplica: session.isInRecovery,
    databaseBytes: size,
    statementCount: analysed?.count ?? 0,
    window: analysed ? windowOf(analysed) : null,
    health: [...judged, ...drift.map(({ health }) => health)],
    statements: analysed?.statements ?? [],
    tables: largestTables(facts),
    progress: facts.progress,
    unseen,
    unusedSince: unusedSince(facts, given),
    reading: analysed?.reading ?? null,
  };
  const checks = [
    ...judged.map(each => checkOf(each, session.database)),
    ...drift.map(({ check }) => check),
    statisticsCheck(problem, session.database),
    ...(analysed
      ? [...statementChecks(analysed, session.database, config), plansCheck(analysed, session.database)]
      : []),
    seenCheck(unseen, session.database),
    sizeCheck(size, session.database),
  ];
  return { data, checks };
}

async function previousOf(history: DatabaseHistory, database: string): Promise<AnalyzeData | undefined> {
  const report = await history.latest('database.analyze', database);
  // A report of another version may look different: it is no history then.
  return analyzeDataSchema.safeParse(report?.data).data;
}

async function historyOf(
  history: DatabaseHistory,
  before: AnalyzeData | undefined,
  database: string,
): Promise<History> {
  if (!before) return noHistory;
  const sizes = await history.points('database.size', database, 90);
  return {
    previousAt: before.reading ? new Date(before.reading.at) : new Date(0),
    unusedSince: new Map(Object.entries(before.unusedSince).map(([name, since]) => [name, new Date(since)])),
    sizes: sizes.map(({ at, value }) => ({ at, bytes: value })),
  };
}

const mostFindings = 50;

function judge(check: HealthCheck, facts: CollectedFacts, given: Given): HealthData {
  const { id, title, meaning, unit } = check;
  const failed = check.needs.flatMap(name => facts.failures.get(name) ?? [])[0];
  if (failed) {
    return {
      id,
      title,
      meaning,
      unit,
      status: 'unknown',
      value: null,
      threshold: null,
      note: `not known: ${failed.message}`,
      findings: [],
      findingsLeftOut: 0,
    };
  }
  const { value, threshold, findings, note } = check.judge(facts, given);
  const status: Status = worstStatus(findings.map(({ severity }) => severity));
  return {
    id,
    title,
    meaning,
    unit,
    status,
    value,
    threshold,
    note: note ?? null,
    findings: findings.slice(0, mostFindings),
    findingsLeftOut: Math.max(0, findings.length - mostFindings),
  };
}

function checkOf(
  { id, title, status, value, threshold, unit, note, findings, findingsLeftOut }: HealthData,
  target: string,
): Check {
  const count = findings.length + findingsLeftOut;
  const first = findings[0];
  const message = first
    ? `${formatCount(count)} ${title}: ${first.message}${count > 1 ? ', and others' : ''}${note ? `. ${note}` : ''}`
    : (note ?? `No ${title}`);
  return { id, target, status, value, threshold, unit, message };
}

function statisticsCheck(problem: StatementsProblem | undefined, target: string): Check {
  return {
    id: 'database.statements.counted',
    target,
    status: problem ? 'warning' : 'ok',
    value: null,
    threshold: null,
    unit: 'statements',
    message: problem ? `${problem.what}. ${problem.mend.join(' ')}` : 'Statements are counted',
  };
}

function plansCheck({ statements }: AnalysedStatements, target: string): Check {
  const costly = statements.filter(({ findings }) => findings.length > 0);
  const first = costly[0];
  return {
    id: 'database.plans',
    target,
    // Reported only where the statement itself stands out: a costly plan that hardly anybody asks for is no alarm.
    status: costly.some(({ reasons }) => reasons.length > 0) ? 'warning' : 'ok',
    value: costly.length,
    threshold: 0,
    unit: 'statements',
    message: first
      ? `${formatCount(costly.length)} of the costliest statements have plans that could cost less: ${first.findings[0]!.message}`
      : 'Nothing in the plans of the costliest statements stands out',
  };
}

function hiddenStatements(hidden: number, { privileges }: CollectedFacts): Unseen[] {
  if (hidden === 0 || !privileges.readsAllStats) return [];
  return [
    { what: `${formatCount(hidden)} statements without a text`, grant: 'GRANT pg_read_all_stats TO CURRENT_USER;' },
  ];
}

/** One line for all that is hidden: a check of its own for each would be an alarm for each. */
function seenCheck(unseen: readonly Unseen[], target: string): Check {
  const first = unseen[0];
  return {
    id: 'database.seen',
    target,
    status: first ? 'unknown' : 'ok',
    value: unseen.length,
    threshold: 0,
    unit: 'things',
    message: first
      ? `Not seen: ${unseen.map(({ what, grant }) => `${what} (${grant})`).join('; ')}`
      : 'Everything was seen',
  };
}

function sizeCheck(bytes: number | null, target: string): Check {
  const message = bytes === null ? 'The size is not shown to this role' : `The database has ${formatBytes(bytes)}`;
  return { id: 'database.size', target, status: 'ok', value: bytes, threshold: null, unit: 'bytes', message };
}

function windowOf({ deltas }: AnalysedStatements): AnalyzeData['window'] {
  return { kind: deltas.kind, from: deltas.from?.toISOString() ?? null, seconds: deltas.seconds };
}

const mostTables = 20;

function largestTables({ tables, indexes }: CollectedFacts): AnalyzeData['tables'] {
  const indexBytes = new Map<number, number>();
  for (const { tableOid, bytes } of indexes) indexBytes.set(tableOid, (indexBytes.get(tableOid) ?? 0) + bytes);
  return tables
    .map(table => ({
      name: `${table.schema}.${table.name}`,
      rows: table.rows,
      bytes: table.mainBytes + table.toastBytes,
      indexBytes: indexBytes.get(table.oid) ?? 0,
    }))
    .sort((a, b) => b.bytes + b.indexBytes - (a.bytes + a.indexBytes))
    .slice(0, mostTables);
}

/** Since when each index is known to be there and not used; for the first report, since the statistics began. */
function unusedSince(facts: CollectedFacts, given: Given): AnalyzeData['unusedSince'] {
  if (facts.isInRecovery || !facts.counters) return {};
  const { previousAt, unusedSince: known } = given.history;
  const since = (name: string) => known.get(name) ?? (previousAt === null ? new Date(facts.counters!.since) : facts.at);
  return Object.fromEntries(
    unusedNow(facts, given)
      .sort((a, b) => b.bytes - a.bytes)
      .slice(0, 1000)
      .map(({ schema, name }) => [`${schema}.${name}`, since(`${schema}.${name}`).toISOString()]),
  );
}

/** `150018` → `15.18` */
function versionOf(versionNum: number): string {
  return `${Math.floor(versionNum / 10_000)}.${versionNum % 10_000}`;
}
