import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import type { S3Connection } from './s3-connection.ts';
import { isTransient } from './s3-errors.ts';
import type { GetOptions } from './storage.ts';

/** Interruptions in a row, with not one byte between them, after which a download is given up. */
const fruitlessLimit = 4;

/**
 * An object as a stream that survives interruptions: it goes on at the byte where the connection broke, on the same
 * version of the object (`If-Match`). A reader that pauses longer than the socket timeout is such an interruption.
 * @throws what the SDK throws, before the first byte; later the stream fails with `describe(error)`
 */
export async function download(
  s3: S3Connection,
  target: { bucket: string; key: string },
  { range, signal }: GetOptions,
  describe: (error: unknown) => OpsError,
): Promise<Readable> {
  const closed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal;
  const request = (from: number, to: number | undefined, etag?: string) =>
    s3.send(
      client =>
        client.send(
          new s3.sdk.GetObjectCommand({
            Bucket: target.bucket,
            Key: target.key,
            ...((from > 0 || to !== undefined) && { Range: `bytes=${from}-${to ?? ''}` }),
            ...(etag && { IfMatch: etag }),
          }),
          { abortSignal: stop },
        ),
      { signal: stop },
    );

  const start = range?.start ?? 0;
  const first = await request(start, range?.end);
  if (first.ContentLength === undefined) throw new OpsError('STORAGE_FAILED', 'The store did not say how long it is');
  const end = start + first.ContentLength;

  async function* bytes(): AsyncGenerator<Uint8Array> {
    let answer = first;
    let next = start;
    for (let fruitless = 0; ; ) {
      let interruption: unknown;
      try {
        for await (const chunk of answer.Body as Readable) {
          next += chunk.length;
          fruitless = 0;
          yield chunk;
        }
      } catch (error) {
        if (stop.aborted) throw stop.reason;
        if (!isTransient(error)) throw describe(error);
        interruption = error;
      }
      if (next === end) return;
      if (next > end) throw new OpsError('STORAGE_FAILED', 'The store sent more than it announced');
      if (++fruitless === fruitlessLimit) throw describe(interruption ?? new Error('the store keeps ending early'));
      await wait(fruitless * 100, undefined, { signal: stop });
      answer = await request(next, end - 1, first.ETag).catch(error => Promise.reject(describe(error)));
    }
  }
  const stream = Readable.from(bytes(), { objectMode: false, highWaterMark: 256 * 1024 });
  // A generator that is waiting for the store does not notice that its reader has left.
  stream.once('close', () => closed.abort());
  return stream;
}
