import { createHash, type Hash } from 'node:crypto';

/** What the content of a file is known by: exactly one of the two. */
export type ContentHash = { sha256: string } | { sparseSha256: string };

export interface ContentHasher {
  /** Bytes in order of their offset; what lies between them is zeros. */
  update(bytes: Buffer, offset: number): void;
  digest(): ContentHash;
}

/**
 * Plain SHA-256, or for a sparse file a hash that skips what is zero: a log of last logins can be a terabyte of holes,
 * and hashing those takes half an hour in which nothing else happens.
 */
export function contentHasher(isSparse: boolean): ContentHasher {
  return isSparse ? new SparseHasher() : new PlainHasher();
}

class PlainHasher implements ContentHasher {
  readonly #hash: Hash = createHash('sha256');

  update(bytes: Buffer): void {
    this.#hash.update(bytes);
  }

  digest(): ContentHash {
    return { sha256: this.#hash.digest('hex') };
  }
}

const blockBytes = 4096;
const zeros = Buffer.alloc(blockBytes);

/**
 * SHA-256 of every aligned block of 4 KiB that is not all zeros, its offset in decimal and a newline before it; the
 * last one is filled up with zeros. It depends on the content alone, not on where a file system has its holes.
 */
class SparseHasher implements ContentHasher {
  readonly #hash: Hash = createHash('sha256');
  readonly #block = Buffer.alloc(blockBytes);
  #blockAt = -1;

  update(bytes: Buffer, offset: number): void {
    let at = 0;
    while (at < bytes.length) {
      const start = Math.floor((offset + at) / blockBytes) * blockBytes;
      const within = offset + at - start;
      const part = bytes.subarray(at, at + blockBytes - within);
      if (part.length === blockBytes) {
        this.#flush();
        this.#add(part, start);
      } else {
        if (start !== this.#blockAt) this.#flush();
        this.#blockAt = start;
        part.copy(this.#block, within);
      }
      at += part.length;
    }
  }

  digest(): ContentHash {
    this.#flush();
    return { sparseSha256: this.#hash.digest('hex') };
  }

  #flush(): void {
    if (this.#blockAt < 0) return;
    this.#add(this.#block, this.#blockAt);
    this.#block.fill(0);
    this.#blockAt = -1;
  }

  #add(block: Buffer, offset: number): void {
    if (block.equals(zeros)) return;
    this.#hash.update(`${offset}\n`).update(block);
  }
}
