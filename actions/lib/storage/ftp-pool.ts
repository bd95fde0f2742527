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

/** A `transfer` lasts as long as its stream, an hour perhaps; a `request` is over in a moment. */
export type FtpUse = 'transfer' | 'request';

export interface FtpPool {
  /**
   * Waits for one of the few connections, logging in when none is idle. Transfers never take the last one: a sign of
   * life that waits until an upload has ended comes too late.
   */
  acquire(use: FtpUse, signal?: AbortSignal): Promise<FtpConnection>;
  /** Hands a connection back; after anything but an orderly answer of the server it is dropped. */
  release(connection: FtpConnection, error?: unknown): void;
  close(): void;
}

export interface FtpPoolOptions {
  address: FtpAddress;
  /** PEM of the authority that signed the server's certificate, when it is not a public one. */
  ca: string | undefined;
  timeoutSeconds: number;
  /** At least 2. FTP has one transfer per connection, and servers allow few connections of one user. */
  max: number;
}

/** The connections to one server. */
export function createFtpPool(options: FtpPoolOptions): FtpPool {
  const idle: FtpConnection[] = [];
  const open = new Set<FtpConnection>();
  const uses = new Map<FtpConnection, FtpUse>();
  const waiting: { use: FtpUse; start: () => void }[] = [];
  const busy = { transfer: 0, request: 0 };

  async function acquire(use: FtpUse, signal?: AbortSignal): Promise<FtpConnection> {
    await takeTurn(use, signal);
    try {
      const connection = idleOne() ?? (await connect(options, signal));
      open.add(connection);
      uses.set(connection, use);
      return connection;
    } catch (error) {
      passTurn(use);
      throw error;
    }
  }

  function idleOne(): FtpConnection | undefined {
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (!connection.client.closed) return connection;
      open.delete(connection);
    }
    return undefined;
  }

  function release(connection: FtpConnection, error?: unknown): void {
    const use = uses.get(connection)!;
    uses.delete(connection);
    if (connection.client.closed || (error && !isReply(error) && !(error instanceof OpsError))) {
      connection.client.close();
      open.delete(connection);
    } else {
      idle.push(connection);
    }
    passTurn(use);
  }

  function hasRoom(use: FtpUse): boolean {
    if (busy.transfer + busy.request >= options.max) return false;
    return use === 'request' || busy.transfer < options.max - 1;
  }

  async function takeTurn(use: FtpUse, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (hasRoom(use)) {
      busy[use]++;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const turn = { use, start: resolve };
    const abort = () => {
      const place = waiting.indexOf(turn);
      if (place >= 0) waiting.splice(place, 1);
      reject(signal?.reason);
    };
    waiting.push(turn);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await promise; // counted by whoever passed the turn on
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  function passTurn(use: FtpUse): void {
    busy[use]--;
    const place = waiting.findIndex(turn => hasRoom(turn.use));
    if (place < 0) return;
    const [next] = waiting.splice(place, 1);
    busy[next!.use]++;
    next!.start();
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
