import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { OpsError } from '../errors/index.ts';
import { openBody, rejectionOf } from './body.ts';
import { assertKey, assertPrefix, isKey, isTemporary } from './key.ts';
import { connectS3, type S3Connection, type S3Options } from './s3-connection.ts';
import { download } from './s3-download.ts';
import { isNotFound, isPreconditionFailed, s3Error } from './s3-errors.ts';
import { cutParts, PartBuffers, planPartBytes } from './s3-parts.ts';
import { probeConditionalPut, probeConditionalUpload } from './s3-probe.ts';
import { sendParts, sendWhole } from './s3-upload.ts';
import type { GetOptions, ObjectInfo, PutOptions, Storage } from './storage.ts';

/** Parts in flight and being filled, of two uploads at once. */
const idleBuffers = 4;

/**
 * A bucket on S3 or a compatible store. A body below one part (16 MiB, more for large estimates) is one PutObject, a
 * larger one a multipart upload that holds at most two parts in memory.
 */
export function createS3Storage(options: S3Options): Storage {
  const { bucket, maxParts = 10_000 } = options;
  const root = rootOf(options.prefix ?? '');
  const name = `s3:${bucket}${root && `/${root.slice(0, -1)}`}`;
  const buffers = new PartBuffers(idleBuffers);
  const connection = once(() => connectS3(options));
  const probeKey = () => `${root}.tmp-probe-${randomUUID()}`;
  const canPutConditionally = once(async () => probeConditionalPut(await connection(), bucket, probeKey()));
  const canUploadConditionally = once(async () => probeConditionalUpload(await connection(), bucket, probeKey()));
  const fail = (doing: string, key: string) => (error: unknown) => s3Error(error, `${doing} ${key} in ${name}`);
  const located = (key: string) => {
    assertKey(key);
    return root + key;
  };

  async function put(key: string, given: Readable | Uint8Array, options: PutOptions = {}) {
    const { ifAbsent = false, estimatedBytes, signal } = options;
    const body = openBody(given, signal);
    try {
      const target = { bucket, key: located(key) };
      const s3 = await connection();
      const refuseIfThere = async () => {
        if (await head(key, { signal })) throw exists(key, name);
      };
      const partBytes = planPartBytes(given instanceof Uint8Array ? given.length : estimatedBytes, maxParts);
      const parts = cutParts(body.chunks, partBytes, buffers);
      const first = await parts.next();
      if (first.done) throw new OpsError('INTERNAL', 'A stream was cut into no parts');
      const conditional = ifAbsent && (await (first.value.isLast ? canPutConditionally : canUploadConditionally)());
      if (ifAbsent && !conditional) await refuseIfThere();
      const upload = { ...target, conditional, signal };
      if (first.value.isLast) return await sendWhole(s3, upload, first.value);
      return await sendParts(s3, upload, first.value, parts, {
        maxParts,
        partBytes,
        beforePublishing: ifAbsent && !conditional ? refuseIfThere : undefined,
      });
    } catch (error) {
      const rejection = rejectionOf(error, body, signal, cause =>
        ifAbsent && isPreconditionFailed(cause) ? exists(key, name) : fail('write', key)(cause),
      );
      body.discard(rejection);
      throw rejection;
    }
  }

  async function get(key: string, options: GetOptions = {}): Promise<Readable> {
    const target = { bucket, key: located(key) };
    try {
      return await download(await connection(), target, options, fail('read', key));
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      if (isNotFound(error)) throw new OpsError('STORAGE_NOT_FOUND', `There is no ${key} in ${name}`);
      throw fail('read', key)(error);
    }
  }

  async function head(key: string, { signal }: { signal?: AbortSignal | undefined } = {}) {
    const target = { Bucket: bucket, Key: located(key) };
    return guarded(fail('look at', key), signal, async s3 => {
      try {
        const answer = await s3.send(
          client => client.send(new s3.sdk.HeadObjectCommand(target), { abortSignal: signal }),
          { signal },
        );
        return describe(key, answer.ContentLength, answer.LastModified);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  async function* list(prefix: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ObjectInfo> {
    assertPrefix(prefix);
    for await (const object of objectsBelow(root + prefix, signal)) if (isKey(object.key)) yield object;
  }

  async function* objectsBelow(prefix: string, signal: AbortSignal | undefined): AsyncGenerator<ObjectInfo> {
    for (let token: string | undefined; ; ) {
      const page = await guarded(fail('list', prefix || '/'), signal, s3 =>
        s3.send(
          client =>
            client.send(new s3.sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }), {
              abortSignal: signal,
            }),
          { signal },
        ),
      );
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key?.startsWith(prefix)) yield describe(Key.slice(root.length), Size, LastModified);
      }
      if (!page.IsTruncated) return;
      if (!page.NextContinuationToken || page.NextContinuationToken === token) {
        throw new OpsError('STORAGE_FAILED', `${name} announced a further page of its list but no way to reach it`);
      }
      token = page.NextContinuationToken;
    }
  }

  async function remove(key: string, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await removeExactly(located(key), signal);
  }

  async function removeExactly(fullKey: string, signal: AbortSignal | undefined): Promise<void> {
    await guarded(fail('remove', fullKey), signal, async s3 => {
      // Never DeleteObjects: it wants an MD5 that the SDK no longer sends by itself (aws-sdk-js-v3#6819).
      const request = { Bucket: bucket, Key: fullKey };
      await s3.send(client => client.send(new s3.sdk.DeleteObjectCommand(request), { abortSignal: signal }), {
        signal,
      });
    });
  }

  async function sweepAbandoned(options: { olderThanSeconds: number; prefix?: string; signal?: AbortSignal }) {
    const { signal, prefix = '' } = options;
    assertPrefix(prefix);
    const begunBefore = Date.now() - options.olderThanSeconds * 1000;
    const isOld = (begun: Date | undefined) => begun !== undefined && begun.getTime() <= begunBefore;
    const removed: string[] = [];
    for (const upload of await unfinishedUploads(root + prefix, signal)) {
      if (!isOld(upload.begun)) continue;
      await guarded(fail('abort the upload of', upload.key), signal, s3 => abortUpload(s3, upload, signal));
      removed.push(upload.key.slice(root.length));
    }
    for await (const { key, modifiedAt } of objectsBelow(`${root}.tmp-`, signal)) {
      if (!isTemporary(key) || !isOld(modifiedAt)) continue;
      await removeExactly(root + key, signal);
      removed.push(key);
    }
    return removed;
  }

  async function abortUpload(s3: S3Connection, upload: { key: string; id: string }, signal: AbortSignal | undefined) {
    const request = { Bucket: bucket, Key: upload.key, UploadId: upload.id };
    try {
      await s3.send(client => client.send(new s3.sdk.AbortMultipartUploadCommand(request), { abortSignal: signal }), {
        signal,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error; // finished or aborted by its owner meanwhile
    }
  }

  async function unfinishedUploads(prefix: string, signal: AbortSignal | undefined) {
    const found: { key: string; id: string; begun: Date | undefined }[] = [];
    for (let after: { KeyMarker?: string; UploadIdMarker?: string } = {}; ; ) {
      const page = await guarded(fail('list the unfinished uploads of', prefix || '/'), signal, s3 =>
        s3.send(
          client =>
            client.send(new s3.sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, ...after }), {
              abortSignal: signal,
            }),
          { signal },
        ),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key?.startsWith(prefix) && UploadId) found.push({ key: Key, id: UploadId, begun: Initiated });
      }
      if (!page.IsTruncated || !page.NextKeyMarker) return found;
      after = {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextUploadIdMarker && { UploadIdMarker: page.NextUploadIdMarker }),
      };
    }
  }

  async function guarded<T>(
    describeError: (error: unknown) => OpsError,
    signal: AbortSignal | undefined,
    work: (s3: S3Connection) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(await connection());
    } catch (error) {
      throw signal?.aborted ? signal.reason : describeError(error);
    }
  }

  return {
    name,
    kind: 's3',
    put,
    get,
    head,
    list,
    remove,
    sweepAbandoned,
    capabilities: () =>
      canPutConditionally().then(
        atomicIfAbsent => ({ atomicIfAbsent, ranges: true }),
        error => Promise.reject(s3Error(error, `probe ${name}`)),
      ),
    close: async () => (await connection.ifStarted())?.close(),
  };
}

/** `/shop/` and `shop` mean the same: keys below `shop/`. */
function rootOf(prefix: string): string {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  if (trimmed === '') return '';
  assertKey(trimmed);
  return `${trimmed}/`;
}

function describe(key: string, sizeBytes: number | undefined, modifiedAt: Date | undefined): ObjectInfo {
  return { key, sizeBytes: sizeBytes ?? 0, ...(modifiedAt && { modifiedAt }) };
}

function exists(key: string, name: string): OpsError {
  return new OpsError('STORAGE_EXISTS', `${key} is already in ${name}`);
}

/** Remembers what `work` gave, but not that it failed. */
function once<T>(work: () => Promise<T>): { (): Promise<T>; ifStarted(): Promise<T | undefined> } {
  let result: Promise<T> | undefined;
  const run = () => {
    result ??= work().catch(error => {
      result = undefined;
      throw error;
    });
    return result;
  };
  return Object.assign(run, { ifStarted: async () => result });
}
