import { addAbortSignal, type Readable } from 'node:stream';
import { OpsError } from '../errors/index.ts';

/** What `put` was given, read as chunks, with its own failures kept apart from those of the store. */
export interface Body {
  /** Read it once. Throws what the producer failed with. */
  chunks: AsyncIterable<Uint8Array>;
  /** Set once the producer has failed, has closed early, or the signal has aborted it. */
  failure(): { error: unknown } | undefined;
  /** The store failed: stops the producer and hands it the reason. */
  discard(reason: unknown): void;
}

/**
 * Takes over the body of a `put`. Call it before anything is awaited: from here on a failing producer cannot end the
 * process as an unhandled 'error' event, also while nobody reads yet.
 */
export function openBody(body: Readable | Uint8Array, signal?: AbortSignal): Body {
  if (body instanceof Uint8Array) return bytesBody(body, signal);
  body.on('error', () => {});
  if (signal) addAbortSignal(signal, body);
  let failure: { error: unknown } | undefined;
  return {
    chunks: readAll(body, error => {
      failure ??= { error };
    }),
    failure: () => failure ?? (body.errored ? { error: body.errored } : undefined),
    discard: reason => void body.destroy(reason instanceof Error ? reason : undefined),
  };
}

/** What `put` throws: the producer's own error first, then the abort, then what the store failed with. */
export function rejectionOf(
  error: unknown,
  body: Body,
  signal: AbortSignal | undefined,
  describe: (error: unknown) => OpsError,
): unknown {
  const failure = body.failure();
  if (failure) return failure.error;
  return signal?.aborted ? signal.reason : describe(error);
}

async function* readAll(body: Readable, onFailure: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  try {
    if (body.errored) throw body.errored;
    if (body.destroyed || body.readableEnded) throw endedEarly();
    // The stream is not destroyed by leaving the loop: `discard` does that, with the reason.
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    }
  } catch (error) {
    const failure = isPrematureClose(error) ? endedEarly(error) : error;
    onFailure(failure);
    throw failure;
  }
}

function bytesBody(bytes: Uint8Array, signal: AbortSignal | undefined): Body {
  async function* once() {
    signal?.throwIfAborted();
    yield bytes;
  }
  return { chunks: once(), failure: () => undefined, discard() {} };
}

function isPrematureClose(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function endedEarly(cause?: unknown): OpsError {
  return new OpsError('STORAGE_FAILED', 'The data to store closed before its end', {
    hint: 'Nothing was stored. The error of what produces the data comes before this one.',
    cause,
  });
}
