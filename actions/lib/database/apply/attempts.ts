import { setTimeout as wait } from 'node:timers/promises';
import { toOpsError } from '../../errors/index.ts';
import { pgError } from '../../postgres/index.ts';
import { afterFailure, type RunContext, Stopped } from './concurrent.ts';
import { Deferred, Refused, type StepResult } from './outcome.ts';

/** Tries again after locks and lost connections; what is wrong with one change is its outcome and nobody else's. */
export interface Attempts {
  label: string;
  /** One try, from looking at the catalog to the check of what was made. */
  once(): Promise<StepResult>;
  /** Puts away what a try that failed has left; says what it could not. `quick`: the run is being ended. */
  clearUp(quick: boolean): Promise<string | undefined>;
  /** What ran so far. */
  statements: string[];
}

const longestDelaySeconds = 120;

/** @throws OpsError CANCELLED when the run was aborted, after clearing up; nothing else */
export async function tryChange(
  context: RunContext,
  { label, once, clearUp, statements }: Attempts,
): Promise<StepResult> {
  const { options, log, sessions, signal } = context;
  const ended = (status: StepResult['status'], message: string, attempts: number): StepResult => ({
    status,
    message,
    statements,
    attempts,
    sizeBytes: null,
  });
  for (let attempt = 1; ; attempt++) {
    try {
      return { ...(await once()), attempts: attempt };
    } catch (thrown) {
      if (thrown instanceof Deferred) return ended('deferred', `put off: ${thrown.message}`, attempt - 1);
      if (thrown instanceof Refused) return ended('refused', thrown.message, attempt - 1);
      const next = signal.aborted ? 'cancel' : afterFailure(thrown, attempt, options.attempts);
      const said = messageOf(context, thrown);
      const left = await clearUpAfter(context, clearUp, next === 'cancel').catch(
        (error: unknown) => `what it left could not be put away: ${messageOf(context, error)}`,
      );
      const message = left === undefined ? said : `${said}; ${left}`;
      switch (next) {
        case 'cancel':
          throw toOpsError(new DOMException('aborted', 'AbortError'));
        case 'defer':
          return ended('deferred', `put off: ${message}`, attempt);
        case 'fail':
          return ended('failed', message, attempt);
        case 'retry': {
          const seconds = delaySeconds(attempt, options.retryDelaySeconds);
          log.warn(
            `${label}: ${message}; trying again in ${Math.round(seconds)} s (${attempt + 1} of ${options.attempts})`,
          );
          await wait(seconds * 1000, undefined, { signal });
        }
      }
    }
  }

  async function clearUpAfter(of: RunContext, clear: Attempts['clearUp'], quick: boolean): Promise<string | undefined> {
    if (!(await isAlive(of))) await sessions.reopen();
    return clear(quick);
  }
}

/** Both connections answer. */
async function isAlive({ sessions }: RunContext): Promise<boolean> {
  try {
    await Promise.all([sessions.control().query('select 1'), sessions.work().query('select 1')]);
    return true;
  } catch {
    return false;
  }
}

/** Doubled each time; half of it is chance, so that two tools that met once do not meet again. */
export function delaySeconds(attempt: number, first: number): number {
  const whole = Math.min(longestDelaySeconds, first * 2 ** (attempt - 1));
  return whole / 2 + (Math.random() * whole) / 2;
}

function messageOf({ sessions }: RunContext, thrown: unknown): string {
  if (thrown instanceof Stopped) return thrown.message;
  const { code, message, hint } = pgError(thrown, sessions.target);
  return code === 'PG_LOCKED' || code === 'PG_QUERY' || !hint ? message : `${message}. ${hint.replace(/\.$/, '')}`;
}
