import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * The payload of an age file: STREAM of ChaCha20-Poly1305 over 64 KiB chunks
 * (https://github.com/C2SP/C2SP/blob/main/age.md#payload).
 * `age-encryption` does this in JavaScript; here OpenSSL does, so that it is never the slowest step of a backup.
 */
export const plainChunkBytes = 64 * 1024;
export const tagBytes = 16;
export const sealedChunkBytes = plainChunkBytes + tagBytes;
/** Stands between the header and the first chunk; salts the payload key. */
export const payloadNonceBytes = 16;

/** Where a chunk stands; a chunk opens only there. That is what makes a moved, missing or last-but-cut chunk show. */
export interface ChunkPlace {
  index: number;
  isLast: boolean;
}

export function derivePayloadKey(fileKey: Uint8Array, payloadNonce: Uint8Array): KeyObject {
  // As a KeyObject it is taken in once; a Buffer would be copied and checked for every chunk.
  return createSecretKey(Buffer.from(hkdfSync('sha256', fileKey, payloadNonce, 'payload', 32)));
}

/** Ciphertext and tag in one buffer: one write for whoever stores it. */
export function sealChunk(key: KeyObject, place: ChunkPlace, plain: Uint8Array): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, chunkNonce(place), { authTagLength: tagBytes });
  const sealed = Buffer.allocUnsafeSlow(plain.length + tagBytes);
  sealed.set(cipher.update(plain), 0);
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** The plain bytes, or `undefined` when this is not, to the last bit, the chunk that was sealed for this place. */
export function openChunk(key: KeyObject, place: ChunkPlace, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined;
  const bodyBytes = sealed.length - tagBytes;
  const decipher = createDecipheriv('chacha20-poly1305', key, chunkNonce(place), { authTagLength: tagBytes });
  decipher.setAuthTag(sealed.subarray(bodyBytes));
  const plain = decipher.update(sealed.subarray(0, bodyBytes));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return plain;
}

/** 11 bytes of counter, big endian, and the flag of the last chunk. */
function chunkNonce({ index, isLast }: ChunkPlace): Buffer {
  const nonce = Buffer.alloc(12);
  // Six of the eleven bytes hold any index there can be: 2^48 chunks are 16 EiB, and more is a RangeError.
  nonce.writeUIntBE(index, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}
