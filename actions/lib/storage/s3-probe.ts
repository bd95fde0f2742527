import type { S3Connection } from './s3-connection.ts';
import { isPreconditionFailed, isUnsupported } from './s3-errors.ts';
import { abortQuietly } from './s3-upload.ts';

/**
 * Whether the store refuses to overwrite with `If-None-Match: *`. Asked by doing it: some stores answer 501, and some
 * ignore the header and overwrite (lxc/incus#3651), which no documentation reveals.
 */
export async function probeConditionalPut(s3: S3Connection, bucket: string, key: string): Promise<boolean> {
  try {
    await putOnce(s3, bucket, key);
    return await isRefused(() => putOnce(s3, bucket, key));
  } catch (error) {
    if (isUnsupported(error)) return false;
    throw error;
  } finally {
    await removeQuietly(s3, bucket, key);
  }
}

/** The same for the end of a multipart upload: Ceph 16, for one, honours the header only on PutObject. */
export async function probeConditionalUpload(s3: S3Connection, bucket: string, key: string): Promise<boolean> {
  const target = { Bucket: bucket, Key: key };
  try {
    await s3.send(client => client.send(new s3.sdk.PutObjectCommand({ ...target, Body: Buffer.from('probe') })));
    const { UploadId } = await s3.send(client => client.send(new s3.sdk.CreateMultipartUploadCommand(target)));
    const upload = { ...target, UploadId };
    try {
      const { ETag } = await s3.send(client =>
        client.send(new s3.sdk.UploadPartCommand({ ...upload, PartNumber: 1, Body: Buffer.from('probe') })),
      );
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      return await isRefused(() =>
        s3.send(client =>
          client.send(new s3.sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload, IfNoneMatch: '*' })),
        ),
      );
    } finally {
      await abortQuietly(s3, upload);
    }
  } catch (error) {
    if (isUnsupported(error)) return false;
    throw error;
  } finally {
    await removeQuietly(s3, bucket, key);
  }
}

async function putOnce(s3: S3Connection, bucket: string, key: string): Promise<void> {
  const request = { Bucket: bucket, Key: key, Body: Buffer.from('probe'), IfNoneMatch: '*' };
  await s3.send(client => client.send(new s3.sdk.PutObjectCommand(request)));
}

async function isRefused(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (isPreconditionFailed(error)) return true;
    throw error;
  }
}

/** Credentials that may not delete leave the probe behind: a few bytes under `.tmp-`, which no listing shows. */
async function removeQuietly(s3: S3Connection, bucket: string, key: string): Promise<void> {
  const request = { Bucket: bucket, Key: key };
  await s3.send(client => client.send(new s3.sdk.DeleteObjectCommand(request))).catch(() => {});
}
