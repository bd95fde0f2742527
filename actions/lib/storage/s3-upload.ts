import { randomUUID } from 'node:crypto';
import type { CompletedPart, S3Client } from '@aws-sdk/client-s3';
import type { S3Connection } from './s3-connection.ts';
import { isNotFound, isPreconditionFailed } from './s3-errors.ts';
import { type Part, tooManyParts } from './s3-parts.ts';

export interface Upload {
  bucket: string;
  key: string;
  /** Send `If-None-Match: *`. */
  conditional: boolean;
  signal: AbortSignal | undefined;
}

export interface PartsPlan {
  partBytes: number;
  maxParts: number;
  /** Runs when all parts are there, before they become an object. */
  beforePublishing: (() => Promise<void>) | undefined;
}

/** One PutObject. @returns the bytes written; throws what the SDK throws */
export async function sendWhole(s3: S3Connection, upload: Upload, part: Part): Promise<{ sizeBytes: number }> {
  const mark = randomUUID();
  const sizeBytes = part.bytes.length;
  const request = { ...targetOf(upload), Body: part.bytes, Metadata: markedWith(mark), ...conditionOf(upload) };
  await publish(s3, upload, mark, client =>
    client.send(new s3.sdk.PutObjectCommand(request), { abortSignal: upload.signal }),
  );
  part.release();
  return { sizeBytes };
}

/**
 * A multipart upload: while one part is on its way the next one fills. Aborted when anything fails, the producer
 * included, so that no parts are left to be paid for.
 */
export async function sendParts(
  s3: S3Connection,
  upload: Upload,
  first: Part,
  rest: AsyncGenerator<Part, void>,
  plan: PartsPlan,
): Promise<{ sizeBytes: number }> {
  const { signal } = upload;
  const mark = randomUUID();
  const created = await s3.send(
    client =>
      client.send(
        new s3.sdk.CreateMultipartUploadCommand({
          ...targetOf(upload),
          Metadata: markedWith(mark),
          ...(s3.sendsChecksums && { ChecksumAlgorithm: 'CRC32' as const }),
        }),
        { abortSignal: signal },
      ),
    { signal },
  );
  const multipart = { ...targetOf(upload), UploadId: created.UploadId };
  try {
    const parts: CompletedPart[] = [];
    let sizeBytes = 0;
    for (let part: Part | undefined = first; part; ) {
      if (parts.length === plan.maxParts) throw tooManyParts(upload.key, plan.partBytes, plan.maxParts);
      const following: ReturnType<typeof rest.next> | undefined = part.isLast ? undefined : rest.next();
      following?.catch(() => {}); // awaited below; until then a failing producer must not count as unhandled
      const sending: Part = part;
      const PartNumber = parts.length + 1;
      const sent = await s3.send(
        client =>
          client.send(new s3.sdk.UploadPartCommand({ ...multipart, PartNumber, Body: sending.bytes }), {
            abortSignal: signal,
          }),
        { signal },
      );
      parts.push({ PartNumber, ETag: sent.ETag, ...(sent.ChecksumCRC32 && { ChecksumCRC32: sent.ChecksumCRC32 }) });
      sizeBytes += sending.bytes.length;
      sending.release();
      part = (await following)?.value ?? undefined;
    }
    await plan.beforePublishing?.();
    const request = { ...multipart, MultipartUpload: { Parts: parts }, ...conditionOf(upload) };
    await publish(s3, upload, mark, client =>
      client.send(new s3.sdk.CompleteMultipartUploadCommand(request), { abortSignal: signal }),
    );
    return { sizeBytes };
  } catch (error) {
    await abortQuietly(s3, multipart);
    throw error;
  }
}

/** Ends an upload without an object. What cannot be reached now is left to `sweepAbandoned`. */
export async function abortQuietly(
  s3: S3Connection,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
): Promise<void> {
  const abortSignal = AbortSignal.timeout(abortSeconds * 1000);
  const request = new s3.sdk.AbortMultipartUploadCommand(upload);
  await s3.send(client => client.send(request, { abortSignal }), { signal: abortSignal }).catch(() => {});
}

const abortSeconds = 5;

/**
 * The request that makes the object exist. When its answer is lost after it took effect, the next attempt is told that
 * the object exists (412) or the upload does not (404): only the mark in the metadata tells our write from another's.
 */
async function publish(
  s3: S3Connection,
  upload: Upload,
  mark: string,
  request: (client: S3Client) => Promise<unknown>,
): Promise<void> {
  let attempts = 0;
  const attempt = (client: S3Client, number: number) => {
    attempts = number;
    return request(client);
  };
  try {
    await s3.send(attempt, { signal: upload.signal, retryConflict: upload.conditional });
  } catch (error) {
    const isAmbiguous = attempts > 1 && (isPreconditionFailed(error) || isNotFound(error));
    if (!isAmbiguous || !(await isMarked(s3, upload, mark))) throw error;
  }
}

async function isMarked(s3: S3Connection, upload: Upload, mark: string): Promise<boolean> {
  try {
    const { signal } = upload;
    const head = new s3.sdk.HeadObjectCommand(targetOf(upload));
    const { Metadata } = await s3.send(client => client.send(head, { abortSignal: signal }), { signal });
    return Metadata?.[markName] === mark;
  } catch {
    return false;
  }
}

const markName = 'put-id';
const markedWith = (mark: string) => ({ [markName]: mark });
const targetOf = ({ bucket, key }: Upload) => ({ Bucket: bucket, Key: key });
const conditionOf = ({ conditional }: Upload) => (conditional ? { IfNoneMatch: '*' } : {});
