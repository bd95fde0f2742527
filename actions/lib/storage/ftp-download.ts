import { addAbortSignal, Readable, Writable } from 'node:stream';
import type { Client } from 'basic-ftp';

export interface FtpDownload {
  path: string;
  /** The first byte, and the byte after the last. */
  start: number;
  end: number;
  /** Length of the whole file: a transfer that stops before it has to be cut off. */
  sizeBytes: number;
  signal: AbortSignal | undefined;
  describe(error: unknown): Error;
  /** Called once, when the connection is no longer needed; it is closed when it cannot be used again. */
  done(error?: unknown): void;
}

const highWaterMark = 256 * 1024;

/**
 * A file, or a range of it, as a stream. basic-ftp is never handed the stream itself: when the control connection breaks
 * it *ends* its destination, and a file cut short would look complete.
 */
export function download(client: Client, options: FtpDownload): Readable {
  const { path, start, end, sizeBytes, signal, describe, done } = options;
  let left = end - start;
  let isOver = false;
  let proceed: (() => void) | undefined;
  const finish = (error?: unknown) => {
    if (isOver) return;
    isOver = true;
    done(error);
  };
  const out = new Readable({
    highWaterMark,
    read() {
      const next = proceed;
      proceed = undefined;
      next?.();
    },
    destroy(error, callback) {
      // The reader has left before the end; the server goes on sending, so this connection is lost.
      if (!isOver) client.close();
      finish(error);
      callback(error);
    },
  });
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      const wanted = chunk.subarray(0, left);
      left -= wanted.length;
      const hasRoom = out.push(wanted);
      if (left === 0 && end < sizeBytes) {
        client.close();
        finish();
        out.push(null);
      }
      if (hasRoom) callback();
      else proceed = callback;
    },
  });
  if (signal) addAbortSignal(signal, out);
  client.downloadTo(sink, path, start).then(
    () => {
      if (isOver) return;
      finish();
      if (left === 0) out.push(null);
      else out.destroy(describe(new Error(`the transfer ended ${left} bytes too early`)));
    },
    error => {
      if (!isOver) out.destroy(describe(error));
    },
  );
  return out;
}
