import type { KeyObject } from 'node:crypto';
import { Transform } from 'node:stream';
import { toOpsError } from '../errors/index.ts';
import { Blocks } from './blocks.ts';
import { ageDamaged } from './damaged.ts';
import { HeaderReader, openHeader } from './header.ts';
import { requireIdentities } from './keys.ts';
import { openChunk, payloadNonceBytes, plainChunkBytes, sealedChunkBytes, tagBytes } from './payload.ts';

/**
 * One age file in, plain bytes out; a byte comes out only after the chunk it is in has been authenticated. The output
 * is the whole file only if the stream ends without an error: before that it is a true beginning of it.
 *
 * The stream fails with `AGE_NO_MATCH` (none of the identities opens it) or `AGE_DAMAGED` (altered, truncated, not an
 * age file, or bytes follow its end).
 * @param identities `AGE-SECRET-KEY-1…`
 * @throws OpsError `AGE_IDENTITY`, at once
 */
export function ageDecryptStream(identities: readonly string[]): Transform {
  requireIdentities(identities);
  const header = new HeaderReader();
  let payload: PayloadOpener | undefined;

  async function open(stream: Transform, chunk: Buffer): Promise<void> {
    const found = header.push(chunk);
    if (!found) return;
    const key = await openHeader(found.text, found.nonce, identities);
    payload = new PayloadOpener(key, found.text.length + payloadNonceBytes);
    payload.update(found.rest, plain => stream.push(plain));
  }

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (payload) settle(done, () => payload?.update(chunk, plain => this.push(plain)));
      else
        open(this, chunk).then(
          () => done(),
          (error: unknown) => done(toOpsError(error)),
        );
    },
    flush(done) {
      settle(done, () => {
        if (!payload) throw ageDamaged(`truncated inside its header, at byte ${header.gatheredBytes}`);
        payload.final(plain => this.push(plain));
      });
    },
  });
}

type OnPlain = (plain: Buffer) => void;

class PayloadOpener {
  readonly #key: KeyObject;
  readonly #payloadStart: number;
  readonly #blocks = new Blocks(sealedChunkBytes);
  #index = 0;

  constructor(key: KeyObject, payloadStart: number) {
    this.#key = key;
    this.#payloadStart = payloadStart;
  }

  update(sealed: Uint8Array, onPlain: OnPlain): void {
    this.#blocks.push(sealed, block => {
      const plain = openChunk(this.#key, { index: this.#index, isLast: false }, block);
      if (!plain) throw this.#whyNotInside(block);
      this.#index += 1;
      onPlain(plain);
    });
  }

  final(onPlain: OnPlain): void {
    const block = this.#blocks.rest();
    const plain = openChunk(this.#key, { index: this.#index, isLast: true }, block);
    if (!plain) throw this.#whyNotLast(block);
    // Whoever appends one to a file that ends on a chunk boundary has made a second spelling of the same file.
    if (plain.length === 0 && this.#index > 0)
      throw ageDamaged(`its last chunk, at byte ${this.#chunkStart}, is empty, which only an empty file may have`);
    if (plain.length > 0) onPlain(plain);
  }

  // Trying the chunk in the other role tells a person which of the accidents it was.

  #whyNotInside(block: Uint8Array) {
    if (openChunk(this.#key, { index: this.#index, isLast: true }, block))
      return ageDamaged(`bytes follow its end, from byte ${this.#chunkStart + block.length}`);
    return ageDamaged(`the chunk at byte ${this.#chunkStart} was altered`);
  }

  #whyNotLast(block: Uint8Array) {
    const end = this.#chunkStart + block.length;
    if (openChunk(this.#key, { index: this.#index, isLast: false }, block))
      return ageDamaged(`truncated at byte ${end}, after a whole chunk that is not the last`);
    if (block.length < tagBytes)
      return ageDamaged(`truncated at byte ${end}, inside the chunk at byte ${this.#chunkStart}`);
    return ageDamaged(
      `the chunk at byte ${this.#chunkStart}, with which it ends at byte ${end}, was altered or truncated, or bytes were appended to it`,
    );
  }

  get #chunkStart(): number {
    return this.#payloadStart + this.#index * (plainChunkBytes + tagBytes);
  }
}

function settle(done: (error?: Error | null) => void, work: () => void): void {
  try {
    work();
  } catch (error) {
    done(toOpsError(error));
    return;
  }
  done();
}
