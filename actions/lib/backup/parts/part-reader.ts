import { createHash, type Hash } from 'node:crypto';
import { pipeline, Transform, type TransformCallback } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { ageDecryptStream } from '../../age/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';
import type { Part } from '../sets/manifest.ts';
import { collectLessOften } from './collections.ts';

export interface ReadOptions {
  identities: readonly string[];
  signal: AbortSignal;
  /** Called with the stored bytes as they arrive. */
  onStored?: (bytes: number) => void;
}

/**
 * The plain bytes of a part. Stored bytes, plain bytes and both lengths are compared with the manifest; the last chunk
 * is only followed by a normal end when all of them match, so whoever commits at the end commits a whole part.
 * The success of the decoder alone is no proof: some versions of Node stop in silence at a truncated frame.
 * @throws OpsError `SET_DAMAGED`, `AGE_NO_MATCH`, `BACKUP_IDENTITY`, `STORAGE_*`
 */
export async function* readPart(storage: Storage, part: Part, options: ReadOptions): AsyncGenerator<Buffer> {
  if (part.isEncrypted && options.identities.length === 0) throw identityMissing();
  collectLessOften();
  const plain = new Tally();
  try {
    const source = await storage.get(part.key, { signal: options.signal });
    const stored = new HashingStream(options.onStored);
    const stages: (NodeJS.ReadableStream | NodeJS.WritableStream | NodeJS.ReadWriteStream)[] = [source, stored];
    if (part.isEncrypted) stages.push(ageDecryptStream(options.identities));
    if (part.isCompressed) stages.push(createZstdDecompress({ chunkSize: 256 * 1024 }));
    let failure: Error | null | undefined;
    const last = stages.at(-1) as Transform;
    pipeline(stages as [NodeJS.ReadableStream, NodeJS.ReadWriteStream], error => {
      failure = error;
    });
    for await (const chunk of last) {
      plain.update(chunk as Buffer);
      yield chunk as Buffer;
    }
    if (failure) throw failure;
    compare(part, 'stored', stored.tally, part.storedBytes, part.storedSha256);
    compare(part, 'plain', plain, part.plainBytes, part.plainSha256);
  } catch (error) {
    // A damaged header looks like one for somebody else; only the stored bytes tell which it is.
    if (error instanceof OpsError && error.code === 'AGE_NO_MATCH') {
      await rehashStored(storage, part, { signal: options.signal });
    }
    throw named(error, part, storage);
  }
}

/** Re-reads and hashes what is stored, without opening it. @throws OpsError `SET_DAMAGED`, `STORAGE_*` */
export async function rehashStored(
  storage: Storage,
  part: Part,
  options: Omit<ReadOptions, 'identities'>,
): Promise<void> {
  const tally = new Tally();
  try {
    for await (const chunk of await storage.get(part.key, { signal: options.signal })) {
      tally.update(chunk as Buffer);
      options.onStored?.((chunk as Buffer).length);
    }
    compare(part, 'stored', tally, part.storedBytes, part.storedSha256);
  } catch (error) {
    throw named(error, part, storage);
  }
}

/** Reads a small part whole, e.g. the evidence. */
export async function readPartWhole(storage: Storage, part: Part, options: ReadOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readPart(storage, part, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export function identityMissing(): OpsError {
  return new OpsError('BACKUP_IDENTITY', 'The set is encrypted and no identity to open it is given', {
    hint: 'Set BACKUP_AGE_IDENTITY to the AGE-SECRET-KEY-1… that belongs to one of the recipients.',
    exit: 'usage',
  });
}

class Tally {
  bytes = 0;
  readonly #hash: Hash = createHash('sha256');

  update(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#hash.update(chunk);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

class HashingStream extends Transform {
  readonly tally = new Tally();
  readonly #onBytes: ((bytes: number) => void) | undefined;

  constructor(onBytes: ((bytes: number) => void) | undefined) {
    super();
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.tally.update(chunk);
    this.#onBytes?.(chunk.length);
    callback(null, chunk);
  }
}

function compare(part: Part, what: 'stored' | 'plain', tally: Tally, bytes: number, sha256: string): void {
  if (tally.bytes !== bytes) {
    throw damaged(part, `has ${tally.bytes} ${what} bytes and should have ${bytes}`);
  }
  if (tally.digest() !== sha256) throw damaged(part, `has other ${what} bytes than were sent`);
}

/** A failure while reading a part, with the part's name. */
function named(error: unknown, part: Part, storage: Storage): unknown {
  if (error instanceof OpsError) {
    if (error.code === 'STORAGE_NOT_FOUND') return damaged(part, `is missing in ${storage.name}`, error);
    if (error.code === 'AGE_DAMAGED') return damaged(part, `is damaged: ${error.message}`, error);
    return error;
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (code.startsWith('ZSTD_') || code === 'ERR_BUFFER_TOO_LARGE' || code.startsWith('Z_')) {
    return damaged(part, `cannot be decompressed: ${(error as Error).message}`, error);
  }
  return error;
}

function damaged(part: Part, why: string, cause?: unknown): OpsError {
  return new OpsError('SET_DAMAGED', `Part ${part.key} ${why}`, {
    hint: 'Use another set, or the same set from another destination.',
    cause,
  });
}
