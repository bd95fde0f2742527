import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { Readable, Writable } from 'node:stream';
import { OpsError, toOpsError } from '../errors/index.ts';
import { childEnvironment } from './environment.ts';
import { exitError, spawnError } from './failure.ts';
import { Tail } from './tail.ts';

export interface ChildSpec {
  command: string;
  args: readonly string[];
  /** Added to a small base environment, never to all of `process.env`; secrets belong here, not in `args`. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  uid?: number;
  gid?: number;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Code of the `OpsError` for every way in which the program itself fails. */
  errorCode: string;
  /** Shown instead of `command`. */
  name?: string;
  /** What to do about a failure, told from the last lines of stderr. */
  hint?: (stderrTail: string) => string | undefined;
  /** An error that tells more than the exit code does, from the last lines of stderr; it then stands for the failure. */
  explain?: (stderrTail: string) => OpsError | undefined;
  /** Default: only 0. */
  okExitCodes?: readonly number[];
}

export interface ChildOutcome {
  exitCode: number;
  /** The last 8 KiB. */
  stderr: string;
}

export interface Child {
  /** Fails with the child's own `OpsError`, not with EPIPE. Destroying it kills the child: a cut input must not look whole. */
  stdin: Writable;
  /** Ends normally only after the process has closed with an ok exit code; otherwise it is destroyed with the error. */
  stdout: Readable;
  stderrTail(): string;
  /** Rejects with the same `OpsError` that destroys `stdout`; may be left unobserved. */
  readonly done: Promise<ChildOutcome>;
  /** SIGTERM now, SIGKILL after five seconds. */
  kill(): void;
}

const stderrTailBytes = 8 * 1024;
const killAfterMs = 5_000;
/** Bytes that may wait between the pipe and a slow reader: a few pipe reads (64 KiB each), so neither side idles. */
const gateBytes = 512 * 1024;

/**
 * Starts a program whose end of output means success: `stdout` gets its end-of-stream only after exit code 0 (or one of
 * `okExitCodes`), so a consumer that stores the stream can never take a truncated output for a whole one.
 *
 * Never throws; a program that cannot be started fails `done` and `stdout`.
 * Codes: `spec.errorCode`; `CANCELLED` when the signal was aborted (or the signal's reason, if that is an `OpsError`).
 */
export function startChild(spec: ChildSpec): Child {
  const outcome = Promise.withResolvers<ChildOutcome>();
  outcome.promise.catch(() => {});
  const tail = new Tail(stderrTailBytes);
  const title = spec.name ?? spec.command;

  let child: ChildProcessWithoutNullStreams | undefined;
  let isOver = false;
  /** Why we ended it ourselves; outranks whatever exit code that leads to. */
  let stopReason: OpsError | undefined;
  let killTimer: NodeJS.Timeout | undefined;

  const kill = () => {
    if (!child || isOver || killTimer) return;
    // A grandchild may hold the pipes open after the child itself is gone; its output is not wanted.
    const letGo = () => {
      child?.stdout.destroy();
      child?.stderr.destroy();
    };
    if (child.exitCode !== null || child.signalCode !== null) return letGo();
    child.once('exit', letGo);
    child.kill('SIGTERM');
    killTimer = setTimeout(() => child?.kill('SIGKILL'), killAfterMs);
  };
  const stop = (reason: OpsError) => {
    if (isOver) return;
    stopReason ??= reason;
    kill();
  };

  const stdout = gate({
    resume: () => child?.stdout.resume(),
    abandoned: error => stop(reasonOf(error, spec, title, 'its output was no longer read')),
  });
  const stdin = inlet({
    target: () => child?.stdin,
    outcome: outcome.promise,
    refused: () => new OpsError(spec.errorCode, `${title} stopped reading before the end of its input`),
    abandoned: error => stop(reasonOf(error, spec, title, 'its input broke off')),
  });

  const finish = (error: OpsError | undefined, exitCode: number) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(killTimer);
    clearTimeout(timeout);
    spec.signal?.removeEventListener('abort', onAbort);
    if (error) {
      outcome.reject(error);
      stdout.destroy(error);
      stdin.destroy(error);
    } else {
      outcome.resolve({ exitCode, stderr: tail.text() });
      stdout.push(null);
    }
  };

  const onAbort = () => spec.signal && stop(abortReason(spec.signal, spec, title));
  const timeout =
    spec.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          const seconds = (spec.timeoutMs! / 1000).toFixed(1);
          stop(new OpsError(spec.errorCode, `${title} did not finish within ${seconds} s and was stopped`));
        }, spec.timeoutMs);

  const self: Child = {
    stdin,
    stdout,
    stderrTail: () => tail.text(),
    done: outcome.promise,
    kill: () => stop(new OpsError(spec.errorCode, `${title} was stopped`)),
  };

  if (spec.signal?.aborted) {
    finish(abortReason(spec.signal, spec, title), -1);
    return self;
  }
  try {
    child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      uid: spec.uid,
      gid: spec.gid,
      env: childEnvironment(spec),
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
  } catch (thrown) {
    // ENOENT and its like arrive as an event; the rest (EPERM for a foreign uid, E2BIG) are thrown.
    finish(spawnError(thrown, spec), -1);
    return self;
  }
  spec.signal?.addEventListener('abort', onAbort, { once: true });

  const { stdout: output, stderr, stdin: input } = child;
  output.on('data', (chunk: Buffer) => {
    // Once the reader is gone the rest is dropped, so that the process can close.
    if (!stdout.destroyed && !stdout.push(chunk)) output.pause();
  });
  stderr.on('data', (chunk: Buffer) => tail.add(chunk));
  // A pipe that breaks shows in the exit code; without a listener it would end this process.
  for (const stream of [output, stderr, input]) stream.on('error', () => {});

  child.on('error', thrown => {
    if (child?.pid === undefined) finish(spawnError(thrown, spec), -1);
  });
  child.on('close', (exitCode, signal) => {
    if (stopReason) return finish(stopReason, -1);
    const isOk = exitCode !== null && (spec.okExitCodes ?? [0]).includes(exitCode);
    finish(isOk ? undefined : exitError(exitCode, signal, tail.text(), spec), exitCode ?? -1);
  });
  return self;
}

/** A pushed stream: cheaper than a Transform (no second buffer, no callback per chunk), and its end is ours to give. */
function gate(hooks: { resume(): void; abandoned(error: Error | null): void }): Readable {
  const readable = new Readable({
    highWaterMark: gateBytes,
    read: hooks.resume,
    destroy(error, callback) {
      hooks.abandoned(error);
      hooks.resume();
      callback(error);
    },
  });
  // Whoever only awaits `done` must not be killed by an unobserved stream error.
  readable.on('error', () => {});
  return readable;
}

/** Writes to the child's stdin; a broken pipe waits for the child's own failure and reports that instead. */
function inlet(hooks: {
  target(): Writable | undefined;
  outcome: Promise<ChildOutcome>;
  refused(): OpsError;
  abandoned(error: Error | null): void;
}): Writable {
  let isWhole = false;
  const report = (callback: (error?: Error | null) => void) =>
    hooks.outcome.then(
      () => callback(hooks.refused()),
      (failure: Error) => callback(failure),
    );
  const writable = new Writable({
    highWaterMark: gateBytes,
    write(chunk: Buffer, _encoding, callback) {
      const target = hooks.target();
      if (!target) return void report(callback);
      target.write(chunk, error => (error ? void report(callback) : callback()));
    },
    final(callback) {
      isWhole = true;
      const target = hooks.target();
      // Whether the end arrived does not matter: all bytes did, and the exit code judges the rest.
      if (!target || target.destroyed) return callback();
      target.end(() => callback());
    },
    destroy(error, callback) {
      if (!isWhole) hooks.abandoned(error);
      callback(error);
    },
  });
  writable.on('error', () => {});
  return writable;
}

function reasonOf(error: Error | null, spec: ChildSpec, title: string, what: string): OpsError {
  if (error instanceof OpsError) return error;
  if (spec.signal?.aborted) return abortReason(spec.signal, spec, title);
  // Node also makes an AbortError of a reader that simply left; only a signal's has a cause.
  const isLeft = !error || (error.name === 'AbortError' && error.cause === undefined);
  if (error?.name === 'AbortError' && !isLeft) return toOpsError(error);
  const message = `${title} was stopped: ${what}`;
  return new OpsError(spec.errorCode, isLeft ? message : `${message} (${error?.message})`, { cause: error });
}

function abortReason(signal: AbortSignal, spec: ChildSpec, title: string): OpsError {
  const reason: unknown = signal.reason;
  if (reason instanceof OpsError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return new OpsError(spec.errorCode, `${title} was stopped: the time for it was up`, { cause: reason });
  }
  return toOpsError(new DOMException('aborted', 'AbortError'));
}
