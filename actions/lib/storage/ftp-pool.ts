import { Client } from 'basic-ftp';
import { OpsError } from '../errors/index.ts';
import type { FtpAddress } from './ftp-address.ts';
import { isReply } from './ftp-errors.ts';

/** A logged-in connection and the absolute folder that keys are below. */
export interface FtpConnection {
  readonly client: Client;
  /** Without a trailing `/`; empty for the server's root. */
  readonly root: string;
}

export interface FtpPool {
  /** Waits for one of the few connections, logging in when none is idle. */
  acquire(signal?: AbortSignal): Promise<FtpConnection>;
  /** Hands a connection back; after anything but an orderly answer of the server it is dropped. */
  release(connection: FtpConnection, error?: unknown): void;
  close(): void;
}

export interface FtpPoolOptions {
  address: FtpAddress;
  /** PEM of the authority that signed the server's certificate, when it is not a public one. */
  ca: string | undefined;
  timeoutSeconds: number;
  /** FTP has one transfer per connection, and servers allow few connections of one user. */
  max: number;
}

/** The connections to one server. */
export function createFtpPool(options: FtpPoolOptions): FtpPool {
  const idle: FtpConnection[] = [];
  const open = new Set<FtpConnection>();
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function acquire(signal?: AbortSignal): Promise<FtpConnection> {
    await takeTurn(signal);
    try {
      for (let connection = idle.pop(); connection; connection = idle.pop()) {
        if (!connection.client.closed) return connection;
        open.delete(connection);
      }
      const connection = await connect(options, signal);
      open.add(connection);
      return connection;
    } catch (error) {
      passTurn();
      throw error;
    }
  }

  function release(connection: FtpConnection, error?: unknown): void {
    if (connection.client.closed || (error && !isReply(error) && !(error instanceof OpsError))) {
      connection.client.close();
      open.delete(connection);
    } else {
      idle.push(connection);
    }
    passTurn();
  }

  async function takeTurn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (busy < options.max) {
      busy++;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => {
      const place = waiting.indexOf(resolve);
      if (place >= 0) waiting.splice(place, 1);
      reject(signal?.reason);
    };
    waiting.push(resolve);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await promise; // the turn of whoever released was handed over: `busy` stays
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  function passTurn(): void {
    const next = waiting.shift();
    if (next) next();
    else busy--;
  }

  function close(): void {
    for (const { client } of open) client.close();
    open.clear();
    idle.length = 0;
  }

  return { acquire, release, close };
}

async function connect(options: FtpPoolOptions, signal: AbortSignal | undefined): Promise<FtpConnection> {
  const { address, ca } = options;
  const client = new Client(options.timeoutSeconds * 1000);
  const abort = () => client.close();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.access({
      ...{ host: address.host, port: address.port, user: address.user, password: address.password },
      secure: address.secure,
      ...(ca !== undefined && { secureOptions: { ca } }),
    });
    const home = address.path.startsWith('/') ? '' : await client.pwd();
    return { client, root: `${home}/${address.path}`.replace(/\/+/g, '/').replace(/\/$/, '') };
  } catch (error) {
    client.close();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
