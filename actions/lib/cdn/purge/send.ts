import { OpsError, toOpsError } from '../../errors/index.ts';
import type { Log, Progress } from '../../log/index.ts';
import { retry } from '../../retry/index.ts';
import { CdnError } from '../cdn-error.ts';
import type { PurgePlan, PurgeProvider } from './request.ts';

export interface SendOptions {
  log: Log;
  progress: Progress;
  signal: AbortSignal;
  /** How often one call is tried in all. */
  attempts?: number;
}

const defaultAttempts = 6;

/**
 * Sends the calls one after the other: their limits are on what is in progress.
 * @returns the ids that the CDN gave
 * @throws what `send` throws; the message says how many calls had been carried out before
 */
export async function sendPlan(provider: PurgeProvider, plan: PurgePlan, options: SendOptions): Promise<string[]> {
  const { log, signal, attempts = defaultAttempts } = options;
  const task = options.progress.start('purging', plan.calls.length);
  const ids: string[] = [];
  for (const [index, call] of plan.calls.entries()) {
    try {
      const id = await retry(
        async number => {
          if (number > 1) log.info(`${call.summary}: trying again`, { attempt: number });
          return provider.send(call.body, signal);
        },
        {
          attempts,
          signal,
          isTransient: error => error instanceof CdnError && error.isTransient,
          retryAfterSeconds: error => (error instanceof CdnError ? error.retryAfterSeconds : undefined),
        },
      );
      if (id !== undefined) ids.push(id);
      task.advance(1);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = toOpsError(thrown);
      if (plan.calls.length === 1) throw error;
      throw new OpsError(
        error.code,
        `${error.message}; ${index} of ${plan.calls.length} calls were carried out before`,
        {
          ...(error.hint && { hint: error.hint }),
          cause: error,
        },
      );
    }
  }
  task.done();
  return ids;
}
