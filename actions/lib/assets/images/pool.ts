import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { OpsError } from '../../errors/index.ts';
import { childEnvironment } from '../../process/index.ts';
import type { StoredBlob } from '../blobs.ts';
import { createMemoryGate } from './memory-gate.ts';
import type { ImageRequest } from './optimize.ts';
import type { ImageOutcome } from './outcome.ts';

/** Of which the bytes are in the cache: results that are sent from process to process stay in the memory of both for long. */
export type StoredOutcome = ImageOutcome<StoredBlob>;

export interface ImagePoolOptions {
  /** Folder of the cache, where what is made is put. */
  cacheFolder: string;
  /** Images at the same time. Default: the cores of the machine. */
  concurrency?: number;
  /** What pixels and encoders of all of them may take together. Default: 340 MB, so that with the processes it is below 600. */
  memoryBytes?: number;
}

/** The process that works on an image reads it: a photograph in this one, and another on its way there, would be two too many. */
export interface PooledRequest extends Omit<ImageRequest, 'gate' | 'bytes'> {
  /** Where it is. */
  file: string;
  /** Of what is to be found there. */
  sha256: string;
}

/**
 * Processes that work on images, one for each core, within one bound of memory. They are processes and not members because
 * the memory of encoders goes back to the system only where the allocator was told so before it started, and because an
 * image that brings a decoder down takes nothing else with it.
 */
export interface ImagePool extends AsyncDisposable {
  readonly concurrency: number;
  /**
   * @throws the reason of the request's signal; OpsError `IMAGE_PROCESS` when its process died, or the file has changed;
   * `ASSETS_CACHE` when what was made cannot be kept
   */
  optimize(request: PooledRequest): Promise<StoredOutcome>;
}

export type ToWorker =
  | ({ kind: 'work'; cacheFolder: string } & Omit<PooledRequest, 'signal'>)
  | { kind: 'granted'; ticket: number }
  | { kind: 'abort' };

export type FromWorker =
  | { kind: 'done'; outcome: StoredOutcome }
  | { kind: 'failed'; message: string }
  | { kind: 'not kept'; message: string; hint: string | undefined }
  | { kind: 'hold'; ticket: number; bytes: number }
  | { kind: 'keep'; ticket: number; bytes: number }
  | { kind: 'release'; ticket: number };

interface Waiting {
  request: PooledRequest;
  resolve: (outcome: StoredOutcome) => void;
  reject: (reason: unknown) => void;
}

interface Member {
  child: ChildProcess;
  current: Waiting | undefined;
  holds: Map<number, () => void>;
}

// Beside the source it is TypeScript, which Node reads; beside a bundle it is a bundle of its own.
const worker = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './image-worker.ts' : './image-worker.mjs', import.meta.url),
);

/**
 * glibc keeps what is freed for the thread that had it, and raises the size from which it maps memory with each block: after
 * a few images it held three times what was in use. One arena and a fixed threshold give it back at once.
 */
const allocator = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

/** Nothing of our environment is in it: what decodes files of strangers need not know any secret. */
function startWorker(): ChildProcess {
  const child = fork(worker, [], {
    // What was compiled is kept: one starts for each core.
    env: childEnvironment({ env: { ...allocator, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE } }),
    execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2'],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // A pool that nobody waits for must not keep the process.
  child.unref();
  child.channel?.unref();
  return child;
}

export function createImagePool(options: ImagePoolOptions): ImagePool {
  const concurrency = Math.max(1, options.concurrency ?? availableParallelism());
  const gate = createMemoryGate(options.memoryBytes ?? 340e6);
  const queue: Waiting[] = [];
  const members = new Set<Member>();
  let isClosed = false;

  const start = (): Member => {
    const member: Member = { child: startWorker(), current: undefined, holds: new Map() };
    const died = (reason: unknown) => {
      if (!members.delete(member)) return;
      settle(member, waiting => waiting.reject(failureOf(waiting.request, reason)));
    };
    member.child.on('message', (message: FromWorker) => received(member, message));
    member.child.on('error', died);
    member.child.once('exit', (code, signal) => died(signal ? `it was ended by ${signal}` : `exit code ${code}`));
    members.add(member);
    return member;
  };

  const received = (member: Member, message: FromWorker): void => {
    switch (message.kind) {
      case 'hold':
        void gate.hold(message.bytes).then(release => {
          // It may have died while it waited.
          if (!members.has(member)) return release();
          member.holds.set(message.ticket, release);
          member.child.send({ kind: 'granted', ticket: message.ticket } satisfies ToWorker);
        });
        return;
      case 'keep':
        member.holds.set(message.ticket, gate.keep(message.bytes));
        return;
      case 'release':
        member.holds.get(message.ticket)?.();
        member.holds.delete(message.ticket);
        return;
      case 'done':
        settle(member, waiting => waiting.resolve(message.outcome));
        return;
      case 'not kept': {
        const { message: text, hint } = message;
        settle(member, waiting => waiting.reject(new OpsError('ASSETS_CACHE', text, { ...(hint && { hint }) })));
        return;
      }
      case 'failed':
        settle(member, waiting => waiting.reject(failureOf(waiting.request, message.message)));
    }
  };

  const settle = (member: Member, how: (waiting: Waiting) => void): void => {
    for (const release of member.holds.values()) release();
    member.holds.clear();
    const { current } = member;
    member.current = undefined;
    if (current) how(current);
    if (!isClosed) next();
  };

  const next = (): void => {
    while (queue.length > 0) {
      const idle = [...members].find(({ current }) => current === undefined);
      const member = idle ?? (members.size < concurrency ? start() : undefined);
      if (!member) return;
      const waiting = queue.shift()!;
      const { path, file, sha256, settings } = waiting.request;
      member.current = waiting;
      const { cacheFolder } = options;
      member.child.send({ kind: 'work', cacheFolder, path, file, sha256, settings } satisfies ToWorker);
    }
  };

  return {
    concurrency,
    async optimize(request) {
      request.signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<StoredOutcome>();
      const waiting: Waiting = { request, resolve, reject };
      const abort = () => {
        const at = queue.indexOf(waiting);
        if (at >= 0) {
          queue.splice(at, 1);
          reject(request.signal.reason);
        }
        const member = [...members].find(({ current }) => current === waiting);
        member?.child.send({ kind: 'abort' } satisfies ToWorker);
      };
      request.signal.addEventListener('abort', abort, { once: true });
      // The processes of a pool do not hold this one; who waits for one does.
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
      const all = [...members];
      members.clear();
      const closed = new OpsError('CANCELLED', 'The pool of images was closed before it was done');
      for (const { reject } of queue.splice(0)) reject(closed);
      for (const { current } of all) current?.reject(closed);
      await Promise.all(all.map(({ child }) => ended(child)));
    },
  };
}

/** It keeps nothing, so there is nothing to wait for but its end. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.ref();
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

function failureOf({ path, signal }: PooledRequest, reason: unknown): unknown {
  if (signal.aborted) return signal.reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  return new OpsError('IMAGE_PROCESS', `${path} could not be worked on: ${message}`, {
    hint: 'Run it again; when it happens again with this image, leave it out and report it.',
    cause: reason,
  });
}
