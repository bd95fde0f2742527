import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { OpsError } from '../../errors/index.ts';
import { createMemoryGate } from './memory-gate.ts';
import type { ImageRequest } from './optimize.ts';
import type { ImageOutcome } from './outcome.ts';

export interface ImagePoolOptions {
  /** Images at the same time. Default: the cores of the machine. */
  concurrency?: number;
  /** What pixels and encoders of all of them may take together. Default: 420 MB, so that a process stays below 600. */
  memoryBytes?: number;
}

export type PooledRequest = Omit<ImageRequest, 'gate'>;

/** Threads that work on images, one for each core, within one bound of memory. */
export interface ImagePool extends AsyncDisposable {
  readonly concurrency: number;
  /** @throws the reason of the request's signal; OpsError `IMAGE_THREAD` when its thread died */
  optimize(request: PooledRequest): Promise<ImageOutcome>;
}

export type ToWorker =
  | { kind: 'work'; path: string; bytes: Uint8Array; settings: ImageRequest['settings'] }
  | { kind: 'granted'; ticket: number }
  | { kind: 'abort' };

export type FromWorker =
  | { kind: 'done'; outcome: ImageOutcome }
  | { kind: 'failed'; message: string }
  | { kind: 'hold'; ticket: number; bytes: number }
  | { kind: 'release'; ticket: number };

interface Waiting {
  request: PooledRequest;
  resolve: (outcome: ImageOutcome) => void;
  reject: (reason: unknown) => void;
}

interface Thread {
  worker: Worker;
  current: Waiting | undefined;
  holds: Map<number, () => void>;
}

// Beside the source it is TypeScript, which Node reads; beside a bundle it is a bundle of its own.
const workerUrl = new URL(
  import.meta.url.endsWith('.ts') ? './image-worker.ts' : './image-worker.mjs',
  import.meta.url,
);

export function createImagePool(options: ImagePoolOptions = {}): ImagePool {
  const concurrency = Math.max(1, options.concurrency ?? availableParallelism());
  const gate = createMemoryGate(options.memoryBytes ?? 420e6);
  const queue: Waiting[] = [];
  const threads = new Set<Thread>();
  let isClosed = false;

  const start = (): Thread => {
    const thread: Thread = { worker: new Worker(workerUrl), current: undefined, holds: new Map() };
    const died = (reason: unknown) => {
      if (!threads.delete(thread)) return;
      settle(thread, waiting => waiting.reject(threadDied(waiting.request.path, reason)));
    };
    thread.worker.on('message', (message: FromWorker) => received(thread, message));
    thread.worker.once('error', died);
    thread.worker.once('exit', code => died(`exit code ${code}`));
    // A pool that nobody waits for must not keep the process.
    thread.worker.unref();
    threads.add(thread);
    return thread;
  };

  const received = (thread: Thread, message: FromWorker): void => {
    switch (message.kind) {
      case 'hold':
        void gate.hold(message.bytes).then(release => {
          // It may have died while it waited.
          if (!threads.has(thread)) return release();
          thread.holds.set(message.ticket, release);
          thread.worker.postMessage({ kind: 'granted', ticket: message.ticket } satisfies ToWorker);
        });
        return;
      case 'release':
        thread.holds.get(message.ticket)?.();
        thread.holds.delete(message.ticket);
        return;
      case 'done':
        settle(thread, waiting => waiting.resolve(withBuffers(message.outcome)));
        return;
      case 'failed':
        settle(thread, waiting => {
          const { signal, path } = waiting.request;
          waiting.reject(signal.aborted ? signal.reason : threadDied(path, message.message));
        });
    }
  };

  const settle = (thread: Thread, how: (waiting: Waiting) => void): void => {
    for (const release of thread.holds.values()) release();
    thread.holds.clear();
    const { current } = thread;
    thread.current = undefined;
    if (current) how(current);
    if (!isClosed) next();
  };

  const next = (): void => {
    while (queue.length > 0) {
      const idle = [...threads].find(({ current }) => current === undefined);
      const thread = idle ?? (threads.size < concurrency ? start() : undefined);
      if (!thread) return;
      const waiting = queue.shift()!;
      const { path, bytes, settings } = waiting.request;
      thread.current = waiting;
      thread.worker.postMessage({ kind: 'work', path, bytes, settings } satisfies ToWorker);
    }
  };

  return {
    concurrency,
    async optimize(request) {
      request.signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<ImageOutcome>();
      const waiting: Waiting = { request, resolve, reject };
      const abort = () => {
        const at = queue.indexOf(waiting);
        if (at >= 0) {
          queue.splice(at, 1);
          reject(request.signal.reason);
        }
        const thread = [...threads].find(({ current }) => current === waiting);
        thread?.worker.postMessage({ kind: 'abort' } satisfies ToWorker);
      };
      request.signal.addEventListener('abort', abort, { once: true });
      // Threads do not hold the process; who waits for one does.
      const alive = setInterval(() => {}, 2 ** 30);
      try {
        queue.push(waiting);
        next();
        return await promise;
      } finally {
        clearInterval(alive);
        request.signal.removeEventListener('abort', abort);
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      const all = [...threads];
      threads.clear();
      const closed = new OpsError('CANCELLED', 'The pool of images was closed before it was done');
      for (const { reject } of queue.splice(0)) reject(closed);
      for (const { current } of all) current?.reject(closed);
      await Promise.all(all.map(({ worker }) => worker.terminate()));
    },
  };
}

function threadDied(path: string, reason: unknown): OpsError {
  const message = reason instanceof Error ? reason.message : String(reason);
  return new OpsError('IMAGE_THREAD', `${path} could not be worked on: ${message}`, {
    hint: 'Run it again; when it happens again with this image, leave it out and report it.',
    cause: reason,
  });
}

/** Between threads a buffer arrives as the array that it also is. */
function withBuffers(outcome: ImageOutcome): ImageOutcome {
  if (outcome.kind === 'refused') return outcome;
  const buffer = ({ buffer: memory, byteOffset, byteLength }: Uint8Array) =>
    Buffer.from(memory, byteOffset, byteLength);
  const { inPlace, variants } = outcome;
  return {
    ...outcome,
    ...(inPlace && { inPlace: { ...inPlace, bytes: buffer(inPlace.bytes) } }),
    variants: variants.map(variant => ({ ...variant, bytes: buffer(variant.bytes) })),
  };
}
