import type { Socket } from 'node:net';
import type pg from 'pg';
import { OpsError } from '../errors/index.ts';
import { LendingSocket } from './lending-socket.ts';

/**
 * `COPY … TO STDOUT` at the speed of the socket.
 *
 * The server sends one CopyData message a row; handing each row on as an object of its own (as a general driver must)
 * costs more than everything else a backup does. While the copy runs, the driver's parser is taken off the socket, the
 * five framing bytes of each message are dropped while its payload is packed into large batches, and whatever is
 * not row data goes back to the driver, so that errors, notices and the end are handled where they always are.
 * Message formats: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export interface CopyOutOptions {
  /** Receives row bytes. The buffer is reused once the promise resolves: keep nothing of it. */
  onBatch: (batch: Buffer) => Promise<void>;
  /** Lent for the time of this copy, so that one connection copies many tables with the same memory. */
  buffers?: CopyBuffers;
}

/** Three buffers take turns: one fills, one waits, one drains. */
export type CopyBuffers = Buffer[];

/** Each larger than one read of a socket (256 KiB): what is still delivered after a pause fits into one of them. */
const bufferBytes = 512 * 1024;

export function createCopyBuffers(): CopyBuffers {
  return [0, 1, 2].map(() => Buffer.allocUnsafeSlow(bufferBytes));
}

export interface CopyOutResult {
  /** As the server counted them. */
  rows: number;
  plainBytes: number;
}

/** @throws whatever `onBatch` throws (the connection is closed then), or the server's own error */
export function copyOut(client: pg.Client, sql: string, options: CopyOutOptions): Promise<CopyOutResult> {
  return new Promise((resolve, reject) => {
    client.query(new CopyOutQuery(sql, options, resolve, reject) as unknown as pg.Submittable);
  });
}

interface DriverConnection {
  stream: Socket;
  query(text: string): void;
}

type DataListener = (chunk: Buffer) => void;

/**
 * The server sends 8 KiB at a time, and waking up for each of them costs more than taking the rows out of it. After a
 * small read the socket is left alone for a millisecond: its buffer (208 KiB for a Unix socket, more for TCP) takes what
 * comes meanwhile, and the next read has it all.
 */
const smallReadBytes = 32 * 1024;
const napMs = 1;
const fullReadBytes = 160 * 1024;

const copyDataTag = 0x64; // 'd'
const headerBytes = 5;
/** Messages after which no row can follow: CopyDone, ErrorResponse, ReadyForQuery. */
const endTags = new Set([0x63, 0x45, 0x5a]);

class CopyOutQuery {
  readonly #sql: string;
  readonly #options: CopyOutOptions;
  readonly #resolve: (result: CopyOutResult) => void;
  readonly #reject: (error: unknown) => void;

  #socket: Socket | undefined;
  #driverListeners: DataListener[] = [];
  #framing = Buffer.alloc(headerBytes);
  #framingLength = 0;
  /** Payload bytes of the current row message still to come. */
  #rowRemaining = 0;
  /** A message that is not row data, gathered whole before the driver sees it. */
  #other: { chunks: Buffer[]; remaining: number; tag: number } | undefined;

  readonly #free: Buffer[];
  #filling: Buffer;
  #filled = 0;
  readonly #waiting: Buffer[] = [];
  /** A buffer waits while another drains: no reading until it is taken. */
  #isHeld = false;
  #napping: NodeJS.Timeout | undefined;
  #readsWithoutNap = 0;
  #pump: Promise<void> | undefined;
  #plainBytes = 0;
  #rows = 0;
  #sinkError: unknown;
  #serverError: unknown;
  #settled = false;

  constructor(
    sql: string,
    options: CopyOutOptions,
    resolve: (result: CopyOutResult) => void,
    reject: (error: unknown) => void,
  ) {
    this.#sql = sql;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#free = [...(options.buffers ?? createCopyBuffers())];
    this.#filling = this.#free.pop()!;
  }

  // The driver's side: called by pg's Client.

  submit(connection: DriverConnection): void {
    // Before the answer, not on CopyOutResponse: rows may follow it in the same read and would be parsed one by one.
    const { stream } = connection;
    this.#socket = stream;
    this.#driverListeners = stream.listeners('data') as DataListener[];
    stream.removeAllListeners('data');
    stream.on('data', this.#onData);
    if (stream instanceof LendingSocket) stream.isLending = true;
    connection.query(this.#sql);
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}
  handleCopyInResponse(connection: { sendCopyFail(message: string): void }): void {
    connection.sendCopyFail('copyOut was given a COPY … FROM');
  }

  handleCommandComplete(message: { text?: string }): void {
    this.#rows = Number(/^COPY (\d+)/.exec(message.text ?? '')?.[1] ?? Number.NaN);
  }

  handleError(error: Error): void {
    this.#serverError = error;
    void this.#settle();
  }

  handleReadyForQuery(): void {
    void this.#settle();
  }

  // The socket's side.

  readonly #onData = (chunk: Buffer): void => {
    // A full buffer after a nap means that the server had to wait: no naps for a while.
    if (chunk.length >= fullReadBytes) this.#readsWithoutNap = 64;
    else if (this.#readsWithoutNap > 0) this.#readsWithoutNap--;
    this.#take(chunk);
    // Over TLS every chunk is one record of at most 16 KiB, however much waits behind it: a nap would only lose time.
    const isReading = this.#socket instanceof LendingSocket && this.#driverListeners.length > 0 && !this.#isHeld;
    if (isReading && chunk.length < smallReadBytes && this.#readsWithoutNap === 0) this.#nap();
  };

  /** Lets the socket's buffer fill: see `napMs`. */
  #nap(): void {
    this.#socket?.pause();
    this.#napping = setTimeout(() => {
      this.#napping = undefined;
      if (!this.#isHeld) this.#socket?.resume();
    }, napMs);
  }

  #take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rowRemaining > 0) {
        const take = Math.min(this.#rowRemaining, chunk.length - at);
        this.#append(chunk, at, at + take);
        this.#rowRemaining -= take;
        at += take;
        continue;
      }
      if (this.#other) {
        at = this.#gatherOther(chunk, at);
        if (this.#driverListeners.length === 0) return; // handed back: the driver has the rest
        continue;
      }
      let tag: number;
      let length: number;
      if (this.#framingLength === 0 && chunk.length - at >= headerBytes) {
        tag = chunk[at]!;
        length = chunk.readUInt32BE(at + 1) - 4;
        at += headerBytes;
      } else {
        while (this.#framingLength < headerBytes && at < chunk.length)
          this.#framing[this.#framingLength++] = chunk[at++]!;
        if (this.#framingLength < headerBytes) return;
        this.#framingLength = 0;
        tag = this.#framing[0]!;
        length = this.#framing.readUInt32BE(1) - 4;
      }
      if (tag === copyDataTag) {
        this.#rowRemaining = length;
      } else {
        const header = Buffer.alloc(headerBytes);
        header[0] = tag;
        header.writeUInt32BE(length + 4, 1);
        this.#other = { chunks: [header], remaining: length, tag };
        at = this.#gatherOther(chunk, at);
        if (this.#driverListeners.length === 0) return;
      }
    }
  }

  /** Collects a non-row message; when whole, the driver gets it, and after an end tag all that follows as well. */
  #gatherOther(chunk: Buffer, at: number): number {
    const other = this.#other!;
    const take = Math.min(other.remaining, chunk.length - at);
    if (take > 0) other.chunks.push(Buffer.from(chunk.subarray(at, at + take)));
    other.remaining -= take;
    if (other.remaining > 0) return at + take;
    this.#other = undefined;
    const message = Buffer.concat(other.chunks);
    const listeners = this.#driverListeners;
    if (!endTags.has(other.tag)) {
      for (const listener of listeners) listener.call(this.#socket, message);
      return at + take;
    }
    this.#handBack();
    const rest = at + take < chunk.length ? Buffer.from(chunk.subarray(at + take)) : undefined;
    for (const listener of listeners) listener.call(this.#socket, message);
    if (rest) for (const listener of listeners) listener.call(this.#socket, rest);
    return chunk.length;
  }

  #handBack(): void {
    const socket = this.#socket;
    if (!socket) return;
    if (socket instanceof LendingSocket) socket.isLending = false;
    socket.removeListener('data', this.#onData);
    for (const listener of this.#driverListeners) socket.on('data', listener);
    this.#driverListeners = [];
    socket.resume();
  }

  #append(chunk: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const take = Math.min(end - from, this.#filling.length - this.#filled);
      chunk.copy(this.#filling, this.#filled, from, from + take);
      this.#filled += take;
      from += take;
      if (this.#filled === this.#filling.length) this.#flush();
    }
  }

  /** Puts the filled buffer in the queue and takes a free one; the socket pauses while one already waits. */
  #flush(): void {
    if (this.#filled === 0) return;
    this.#plainBytes += this.#filled;
    this.#waiting.push(this.#filling.subarray(0, this.#filled));
    this.#filling = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#filling.length);
    this.#filled = 0;
    if (this.#pump) {
      this.#isHeld = true;
      this.#socket?.pause();
    }
    this.#pump ??= this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
        if (this.#waiting.length === 0 && this.#isHeld) {
          this.#isHeld = false;
          if (!this.#napping) this.#socket?.resume();
        }
        await this.#options.onBatch(batch);
        this.#free.push(Buffer.from(batch.buffer, 0, batch.buffer.byteLength));
      }
    } catch (error) {
      this.#sinkError = error ?? new OpsError('INTERNAL', 'The receiver of a COPY failed');
      // There is no polite way to stop a COPY in the middle: give the connection up.
      this.#socket?.destroy();
      void this.#settle();
    } finally {
      this.#pump = undefined;
    }
  }

  async #settle(): Promise<void> {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#napping);
    this.#handBack();
    if (this.#sinkError === undefined) {
      if (this.#serverError === undefined) this.#flush();
      else this.#waiting.length = 0;
      // After an error, too: the receiver may still read a buffer that the caller lends to the next copy.
      await this.#pump;
    }
    const error = this.#sinkError ?? this.#serverError;
    if (error !== undefined) this.#reject(error);
    else this.#resolve({ rows: this.#rows, plainBytes: this.#plainBytes });
  }
}
