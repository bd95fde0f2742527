import type { Readable } from 'node:stream';

/** What a stored object is known by. */
export interface ObjectInfo {
  /** Exact key, `/`-separated, never starting with `/`. */
  key: string;
  sizeBytes: number;
  /** When the store last saw it written; absent where the store does not tell. */
  modifiedAt?: Date;
}

export interface StorageCapabilities {
  /**
   * `put(…, { ifAbsent: true })` is refused atomically by the store itself, as a probe has shown. On S3 this speaks of
   * objects below one part (16 MiB); larger ones are atomic where the store also honours it on multipart uploads.
   */
  atomicIfAbsent: boolean;
  /** `get` with a byte range. */
  ranges: boolean;
}

export interface PutOptions {
  /** Refuse (`STORAGE_EXISTS`) when the key exists. */
  ifAbsent?: boolean;
  /** Roughly how many bytes will come: sizes multipart parts. The stream may be longer or shorter. */
  estimatedBytes?: number;
  signal?: AbortSignal;
}

export interface GetOptions {
  /** First byte, and last byte inclusive. */
  range?: { start: number; end: number };
  signal?: AbortSignal;
}

/**
 * One place that keeps objects. Implementations: local folder, S3 (and compatible), FTP(S).
 *
 * An object appears whole or not at all: `put` publishes it only after `body` has ended normally, and when `body` is
 * destroyed with an error nothing is left behind under `key`.
 *
 * Codes thrown: `STORAGE_NOT_FOUND`, `STORAGE_EXISTS`, `STORAGE_FULL`, `STORAGE_DENIED` (credentials or permission),
 * `STORAGE_UNREACHABLE`, `STORAGE_FAILED` (anything else), `STORAGE_KEY` (a key that could escape the root).
 */
export interface Storage {
  /** `local:/backups`, `s3:bucket/prefix`, `ftp:host/path`: for logs, reports and errors; holds no secret. */
  readonly name: string;
  readonly kind: 'local' | 's3' | 'ftp';
  /** Writes a stream (or a small buffer) under `key`; resolves to the bytes written once the object exists. */
  put(key: string, body: Readable | Uint8Array, options?: PutOptions): Promise<{ sizeBytes: number }>;
  get(key: string, options?: GetOptions): Promise<Readable>;
  /** `undefined` when there is no such object. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<ObjectInfo | undefined>;
  /** Every object whose key starts with `prefix` (which ends with `/` or is empty), in key order, all pages. */
  list(prefix: string, options?: { signal?: AbortSignal }): AsyncIterable<ObjectInfo>;
  /** Removes an object; removing what is not there is fine. */
  remove(key: string, options?: { signal?: AbortSignal }): Promise<void>;
  capabilities(): Promise<StorageCapabilities>;
  /**
   * Removes uploads that were begun and never finished, older than `olderThanSeconds`; returns what it removed. Only
   * below `prefix` (as in `list`) when given: a store does not tell whose unfinished uploads in a bucket are.
   */
  sweepAbandoned(options: { olderThanSeconds: number; prefix?: string; signal?: AbortSignal }): Promise<string[]>;
  close(): Promise<void>;
}
