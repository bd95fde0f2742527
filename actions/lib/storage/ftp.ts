import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { Client } from 'basic-ftp';
import { OpsError } from '../errors/index.ts';
import { retry } from '../retry/index.ts';
import { openBody, rejectionOf } from './body.ts';
import { parseFtpUrl } from './ftp-address.ts';
import { download } from './ftp-download.ts';
import { ftpError, isNotFound, isReply, isTargetRefused, isTransient } from './ftp-errors.ts';
import { createFtpPool, type FtpConnection, type FtpUse } from './ftp-pool.ts';
import { assertKey, assertPrefix, isKey, isOfDeadProcess, isTemporary, temporaryName } from './key.ts';
import type { GetOptions, ObjectInfo, PutOptions, Storage } from './storage.ts';
import { walk } from './walk.ts';

export interface FtpOptions {
  /** `ftp://user:password@host[:port]/path` or `ftps://…` (explicit TLS), percent-encoded. */
  url: string;
  /** PEM of the authority of the server's certificate, when it is not a public one. */
  ca?: string | undefined;
  /** A connection on which nothing moves for this long is given up. Default 30. */
  timeoutSeconds?: number | undefined;
}

const attempts = 3;
const connections = 3;
const cleanUpSeconds = 5;

type Signalled = { signal?: AbortSignal | undefined };

/**
 * A folder on an FTP server. An object is sent under a temporary name, its SIZE is compared, and it is renamed. At most
 * three connections, of which two carry streams and one is kept for what is small; each stream of `get` occupies one
 * until it is read to the end or destroyed.
 * @throws OpsError `CONFIG_INVALID` for a URL that cannot be used
 */
export function createFtpStorage(options: FtpOptions): Storage {
  const address = parseFtpUrl(options.url);
  const port = address.port === 21 ? '' : `:${address.port}`;
  const name = `ftp:${address.host}${port}/${address.path.replace(/^\//, '')}`;
  const pool = createFtpPool({
    address,
    ca: options.ca,
    timeoutSeconds: options.timeoutSeconds ?? 30,
    max: connections,
  });
  const madeFolders = new Set<string>();
  const fail = (doing: string, key: string) => (error: unknown) =>
    ftpError(error, `${doing} ${key} in ${name}`, address.password);

  async function put(key: string, given: Readable | Uint8Array, { ifAbsent = false, signal }: PutOptions = {}) {
    const body = openBody(given, signal);
    try {
      assertKey(key);
      if (ifAbsent && (await head(key, { signal }))) throw exists(key, name);
      const temporary = folderOf(key) + temporaryName();
      try {
        const chunks = given instanceof Uint8Array ? [given] : body.chunks;
        const sizeBytes = await upload(temporary, chunks, given instanceof Uint8Array, signal);
        await publish(temporary, key, sizeBytes, ifAbsent, signal);
        return { sizeBytes };
      } catch (error) {
        const answers = await removeQuietly(temporary);
        const isOurs = body.failure() !== undefined || signal?.aborted;
        const isBroken = !isOurs && fail('write', key)(error).code === 'STORAGE_UNREACHABLE';
        throw answers && isBroken ? brokenOff(key, name, error) : error;
      }
    } catch (error) {
      const rejection = rejectionOf(error, body, signal, fail('write', key));
      body.discard(rejection);
      throw rejection;
    }
  }

  /** Sends everything under the temporary name. Once a stream has been read from, it cannot be sent a second time. */
  async function upload(
    temporary: string,
    chunks: AsyncIterable<Uint8Array> | Uint8Array[],
    canRepeat: boolean,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let hasBegun = false;
    let sizeBytes = 0;
    async function* counted(client: Client) {
      hasBegun = true;
      sizeBytes = 0;
      for await (const chunk of chunks) {
        if (chunk.length === 0) continue;
        sizeBytes += chunk.length;
        yield chunk;
      }
      if (sizeBytes === 0) await dataHandshake(client);
    }
    const send = async (connection: FtpConnection) => {
      await makeFolder(connection, folderOf(temporary));
      const source = Readable.from(counted(connection.client), { objectMode: false });
      try {
        await connection.client.uploadFrom(source, `${connection.root}/${temporary}`);
      } catch (error) {
        source.destroy();
        connection.client.close();
        // The folder may have been removed by another process since it was made.
        madeFolders.clear();
        throw error;
      }
    };
    const mayRepeat = (error: unknown) => (canRepeat || !hasBegun) && (isTransient(error) || isTargetRefused(error));
    const use = canRepeat ? 'request' : 'transfer';
    await retry(() => onConnection(send, signal, use), { attempts, signal, isTransient: mayRepeat });
    return sizeBytes;
  }

  /** Repeatable: an answer that got lost is told from a failure by where the bytes are now. */
  async function publish(
    temporary: string,
    key: string,
    sizeBytes: number,
    ifAbsent: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const rename = async (connection: FtpConnection, attempt: number) => {
      const stored = await sizeOf(connection, temporary);
      if (stored === undefined && attempt > 1 && (await sizeOf(connection, key)) === sizeBytes) return;
      if (stored !== sizeBytes) {
        throw new OpsError('STORAGE_FAILED', `${name} kept ${stored ?? 'none'} of the ${sizeBytes} bytes of ${key}`, {
          hint: 'Nothing was stored. Check the space on the server and its log.',
        });
      }
      if (ifAbsent && (await sizeOf(connection, key)) !== undefined) throw exists(key, name);
      const { client, root } = connection;
      try {
        await client.rename(`${root}/${temporary}`, `${root}/${key}`);
      } catch (error) {
        // IIS and some appliances do not rename over what exists.
        if (!isTargetRefused(error) || (await sizeOf(connection, key)) === undefined) throw error;
        await client.remove(`${root}/${key}`);
        await client.rename(`${root}/${temporary}`, `${root}/${key}`);
      }
    };
    await repeat(rename, signal);
  }

  async function get(key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
    assertKey(key);
    const open = async () => {
      const connection = await pool.acquire('transfer', signal);
      try {
        const sizeBytes = await sizeOf(connection, key);
        if (sizeBytes === undefined) throw new OpsError('STORAGE_NOT_FOUND', `There is no ${key} in ${name}`);
        const start = range?.start ?? 0;
        if (range && start >= sizeBytes) {
          throw new OpsError('STORAGE_FAILED', `${key} in ${name} has ${sizeBytes} bytes: none from ${start} on`);
        }
        return download(connection.client, {
          path: `${connection.root}/${key}`,
          start,
          end: Math.min(sizeBytes, (range?.end ?? sizeBytes) + 1),
          sizeBytes,
          signal,
          describe: fail('read', key),
          done: error => pool.release(connection, error),
        });
      } catch (error) {
        pool.release(connection, error);
        throw error;
      }
    };
    return guarded(fail('read', key), signal, () => retry(open, { attempts, signal, isTransient }));
  }

  async function head(key: string, { signal }: Signalled = {}): Promise<ObjectInfo | undefined> {
    assertKey(key);
    return guarded(fail('look at', key), signal, () =>
      repeat(async connection => {
        const sizeBytes = await sizeOf(connection, key);
        if (sizeBytes === undefined) return undefined;
        const modifiedAt = await modifiedAtOf(connection, key);
        return { key, sizeBytes, ...(modifiedAt && { modifiedAt }) };
      }, signal),
    );
  }

  async function* list(prefix: string, { signal }: Signalled = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    for await (const { key, entry } of filesBelow(prefix, signal)) {
      if (!isKey(key)) continue;
      yield { key, sizeBytes: entry.size, ...(entry.modifiedAt && { modifiedAt: entry.modifiedAt }) };
    }
  }

  async function remove(key: string, { signal }: Signalled = {}): Promise<void> {
    assertKey(key);
    await guarded(fail('remove', key), signal, () => repeat(connection => removeFile(connection, key), signal));
  }

  async function sweepAbandoned(options: { olderThanSeconds: number; prefix?: string; signal?: AbortSignal }) {
    const { signal, prefix = '' } = options;
    assertPrefix(prefix);
    const begunBefore = Date.now() - options.olderThanSeconds * 1000;
    const removed: string[] = [];
    for await (const { key, entry } of filesBelow(prefix, signal)) {
      if (!isTemporary(entry.name)) continue;
      await guarded(fail('remove', key), signal, () =>
        repeat(async connection => {
          const modifiedAt = entry.modifiedAt ?? (await modifiedAtOf(connection, key));
          const isOld = modifiedAt !== undefined && modifiedAt.getTime() <= begunBefore;
          if (!isOld && !isOfDeadProcess(entry.name)) return;
          await removeFile(connection, key);
          removed.push(key);
        }, signal),
      );
    }
    return removed;
  }

  function filesBelow(prefix: string, signal: AbortSignal | undefined) {
    const read = (folder: string) =>
      guarded(fail('list', folder || '/'), signal, () =>
        repeat(async ({ client, root }) => {
          try {
            // Entered rather than named: servers without MLSD take `*`, `[` and `{` in the argument of LIST as patterns.
            await client.cd(`${root}/${folder}`);
          } catch (error) {
            if (isNotFound(error)) return [];
            throw error;
          }
          const entries = await client.list();
          return entries
            .filter(entry => entry.isFile || entry.isDirectory)
            .map(({ name, isDirectory, size, modifiedAt }) => ({ name, isFolder: isDirectory, size, modifiedAt }));
        }, signal),
      );
    return walk(prefix, read);
  }

  async function makeFolder({ client, root }: FtpConnection, folder: string): Promise<void> {
    if (madeFolders.has(folder)) return;
    // The root itself may be missing too; what exists already answers with an error that means nothing.
    const segments = `${root}/${folder}`.split('/').filter(segment => segment !== '');
    let path = '';
    for (const segment of segments) {
      path += `/${segment}`;
      await client.sendIgnoringError(`MKD ${path}`);
    }
    madeFolders.add(folder);
  }

  async function removeFile(connection: FtpConnection, key: string): Promise<void> {
    const { client, root } = connection;
    try {
      await client.remove(`${root}/${key}`);
    } catch (error) {
      // Some servers give the same answer for "not there" and "not allowed".
      if (!isReply(error) || (await sizeOf(connection, key)) !== undefined) throw error;
    }
    for (let folder = folderOf(key); folder !== ''; folder = folderOf(folder.slice(0, -1))) {
      madeFolders.delete(folder);
      const answer = await client.sendIgnoringError(`RMD ${root}/${folder.slice(0, -1)}`);
      if (answer.code >= 300) return; // not empty
    }
  }

  /** For after a failed upload; what cannot be removed now is left to `sweepAbandoned`. False: no answer either. */
  async function removeQuietly(temporary: string): Promise<boolean> {
    const signal = AbortSignal.timeout(cleanUpSeconds * 1000);
    const work = (connection: FtpConnection) => removeFile(connection, temporary);
    return await onConnection(work, signal).then(() => true, isReply);
  }

  function repeat<T>(
    work: (connection: FtpConnection, attempt: number) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const attemptOnce = (attempt: number) => onConnection(connection => work(connection, attempt), signal);
    return retry(attemptOnce, { attempts, signal, isTransient });
  }

  async function onConnection<T>(
    work: (connection: FtpConnection) => Promise<T>,
    signal: AbortSignal | undefined,
    use: FtpUse = 'request',
  ): Promise<T> {
    const connection = await pool.acquire(use, signal);
    const abort = () => connection.client.close();
    signal?.addEventListener('abort', abort, { once: true });
    let failure: unknown;
    try {
      return await work(connection);
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      pool.release(connection, failure);
    }
  }

  async function capabilities() {
    return guarded(fail('probe', '/'), undefined, async () => {
      const features = await repeat(({ client }) => client.features(), undefined);
      return { atomicIfAbsent: false, ranges: features.has('REST') };
    });
  }

  const close = async () => pool.close();
  return { name, kind: 'ftp', put, get, head, list, remove, sweepAbandoned, capabilities, close };
}

async function guarded<T>(
  describe: (error: unknown) => OpsError,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw signal?.aborted ? signal.reason : describe(error);
  }
}

/**
 * An upload of nothing ends the data connection at once. While OpenSSL is still inside the handshake, the callback that
 * says 'secureConnect' included, Node cannot send the closing alert, and the server takes that for an attack.
 */
async function dataHandshake(client: Client): Promise<void> {
  const socket = client.ftp.dataSocket;
  if (!(socket instanceof TLSSocket)) return;
  if ('secureConnecting' in socket && socket.secureConnecting) await once(socket, 'secureConnect');
  await setImmediate();
}

/** `undefined` when there is no such file. */
async function sizeOf({ client, root }: FtpConnection, key: string): Promise<number | undefined> {
  try {
    return await client.size(`${root}/${key}`);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** MDTM is an extension: a server without it leaves the time out. */
async function modifiedAtOf({ client, root }: FtpConnection, key: string): Promise<Date | undefined> {
  try {
    const modifiedAt = await client.lastMod(`${root}/${key}`);
    return Number.isNaN(modifiedAt.getTime()) ? undefined : modifiedAt;
  } catch (error) {
    if (isReply(error)) return undefined;
    throw error;
  }
}

/** `a/b/c` → `a/b/`, `a` → `` */
function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}

/**
 * A server that cannot go on (mostly: no space) closes the data connection and explains itself on the other one. When
 * the first arrives before the second, basic-ftp has closed both, and the reason is lost.
 */
function brokenOff(key: string, name: string, cause: unknown): OpsError {
  return new OpsError('STORAGE_FAILED', `${name} broke off the transfer of ${key}, and still answers`, {
    hint: 'Mostly there is no space left or a quota is reached: check that, and the log of the server.',
    cause,
  });
}

function exists(key: string, name: string): OpsError {
  return new OpsError('STORAGE_EXISTS', `${key} is already in ${name}`);
}
