import { setTimeout as wait } from 'node:timers/promises';

export interface RetryOptions {
  /** How often it is tried in all. */
  attempts: number;
  isTransient(error: unknown): boolean;
  /** What the store asked us to wait (`Retry-After`), if it did. */
  retryAfterSeconds?(error: unknown): number | undefined;
  signal?: AbortSignal | undefined;
}

const firstDelayMs = 200;
const longestDelayMs = 5_000;
const longestRetryAfterSeconds = 60;

/** Runs `attempt` (numbered from 1) until it succeeds, fails for good, or `attempts` is reached; throws the last error. */
export async function retry<T>(attempt: (number: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let number = 1; ; number++) {
    options.signal?.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      if (number >= options.attempts || options.signal?.aborted || !options.isTransient(error)) throw error;
      const asked = Math.min(options.retryAfterSeconds?.(error) ?? 0, longestRetryAfterSeconds) * 1000;
      await wait(Math.max(asked, jitter(number)), undefined, { signal: options.signal });
    }
  }
}

/** Full jitter: clients that failed together must not come back together. */
function jitter(number: number): number {
  return Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** number);
}
