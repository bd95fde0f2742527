import type { DatabaseConfig } from '../../config/index.ts';
import { formatCount, formatDuration, formatRatio } from '../../log/index.ts';
import type { Check } from '../../reports/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import {
  type Deltas,
  deltasOf,
  type MeasuredStatement,
  measureStatements,
  type RawStatements,
  type Reading,
  readingOf,
} from '../workload/index.ts';
import type { StatementData } from './data.ts';
import type { CollectedFacts } from './facts/index.ts';
import { explainStatements } from './plans/explain.ts';
import { type PlanContext, readPlan, tableKey } from './plans/read-plan.ts';

export interface AnalysedStatements {
  deltas: Deltas;
  statements: StatementData[];
  reading: Reading;
  count: number;
}

/** In a report; the reading knows more. */
const mostShown = 100;

/** What the statements cost in the window, which of them stand out, and what their plans say. */
export async function analyseStatements(
  session: DatabaseSession,
  raw: RawStatements,
  previous: Reading | undefined,
  facts: CollectedFacts,
  config: DatabaseConfig,
): Promise<AnalysedStatements> {
  const limits = config.statements;
  const all = await measureStatements(raw.statements);
  const own = all.filter(({ isSystem }) => !isSystem);
  const deltas = deltasOf(own, previous, {
    at: facts.at,
    resetAt: raw.resetAt,
    isSlow: ({ calls, meanMs }) => meanMs >= limits.slowMs && calls >= limits.slowCalls,
  });
  const delta = (statement: MeasuredStatement) => deltas.statements.get(statement.fingerprint)!;
  const costliest = own
    .filter(statement => delta(statement).calls > 0)
    .sort((a, b) => delta(b).totalMs - delta(a).totalMs);
  const totalMs = costliest.reduce((sum, statement) => sum + delta(statement).totalMs, 0);
  const described = costliest.map(statement => describe(statement, deltas, totalMs, limits));
  const shown = described
    .filter((statement, place) => place < limits.explained || statement.reasons.length > 0)
    .slice(0, mostShown);

  const byFingerprint = new Map(own.map(statement => [statement.fingerprint, statement]));
  const explainable = shown
    .map(({ fingerprint }) => byFingerprint.get(fingerprint)!)
    .filter(({ kind }) => kind !== 'utility' && kind !== 'unread')
    .slice(0, limits.explained);
  const plans = new Map((await explainStatements(session, explainable)).map(each => [each.fingerprint, each]));
  const context = planContext(facts, config);
  const statements = shown.map((statement): StatementData => {
    const measured = byFingerprint.get(statement.fingerprint)!;
    const explained = plans.get(statement.fingerprint);
    if (explained?.plan === undefined) return { ...statement, planProblem: explained?.problem ?? noPlan(measured) };
    // What a statement that writes affected is not what the part that reads returns.
    const rowsPerCall = measured.kind === 'select' ? statement.rowsPerCall : null;
    const findings = readPlan(explained.plan, {
      ...context,
      rowsPerCall,
      tempBytesPerCall: statement.tempBytesPerCall,
    });
    return { ...statement, cost: explained.plan['Total Cost'], findings };
  });
  return { deltas, statements, reading: readingOf(own, deltas, facts.at, raw.resetAt), count: own.length };
}

function noPlan({ kind }: MeasuredStatement): string | null {
  if (kind === 'utility') return 'a command has no plan';
  return kind === 'unread' ? 'its text is cut off, or cannot be parsed' : null;
}

function describe(
  statement: MeasuredStatement,
  deltas: Deltas,
  allMs: number,
  limits: DatabaseConfig['statements'],
): StatementData {
  const delta = deltas.statements.get(statement.fingerprint)!;
  const callsPerSecond = deltas.seconds === null ? null : delta.calls / deltas.seconds;
  const totalRatio = allMs === 0 ? 0 : delta.totalMs / allMs;
  const { meanMs, previousMeanMs } = delta;
  const isSlower =
    meanMs !== null &&
    previousMeanMs !== null &&
    delta.calls >= limits.slowCalls &&
    meanMs >= previousMeanMs * limits.slowerFactor &&
    meanMs - previousMeanMs >= 1;
  const isSlow = delta.slowSince !== null;
  const reads = statement.blocksHit + statement.blocksRead;
  return {
    fingerprint: statement.fingerprint,
    queryIds: statement.queryIds.slice(0, 5),
    text: statement.text.length > longestText ? `${statement.text.slice(0, longestText)} …` : statement.text,
    reasons: [
      ...(isSlow ? (['slow'] as const) : []),
      // One of a handful of statements takes a large share of nothing.
      ...(totalRatio >= limits.heavyRatio && delta.totalMs >= heavyMs ? (['heavy'] as const) : []),
      ...((callsPerSecond ?? 0) >= limits.frequentPerSecond ? (['frequent'] as const) : []),
      ...(isSlower ? (['slower'] as const) : []),
      ...(delta.isNew && isSlow ? (['new'] as const) : []),
    ],
    calls: delta.calls,
    callsPerSecond,
    totalMs: delta.totalMs,
    totalRatio,
    meanMs,
    previousMeanMs,
    maxMs: statement.maxMs,
    rowsPerCall: statement.rows / Math.max(1, statement.calls),
    cacheHitRatio: reads === 0 ? null : statement.blocksHit / reads,
    tempBytesPerCall: (statement.tempBlocksWritten * blockBytes) / Math.max(1, statement.calls),
    slowSince: delta.slowSince?.toISOString() ?? null,
    cost: null,
    planProblem: null,
    findings: [],
  };
}

const heavyMs = 60_000;
const longestText = 2000;
const blockBytes = 8192;

function planContext(
  facts: CollectedFacts,
  config: DatabaseConfig,
): Omit<PlanContext, 'rowsPerCall' | 'tempBytesPerCall'> {
  const kilobytes = Number(facts.settings.get('work_mem')?.value ?? 4096);
  const multiplier = Number(facts.settings.get('hash_mem_multiplier')?.value ?? 1);
  return {
    tables: new Map(
      facts.tables.map(table => [
        tableKey(table.schema, table.name),
        {
          rows: Math.max(table.rows ?? 0, table.liveRows),
          isAnalysed: table.rows !== null || table.analyzedAt !== null,
        },
      ]),
    ),
    workMemBytes: kilobytes * 1024,
    hashMemBytes: kilobytes * 1024 * multiplier,
    sequentialRows: config.thresholds.sequentialRows,
  };
}

/** One check for each way to stand out; the report's data has the statements. */
export function statementChecks({ statements }: AnalysedStatements, database: string, config: DatabaseConfig): Check[] {
  const limits = config.statements;
  const worst = (list: readonly StatementData[], value: (statement: StatementData) => number) =>
    list.length === 0 ? 0 : Math.max(...list.map(value));
  const check = (
    id: string,
    reason: StatementData['reasons'][number],
    unit: string,
    threshold: number,
    value: number,
    says: (statement: StatementData) => string,
  ): Check => {
    const found = statements.filter(({ reasons }) => reasons.includes(reason));
    const first = found[0];
    const message = first
      ? `${found.length === 1 ? 'One statement' : `${formatCount(found.length)} statements`}: ${says(first)}: ${short(first.text)}`
      : 'None';
    return { id, target: database, status: first ? 'warning' : 'ok', value, threshold, unit, message };
  };
  const called = statements.filter(({ calls }) => calls >= limits.slowCalls);
  return [
    check(
      'database.statements.slow',
      'slow',
      'milliseconds',
      limits.slowMs,
      worst(called, s => s.meanMs ?? 0),
      s => `${milliseconds(s.meanMs ?? 0)} on average${s.slowSince ? `, slow since ${s.slowSince}` : ''}`,
    ),
    check(
      'database.statements.heavy',
      'heavy',
      'ratio',
      limits.heavyRatio,
      worst(statements, s => s.totalRatio),
      s => `${formatRatio(s.totalRatio)} of the time of all, ${formatDuration(s.totalMs / 1000)}`,
    ),
    check(
      'database.statements.frequent',
      'frequent',
      'calls per second',
      limits.frequentPerSecond,
      worst(statements, s => s.callsPerSecond ?? 0),
      s => `${formatCount(Math.round(s.callsPerSecond ?? 0))} calls a second`,
    ),
    check(
      'database.statements.slower',
      'slower',
      'statements',
      0,
      statements.filter(({ reasons }) => reasons.includes('slower')).length,
      s => `${milliseconds(s.previousMeanMs ?? 0)} before, ${milliseconds(s.meanMs ?? 0)} now`,
    ),
  ];
}

export function milliseconds(value: number): string {
  return value < 1000 ? `${value.toPrecision(3)} ms` : formatDuration(value / 1000);
}

function short(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)} …` : text;
}
