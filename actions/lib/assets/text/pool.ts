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
  /** @throws the reason of the signal; Error when a thread died, for the job that it had */
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
}

// Beside the source it is TypeScript, which Node reads; beside a bundle it is a bundle of its own (scripts/build.ts).
const workerUrl = new URL(import.meta.url.endsWith('.ts') ? './text-worker.ts' : './text-worker.mjs', import.meta.url);

export function createTextPool(signal: AbortSignal, size = availableParallelism()): TextPool {
  const queue: Waiting[] = [];
  const threads: Thread[] = [];
  let isClosed = false;

  const start = (): Thread => {
    const thread: Thread = { worker: new Worker(workerUrl), current: undefined };
    const fail = (error: Error) => {
      const { current } = thread;
      thread.current = undefined;
      threads.splice(threads.indexOf(thread), 1);
      current?.reject(error);
      if (!isClosed) next();
    };
    thread.worker.on('message', (answer: { done: TextDone } | { failure: string }) => {
      const { current } = thread;
      thread.current = undefined;
      if ('done' in answer) current?.resolve(answer.done);
      else current?.reject(new Error(answer.failure));
      next();
    });
    thread.worker.once('error', fail);
    thread.worker.once('exit', code => {
      if (threads.includes(thread)) fail(new Error(`a thread ended with exit code ${code}`));
    });
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

  const stop = () => {
    for (const { reject } of queue.splice(0)) reject(signal.reason);
    for (const { worker, current } of threads.splice(0)) {
      current?.reject(signal.reason);
      void worker.terminate();
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
