import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { constants, createZstdCompress, type ZstdCompress } from 'node:zlib';
import { type AgeEncryptor, createAgeEncryptor } from '../../age/index.ts';
import { toOpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';
import type { Part } from '../sets/manifest.ts';
import { collectLessOften } from './collections.ts';

/**
 * One part on its way out: plain bytes → SHA-256 → zstd (one frame, with checksum) → age → SHA-256 → every destination.
 * Nothing touches the disk, memory is a few buffers however long the part is, and the slowest step holds the others
 * back. A destination that fails is left behind; the part goes on to the others.
 */
export interface PartWriter {
  /** Resolves when the bytes are consumed and their buffer may be used again. */
  write(plain: Buffer): Promise<void>;
  /** Ends the part; resolves once it exists at every destination that is still healthy. */
  finish(): Promise<Pick<Part, 'plainBytes' | 'plainSha256' | 'storedBytes' | 'storedSha256'>>;
  /** Leaves nothing behind. */
  abort(reason: unknown): Promise<void>;
}

export interface PartOptions {
  key: string;
  destinations: readonly Destination[];
  recipients: readonly string[];
  compressionLevel: number;
  estimatedPlainBytes?: number;
  signal: AbortSignal;
}

/** A storage as one backup sees it: once it has failed it stays failed. */
export interface Destination {
  readonly storage: Storage;
  failure: Error | undefined;
}

/** Typical of rows as text; only sizes the parts of an S3 upload. */
const assumedCompression = 3;
const zstdChunkBytes = 128 * 1024;
/** At level 1 a window of 256 KiB compresses rows as small as the default one of 512 KiB, and a fifth faster: it stays in cache. */
const fastestWindowLog = 18;

/** @throws OpsError the failure of the last destination, when none is left */
export async function openPart(options: PartOptions): Promise<PartWriter> {
  collectLessOften();
  const encryptor = options.recipients.length > 0 ? await createAgeEncryptor(options.recipients) : undefined;
  return new StreamingPart(options, encryptor);
}

class StreamingPart implements PartWriter {
  readonly #encryptor: AgeEncryptor | undefined;
  readonly #zstd: ZstdCompress;
  readonly #destinations: readonly Destination[];
  readonly #outlets: Outlet[];
  readonly #plainHash = createHash('sha256');
  readonly #storedHash = createHash('sha256');
  #plainBytes = 0;
  #storedBytes = 0;
  #zstdError: Error | undefined;
  readonly #zstdEnded: Promise<void>;

  constructor(options: PartOptions, encryptor: AgeEncryptor | undefined) {
    this.#encryptor = encryptor;
    this.#destinations = options.destinations;
    this.#outlets = options.destinations.filter(d => !d.failure).map(d => new Outlet(d, options));
    this.#zstd = createZstdCompress({
      chunkSize: zstdChunkBytes,
      params: {
        [constants.ZSTD_c_compressionLevel]: options.compressionLevel,
        [constants.ZSTD_c_checksumFlag]: 1,
        ...(options.compressionLevel === 1 && { [constants.ZSTD_c_windowLog]: fastestWindowLog }),
      },
    });
    this.#zstdEnded = new Promise(resolve => {
      this.#zstd.on('data', (chunk: Buffer) => this.#onCompressed(chunk));
      this.#zstd.on('end', resolve);
      this.#zstd.on('error', error => {
        this.#zstdError = error;
        resolve();
      });
    });
    if (encryptor) this.#send(Buffer.from(encryptor.header));
  }

  async write(plain: Buffer): Promise<void> {
    this.#plainHash.update(plain);
    this.#plainBytes += plain.length;
    await new Promise<void>((resolve, reject) => {
      this.#zstd.write(plain, error => (error ? reject(error) : resolve()));
    });
    await this.#drained();
  }

  async finish() {
    this.#zstd.end();
    await this.#zstdEnded;
    if (this.#zstdError) throw this.#zstdError;
    if (this.#encryptor) for (const chunk of this.#encryptor.final()) this.#send(chunk);
    for (const outlet of this.#outlets) outlet.end();
    await Promise.all(this.#outlets.map(outlet => outlet.finished));
    this.#throwWhenNoneLeft();
    return {
      plainBytes: this.#plainBytes,
      plainSha256: this.#plainHash.digest('hex'),
      storedBytes: this.#storedBytes,
      storedSha256: this.#storedHash.digest('hex'),
    };
  }

  async abort(reason: unknown): Promise<void> {
    this.#zstd.destroy();
    for (const outlet of this.#outlets) outlet.abort(reason instanceof Error ? reason : new Error(String(reason)));
    await Promise.all(this.#outlets.map(outlet => outlet.finished));
  }

  #onCompressed(chunk: Buffer): void {
    if (!this.#encryptor) this.#send(chunk);
    else for (const sealed of this.#encryptor.update(chunk)) this.#send(sealed);
  }

  #send(stored: Buffer): void {
    this.#storedHash.update(stored);
    this.#storedBytes += stored.length;
    for (const outlet of this.#outlets) outlet.write(stored);
  }

  async #drained(): Promise<void> {
    if (this.#zstdError) throw this.#zstdError;
    for (const outlet of this.#outlets) await outlet.drained();
    this.#throwWhenNoneLeft();
  }

  #throwWhenNoneLeft(): void {
    if (this.#outlets.some(outlet => !outlet.destination.failure)) return;
    // The last one may have failed before this part was opened, while the part before it was being stored.
    throw this.#destinations.findLast(d => d.failure)?.failure ?? new Error('a part was opened with no destination');
  }
}

/** The way of a part to one destination. */
class Outlet {
  readonly destination: Destination;
  readonly finished: Promise<void>;
  readonly #pipe = new PassThrough({ highWaterMark: 1024 * 1024 });
  #isOpen = true;

  constructor(destination: Destination, options: PartOptions) {
    this.destination = destination;
    const estimatedBytes = options.estimatedPlainBytes;
    // A destroyed pipe is reported by `put`; without a listener Node would also raise it as uncaught.
    this.#pipe.on('error', () => {});
    this.finished = destination.storage
      .put(options.key, this.#pipe, {
        signal: options.signal,
        ...(estimatedBytes !== undefined && { estimatedBytes: Math.ceil(estimatedBytes / assumedCompression) }),
      })
      .then(
        () => undefined,
        (error: unknown) => {
          if (this.#isOpen) destination.failure ??= toOpsError(error); // else: our own abort
          this.#isOpen = false;
          this.#pipe.destroy();
        },
      );
  }

  write(chunk: Buffer): void {
    if (this.#isOpen && !this.destination.failure) this.#pipe.write(chunk);
  }

  async drained(): Promise<void> {
    if (!this.#isOpen || !this.#pipe.writableNeedDrain) return;
    await new Promise<void>(resolve => {
      this.#pipe.once('drain', resolve);
      this.#pipe.once('close', resolve);
    });
  }

  end(): void {
    if (this.destination.failure) this.#pipe.destroy(this.destination.failure);
    else this.#pipe.end();
  }

  abort(reason: Error): void {
    this.#isOpen = false;
    this.#pipe.destroy(reason);
  }
}
