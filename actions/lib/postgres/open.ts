import { readFileSync } from 'node:fs';
import { connect as openSocket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { OpsError, toOpsError } from '../errors/index.ts';
import { pgError } from './errors.ts';
import { LendingSocket } from './lending-socket.ts';
import type { PostgresTarget } from './target.ts';

export interface OpenOptions {
  /** Shown in pg_stat_activity. */
  applicationName?: string;
  /** Aborting ends the connection and asks the server to cancel what it is doing. */
  signal?: AbortSignal;
  /** Default: the URL's connect_timeout, else 15 s. */
  connectTimeoutMs?: number;
}

const defaultConnectTimeoutSeconds = 15;

/** A connection with no session state set. For this floor; everything above uses `connect`. */
export async function open(target: PostgresTarget, options: OpenOptions = {}): Promise<pg.Client> {
  const already = cancelled(options.signal);
  if (already) throw already;
  const attempts = tlsAttempts(target);
  for (const [index, ssl] of attempts.entries()) {
    try {
      return await openWith(target, options, ssl);
    } catch (thrown) {
      const isRefusedTls = thrown instanceof Error && /does not support SSL/.test(thrown.message);
      if (isRefusedTls && index + 1 < attempts.length) continue;
      throw cancelled(options.signal) ?? pgError(thrown, target, 'connect');
    }
  }
  throw new OpsError('PG_UNREACHABLE', `PostgreSQL at ${target.display} could not be reached`);
}

async function openWith(
  target: PostgresTarget,
  options: OpenOptions,
  ssl: ConnectionOptions | false,
): Promise<pg.Client> {
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user,
    password: target.password,
    database: target.database,
    options: target.options,
    // Copied, because pg makes `ssl.key` of the object it gets non-enumerable; and given even when false, because pg
    // would otherwise read PGSSLMODE.
    ssl: ssl === false ? false : { ...ssl },
    stream: () => new LendingSocket(),
    // Only on request: pg fails on certificates whose signature has no hash of its own (Ed25519).
    enableChannelBinding: ssl !== false && target.channelBinding === 'require',
    application_name: options.applicationName ?? 'production-ops',
    connectionTimeoutMillis:
      options.connectTimeoutMs ?? (target.connectTimeoutSeconds ?? defaultConnectTimeoutSeconds) * 1000,
    // A firewall that forgets an idle connection would leave us waiting for ever.
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
  });
  // A lost connection is told to every query; the event itself must not end the process.
  client.on('error', () => {});
  const onAbort = () => {
    askToCancel(client);
    streamOf(client).destroy(toOpsError(new DOMException('aborted', 'AbortError')));
  };
  options.signal?.addEventListener('abort', onAbort, { once: true });
  client.once('end', () => options.signal?.removeEventListener('abort', onAbort));
  try {
    await client.connect();
    return client;
  } catch (thrown) {
    options.signal?.removeEventListener('abort', onAbort);
    streamOf(client).destroy();
    throw thrown;
  }
}

/**
 * What libpq does for each sslmode (https://www.postgresql.org/docs/current/libpq-ssl.html), in the order to try.
 * pg itself treats every mode but `disable` as verify-full and never falls back.
 */
function tlsAttempts(target: PostgresTarget): (ConnectionOptions | false)[] {
  if (target.host.startsWith('/')) return [false];
  const files = { ca: caOf(target), cert: fileOf(target, 'sslcert'), key: fileOf(target, 'sslkey') };
  const unchecked: ConnectionOptions = { ...files, rejectUnauthorized: false };
  const checkedChain: ConnectionOptions = { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  switch (target.sslmode ?? 'prefer') {
    case 'disable':
      return [false];
    case 'allow':
    case 'prefer':
      return [unchecked, false];
    case 'require':
      // As in libpq: a given root certificate turns `require` into `verify-ca`.
      return [files.ca ? checkedChain : unchecked];
    case 'verify-ca':
      return [checkedChain];
    case 'verify-full':
      return [{ ...files, rejectUnauthorized: true }];
  }
}

function caOf(target: PostgresTarget): string | undefined {
  return target.sslrootcert === 'system' ? undefined : fileOf(target, 'sslrootcert');
}

function fileOf(target: PostgresTarget, name: 'sslrootcert' | 'sslcert' | 'sslkey'): string | undefined {
  const path = target[name];
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new OpsError('PG_TLS', `The ${name} of ${target.display} cannot be read`, {
      hint: `Check that ${path} exists and that this user may read it.`,
      cause: thrown,
    });
  }
}

/**
 * A server that computes does not notice a closed socket for as long as the statement runs; a CancelRequest ends it.
 * Sent in the clear as libpq did up to 16: it holds a one-time key, no secret of the user. Best effort.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html (CancelRequest)
 */
function askToCancel(client: pg.Client): void {
  const { processID, secretKey } = client as pg.Client & { processID: number | null; secretKey: number | null };
  if (processID === null || secretKey === null) return;
  const request = Buffer.alloc(16);
  request.writeInt32BE(16, 0);
  request.writeInt32BE(80_877_102, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket = client.host.startsWith('/')
    ? openSocket(`${client.host}/.s.PGSQL.${client.port}`)
    : openSocket(client.port, client.host);
  socket.on('error', () => {});
  socket.setTimeout(2_000, () => socket.destroy());
  socket.end(request);
}

function streamOf(client: pg.Client): { destroy(error?: Error): void } {
  return (client as pg.Client & { connection: { stream: { destroy(error?: Error): void } } }).connection.stream;
}

/** The reason of an aborted signal. */
export function cancelled(signal: AbortSignal | undefined): OpsError | undefined {
  if (!signal?.aborted) return undefined;
  return signal.reason instanceof OpsError ? signal.reason : toOpsError(new DOMException('aborted', 'AbortError'));
}
