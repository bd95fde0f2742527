import type { Socket } from 'node:net';
import type pg from 'pg';

/**
 * `COPY … FROM STDIN` fed from any chunks: the server does not mind where one CopyData message ends and the next
 * begins, so a chunk goes out as it is, with five bytes in front of it and no copy.
 *
 * @param chunks row bytes; an error thrown by it makes the server drop the rows of this COPY, and is thrown again
 * @returns the rows the server counted
 */
export function copyIn(client: pg.Client, sql: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  return new Promise((resolve, reject) => {
    client.query(new CopyInQuery(sql, chunks, resolve, reject) as unknown as pg.Submittable);
  });
}

interface DriverConnection {
  stream: Socket;
  query(text: string): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

class CopyInQuery {
  readonly #sql: string;
  readonly #chunks: AsyncIterable<Uint8Array>;
  readonly #resolve: (rows: number) => void;
  readonly #reject: (error: unknown) => void;
  #rows = 0;
  #sourceError: unknown;
  #serverError: unknown;

  constructor(
    sql: string,
    chunks: AsyncIterable<Uint8Array>,
    resolve: (rows: number) => void,
    reject: (error: unknown) => void,
  ) {
    this.#sql = sql;
    this.#chunks = chunks;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: DriverConnection): void {
    connection.query(this.#sql);
  }

  handleCopyInResponse(connection: DriverConnection): void {
    void this.#send(connection);
  }

  async #send(connection: DriverConnection): Promise<void> {
    try {
      for await (const chunk of this.#chunks) {
        if (this.#serverError !== undefined) return;
        if (chunk.length > 0) await writeMessage(connection.stream, chunk);
      }
      connection.endCopyFrom();
    } catch (error) {
      this.#sourceError = error;
      if (connection.stream.destroyed) this.handleError(error);
      else connection.sendCopyFail('the source of the rows failed');
    }
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}

  handleCommandComplete(message: { text?: string }): void {
    this.#rows = Number(/^COPY (\d+)/.exec(message.text ?? '')?.[1] ?? Number.NaN);
  }

  handleError(error: unknown): void {
    this.#serverError = error;
    this.#reject(this.#sourceError ?? error);
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#rows);
  }
}

function writeMessage(socket: Socket, chunk: Uint8Array): Promise<void> | undefined {
  // It would never drain and has said already that it closed.
  if (socket.destroyed) throw brokenOff();
  const header = Buffer.allocUnsafe(5);
  header[0] = 0x64; // CopyData
  header.writeUInt32BE(chunk.length + 4, 1);
  socket.cork();
  socket.write(header);
  const hasRoom = socket.write(chunk);
  socket.uncork();
  if (hasRoom) return undefined;
  return new Promise((resolve, reject) => {
    const settle = () => {
      socket.off('drain', settle);
      socket.off('close', fail);
      resolve();
    };
    const fail = () => {
      socket.off('drain', settle);
      reject(brokenOff());
    };
    socket.once('drain', settle);
    socket.once('close', fail);
  });
}

/** With the code of a broken socket, since it is read like one. */
function brokenOff(): Error {
  return Object.assign(new Error('the connection closed in the middle of a COPY'), { code: 'ECONNRESET' });
}
