import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { TextFile, TextKind, TextOutcome } from './outcome.ts';
import type { Encoding, PrecompressSettings } from './precompress.ts';

export interface TextJob {
  /** Without a kind it is only compressed. */
  file: Omit<TextFile, 'kind'> & { kind: TextKind | null };
  /** Of what comes out of it; of its own bytes when it stays as it is. */
  precompress: PrecompressSettings | null;
}

export interface TextDone {
  outcome: TextOutcome;
  encodings: { encoding: Encoding; bytes: Uint8Array }[];
}

/** Threads that minify and compress, one for each core. */
export interface TextPool extends AsyncDisposable {
  readonly size: number;
  /** @throws the reason of the signal; Error when a thread died, or was ended for taking too long, for the job that it had */
  run(job: TextJob): Promise<TextDone>;
}

interface Waiting {
  job: TextJob;
  resolve: (done: TextDone) => void;
  reject: (reason: unknown) => void;
}

interface Thread {
  worker: Worker;
  current: Waiting | undefined;
  late: NodeJS.Timeout | undefined;
}

/** Many times what the largest file takes that is worked on: whatever takes longer does not end. */
const mostMs = 5 * 60_000;

// Beside the source it is TypeScript, which Node reads; beside a bundle it is a bundle of its own (scripts/build.ts).
const workerUrl = new URL(import.meta.url.endsWith('.ts') ? './text-worker.ts' : './text-worker.mjs', import.meta.url);

export function createTextPool(
  signal: AbortSignal,
  { size = availableParallelism(), timeoutMs = mostMs } = {},
): TextPool {
  const queue: Waiting[] = [];
  const threads: Thread[] = [];
  let isClosed = false;

  const start = (): Thread => {
    const thread: Thread = { worker: new Worker(workerUrl), current: undefined, late: undefined };
    const fail = (error: Error) => {
      if (!threads.includes(thread)) return;
      threads.splice(threads.indexOf(thread), 1);
      taken(thread)?.reject(error);
      if (!isClosed) next();
    };
    thread.worker.on('message', (answer: { isBegun: true } | { done: TextDone } | { failure: string }) => {
      if ('isBegun' in answer) {
        thread.late = setTimeout(() => end(thread), timeoutMs).unref();
        return;
      }
      const current = taken(thread);
      if ('done' in answer) current?.resolve(answer.done);
      else current?.reject(new Error(answer.failure));
      next();
    });
    thread.worker.once('error', fail);
    thread.worker.once('exit', code => fail(new Error(`a thread ended with exit code ${code}`)));
    // A pool that nobody waits for must not keep the process.
    thread.worker.unref();
    threads.push(thread);
    return thread;
  };

  const next = (): void => {
    while (queue.length > 0) {
      const idle = threads.find(({ current }) => current === undefined);
      const thread = idle ?? (threads.length < size ? start() : undefined);
      if (!thread) return;
      thread.current = queue.shift()!;
      thread.worker.postMessage(thread.current.job);
    }
  };

  /** Nothing else stops a minifier that does not come to an end. */
  const end = (thread: Thread): void => {
    threads.splice(threads.indexOf(thread), 1);
    taken(thread)?.reject(new Error(`it was not done after ${timeoutMs / 1000} seconds`));
    void thread.worker.terminate();
    next();
  };

  const stop = () => {
    for (const { reject } of queue.splice(0)) reject(signal.reason);
    for (const thread of threads.splice(0)) {
      taken(thread)?.reject(signal.reason);
      void thread.worker.terminate();
    }
  };
  signal.addEventListener('abort', stop, { once: true });

  return {
    size,
    run(job) {
      if (signal.aborted) return Promise.reject(signal.reason);
      // The loop of the main thread holds nothing while it waits for a thread that does not: this does.
      const waiting = Promise.withResolvers<TextDone>();
      const alive = setInterval(() => {}, 1 << 30);
      queue.push({ job, resolve: waiting.resolve, reject: waiting.reject });
      next();
      return waiting.promise.finally(() => clearInterval(alive));
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      signal.removeEventListener('abort', stop);
      await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()));
    },
  };
}

/** The job of a thread, which it has no more. */
function taken(thread: Thread): Waiting | undefined {
  const { current } = thread;
  clearTimeout(thread.late);
  thread.current = undefined;
  return current;
}
