import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { retry } from '../retry/index.ts';
import { isConflict, isTransient, retryAfterSeconds } from './s3-errors.ts';

export interface S3Options {
  bucket: string;
  region: string;
  /** For S3-compatible stores, `https://host[:port]`. */
  endpoint?: string | undefined;
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`. Default: when an endpoint is given. */
  forcePathStyle?: boolean | undefined;
  /** All keys are below this; give one when the bucket also serves others. */
  prefix?: string | undefined;
  /** Default: the SDK's own chain (environment, web identity, instance). */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string } | undefined;
  /** The most parts of one upload that the store takes. Default 10,000. */
  maxParts?: number | undefined;
  /** A connection on which nothing moves for this long is given up. Default 60. */
  timeoutSeconds?: number | undefined;
}

type Sdk = typeof import('@aws-sdk/client-s3');

/** A client with this project's time limits and retries in place of the SDK's. */
export interface S3Connection {
  readonly sdk: Sdk;
  /** The store takes the SDK's checksums, so every part is sent with one. */
  readonly sendsChecksums: boolean;
  /** Runs one request, again after a transient failure; `attempt` counts from 1. */
  send<T>(request: (client: S3Client, attempt: number) => Promise<T>, options?: SendOptions): Promise<T>;
  close(): void;
}

export interface SendOptions {
  signal?: AbortSignal | undefined;
  /** 409 on a conditional write means that another one is going on: ask again to learn how it ended. */
  retryConflict?: boolean;
}

const attempts = 4;
const connectSeconds = 10;

/** Loads the SDK, which takes a moment, only when a destination on S3 is really used. */
export async function connectS3(options: S3Options): Promise<S3Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client(clientConfig(options));
  return {
    sdk,
    sendsChecksums: checksumsFor(options) === 'WHEN_SUPPORTED',
    send: (request, { signal, retryConflict = false } = {}) =>
      retry(attempt => request(client, attempt), {
        attempts,
        signal,
        retryAfterSeconds,
        isTransient: error => isTransient(error) || (retryConflict && isConflict(error)),
      }),
    close: () => client.destroy(),
  };
}

function clientConfig(options: S3Options): S3ClientConfig {
  const checksums = checksumsFor(options);
  return {
    region: options.region,
    ...(options.endpoint && { endpoint: options.endpoint }),
    forcePathStyle: options.forcePathStyle ?? options.endpoint !== undefined,
    ...(options.credentials && { credentials: options.credentials }),
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectSeconds * 1000,
      // Counts silence on the socket, not the whole request: a part may take long on a slow line.
      socketTimeout: (options.timeoutSeconds ?? 60) * 1000,
    },
  };
}

/** Since 3.729 the SDK adds CRC32 to every request, which some compatible stores refuse (aws-sdk-js-v3#6810). */
function checksumsFor(options: S3Options): 'WHEN_REQUIRED' | 'WHEN_SUPPORTED' {
  return options.endpoint ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
}
