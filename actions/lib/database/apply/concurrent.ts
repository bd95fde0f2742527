import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { OpsError, toOpsError } from '../../errors/index.ts';
import { formatDuration, type Log, type Progress } from '../../log/index.ts';
import type { ApplyOptions } from './options.ts';
import { judgeDuring, readPressure } from './pressure.ts';
import type { ApplySessions } from './sessions.ts';
import { single } from './single.ts';

export interface RunContext {
  sessions: ApplySessions;
  options: ApplyOptions;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

/** The work was ended by us; what it had made so far is a leftover now. */
export class Stopped extends Error {
  readonly why: 'too long' | 'pressure' | 'cancelled';
  constructor(why: Stopped['why'], message: string) {
    super(message);
    this.why = why;
  }
}

const pressureEverySeconds = 5;

/**
 * One statement that takes as long as it takes, on the working connection, outside a transaction. Meanwhile its progress
 * is shown, and it is cancelled when it takes too long, when replicas fall too far behind, or when the run is aborted;
 * it has always ended when this returns.
 * @throws Stopped; else what pg throws
 */
export async function runConcurrently(context: RunContext, statement: string, label: string): Promise<void> {
  const { sessions, options, progress, signal } = context;
  const pid = sessions.workPid();
  const task = progress.start(label, 100, percent => `${Math.floor(percent)}`);
  let isOver = false;
  const done = sessions
    .work()
    .query(single(statement))
    .then(
      () => undefined,
      (error: unknown) => error ?? new OpsError('INTERNAL', 'A statement failed without saying why'),
    )
    .finally(() => {
      isOver = true;
    });
  const startedAt = Date.now();
  let stop: Stopped | undefined;
  let shown = 0;
  let pressureAt = startedAt;
  try {
    while (!isOver) {
      await Promise.race([done, tick(options.pollSeconds, signal)]);
      if (isOver) break;
      const seconds = (Date.now() - startedAt) / 1000;
      if (signal.aborted) stop ??= new Stopped('cancelled', 'the run was cancelled');
      else if (seconds > options.buildTimeoutSeconds)
        stop ??= new Stopped('too long', `it was not done within ${formatDuration(options.buildTimeoutSeconds)}`);
      try {
        if (!stop && Date.now() - pressureAt >= pressureEverySeconds * 1000) {
          pressureAt = Date.now();
          const verdict = judgeDuring(await readPressure(sessions.control(), sessions.target, options), options);
          if (verdict.kind === 'stop') stop = new Stopped('pressure', verdict.reason);
        }
        // Said again at each look: a cancel that comes between two statements is lost.
        if (stop) await sessions.control().query('select pg_catalog.pg_cancel_backend($1)', [pid]);
        else shown = await advance(sessions.control(), pid, task, shown);
      } catch {
        // Looking on failed; when the server is gone, the work itself says so.
        await Promise.race([done, wait(options.pollSeconds * 1000)]);
      }
    }
  } finally {
    task.done();
  }
  const error = await done;
  if (error !== undefined) throw stop ?? error;
}

/** Resolves after so many seconds, or at once when the run is aborted. */
async function tick(seconds: number, signal: AbortSignal): Promise<void> {
  // Once it is aborted only the clock counts, or this would spin until the server has cancelled.
  await wait(signal.aborted ? 50 : seconds * 1000, undefined, signal.aborted ? {} : { signal }).catch(() => {});
}

interface ProgressRow {
  phase: string;
  blocksTotal: number;
  blocksDone: number;
  tuplesTotal: number;
  tuplesDone: number;
  lockersTotal: number;
  lockersDone: number;
}

async function advance(
  client: pg.Client,
  pid: number,
  task: ReturnType<Progress['start']>,
  shown: number,
): Promise<number> {
  const { rows } = await client.query<ProgressRow>(
    `select phase, blocks_total::float8 as "blocksTotal", blocks_done::float8 as "blocksDone",
            tuples_total::float8 as "tuplesTotal", tuples_done::float8 as "tuplesDone",
            lockers_total::float8 as "lockersTotal", lockers_done::float8 as "lockersDone"
       from pg_catalog.pg_stat_progress_create_index where pid = $1`,
    [pid],
  );
  const now = rows[0] ? percentOf(rows[0]) : shown;
  if (now > shown) task.advance(now - shown);
  return Math.max(shown, now);
}

/**
 * Where in the whole a phase lies: scanning and sorting take most of it, validation reads the index and the table once
 * more. The phases: https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PHASES
 */
export function percentOf(row: ProgressRow): number {
  const [from, to] = spans.find(([pattern]) => pattern.test(row.phase))?.[1] ?? [0, 0];
  const [done, total] = row.phase.startsWith('waiting')
    ? [row.lockersDone, row.lockersTotal]
    : row.tuplesTotal > 0 && row.phase !== 'building index: scanning table'
      ? [row.tuplesDone, row.tuplesTotal]
      : [row.blocksDone, row.blocksTotal];
  return from + (to - from) * (total > 0 ? Math.min(1, done / total) : 0);
}

const spans: readonly [RegExp, readonly [number, number]][] = [
  [/^(initializing|waiting for writers before build)/, [0, 2]],
  [/^building index: scanning table/, [2, 35]],
  [/^building index/, [35, 65]],
  [/^waiting for writers before validation/, [65, 67]],
  [/^index validation: scanning index/, [67, 77]],
  [/^index validation: sorting/, [77, 82]],
  [/^index validation: scanning table/, [82, 95]],
  [/^waiting/, [95, 100]],
];

/** What to do about an attempt that failed. */
export type AfterFailure = 'retry' | 'defer' | 'fail' | 'cancel';

/**
 * Locks and lost connections come and go: another try, and when none is left the change is put off. Everything else is
 * the same the next time.
 */
export function afterFailure(error: unknown, attempt: number, attempts: number): AfterFailure {
  if (error instanceof Stopped) {
    return error.why === 'cancelled' ? 'cancel' : error.why === 'pressure' ? 'defer' : 'fail';
  }
  if (toOpsError(error).code === 'CANCELLED') return 'cancel';
  const code = (error as { code?: string }).code ?? '';
  // lock_not_available, deadlock_detected.
  const isLocked = code === '55P03' || code === '40P01' || code === 'PG_LOCKED';
  const isLost = /^(57P0[1-4]|08...|PG_LOST|PG_UNREACHABLE|ECONN\w+|EPIPE)$/.test(code) || isLostMessage(error);
  if (!isLocked && !isLost) return 'fail';
  if (attempt < attempts) return 'retry';
  return isLocked ? 'defer' : 'fail';
}

export function isLostMessage(error: unknown): boolean {
  return error instanceof Error && /connection terminated|not queryable|client was closed/i.test(error.message);
}
