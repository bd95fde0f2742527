import { OpsError } from '../errors/index.ts';

const mebibyte = 1024 * 1024;
const smallestPartBytes = 16 * mebibyte;
/** S3's own limit for one part. */
const largestPartBytes = 5 * 1024 * mebibyte;
/** An estimate may be this much too low before an upload runs out of part numbers. */
const headroom = 1.25;

/**
 * The size of every part of an upload but the last. All are equal because R2 asks for it, so the size has to be right
 * from the start: an upload cannot have more than `maxParts` parts (AWS 10,000, Scaleway 1,000).
 */
export function planPartBytes(estimatedBytes: number | undefined, maxParts: number): number {
  const needed = Math.ceil(((estimatedBytes ?? 0) * headroom) / maxParts / mebibyte) * mebibyte;
  return Math.min(Math.max(needed, smallestPartBytes), largestPartBytes);
}

export interface Part {
  bytes: Buffer;
  isLast: boolean;
  /** Give the memory back once the part has been sent. */
  release(): void;
}

/** Buffers that are used again, so that a thousand objects do not leave a thousand buffers to the garbage collector. */
export class PartBuffers {
  readonly #free: Buffer[] = [];
  readonly #keep: number;

  /** @param keep how many idle buffers it holds at most */
  constructor(keep: number) {
    this.#keep = keep;
  }

  take(sizeBytes: number): Buffer {
    const fitting = this.#free.findIndex(buffer => buffer.length === sizeBytes);
    return fitting >= 0 ? this.#free.splice(fitting, 1)[0]! : Buffer.allocUnsafeSlow(sizeBytes);
  }

  give(buffer: Buffer): void {
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }
}

/**
 * Cuts a stream into parts of exactly `partBytes`; the last one may be shorter, and is empty only for an empty stream.
 * A full part is handed out when the next byte arrives: only then is it known not to be the last.
 */
export async function* cutParts(
  chunks: AsyncIterable<Uint8Array>,
  partBytes: number,
  buffers: PartBuffers,
): AsyncGenerator<Part, void> {
  let buffer = buffers.take(partBytes);
  let filled = 0;
  const part = (isLast: boolean): Part => {
    const whole = buffer;
    return { bytes: whole.subarray(0, filled), isLast, release: () => buffers.give(whole) };
  };
  for await (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      if (filled === partBytes) {
        yield part(false);
        buffer = buffers.take(partBytes);
        filled = 0;
      }
      const piece = chunk.subarray(from, from + partBytes - filled);
      buffer.set(piece, filled);
      filled += piece.length;
      from += piece.length;
    }
  }
  yield part(true);
}

export function tooManyParts(key: string, partBytes: number, maxParts: number): OpsError {
  const gibibytes = Math.floor((partBytes * maxParts) / (1024 * mebibyte));
  return new OpsError('STORAGE_FAILED', `${key} is larger than its estimate allowed: over ${gibibytes} GiB`, {
    hint: `One upload has at most ${maxParts} parts, of a size chosen before it began. Give a larger estimate.`,
  });
}
