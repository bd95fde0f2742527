import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { sealHeader } from '../../actions/lib/age/header.ts';
import { createAgeEncryptor, generateIdentity, recipientOf } from '../../actions/lib/age/index.ts';
import { sealChunk } from '../../actions/lib/age/payload.ts';
import { chunkBytes, decryptInPieces, encryptInPieces, sealedChunkBytes, seededBytes } from './age-files.ts';

let identity: string;
let recipient: string;
/** Bytes before the first chunk; the same for every file with one recipient. */
let headerBytes: number;
const smallPlain = seededBytes(40);
let small: Buffer;
const largePlain = seededBytes(3 * chunkBytes);
let large: Buffer;

beforeAll(async () => {
  identity = await generateIdentity();
  recipient = await recipientOf(identity);
  headerBytes = (await createAgeEncryptor([recipient])).header.length;
  small = await encryptInPieces(smallPlain, [recipient]);
  large = await encryptInPieces(largePlain, [recipient]);
});

const chunkAt = (index: number) => headerBytes + index * sealedChunkBytes;

async function refusal(file: Buffer): Promise<{ code: string; message: string; plain: Buffer }> {
  const { plain, error } = await decryptInPieces(file, [identity], [1000, 50_000]);
  expect(error, 'a damaged file was accepted').toBeDefined();
  return { code: error!.code, message: error!.message, plain };
}

describe('a flipped bit', () => {
  test('in any byte of a small file is refused, and nothing of it comes out', async () => {
    for (let at = 0; at < small.length; at++) {
      const { code, plain } = await refusal(flipped(small, at, 1));
      // A changed stanza of a recipient cannot be told from that of another recipient.
      expect(['AGE_DAMAGED', ...(at < headerBytes ? ['AGE_NO_MATCH'] : [])]).toContain(code);
      expect(plain).toHaveLength(0);
    }
  });

  test('or any other change of a byte is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(small.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        expect((await refusal(flipped(small, at, mask))).plain).toHaveLength(0);
      }),
      { numRuns: 200 },
    );
  });

  test('in the middle of a large file lets out nothing beyond the chunks before it, and names the place', async () => {
    const { code, message, plain } = await refusal(flipped(large, chunkAt(1) + 5, 0x80));
    expect(code).toBe('AGE_DAMAGED');
    expect(message).toContain(`the chunk at byte ${chunkAt(1)} was altered`);
    expectBeginning(plain, 1);
  });

  test('in the nonce of the payload is refused at its first chunk', async () => {
    const { code, message } = await refusal(flipped(large, headerBytes - 1, 1));
    expect(code).toBe('AGE_DAMAGED');
    expect(message).toContain(`the chunk at byte ${headerBytes} was altered`);
  });
});

describe('a truncated file', () => {
  test('is refused wherever a small one ends', async () => {
    for (let end = 0; end < small.length; end++) {
      const { code, plain } = await refusal(small.subarray(0, end));
      expect(code).toBe('AGE_DAMAGED');
      expect(plain).toHaveLength(0);
    }
  });

  test.each([0, 1, 2])('is refused when it ends where chunk %i should begin, and says so', async index => {
    const { code, message, plain } = await refusal(large.subarray(0, chunkAt(index)));
    expect(code).toBe('AGE_DAMAGED');
    expect(message).toContain(`truncated at byte ${chunkAt(index)}`);
    expectBeginning(plain, index);
  });

  test.each([1, 15, 16, 17, 1000, chunkBytes, chunkBytes + 15])('is refused %i bytes into a chunk', async offset => {
    for (const index of [0, 1, 2]) {
      const { code, plain } = await refusal(large.subarray(0, chunkAt(index) + offset));
      expect(code).toBe('AGE_DAMAGED');
      expectBeginning(plain, index);
    }
  });

  test('says that it ends inside its header', async () => {
    expect((await refusal(small.subarray(0, 50))).message).toContain('truncated inside its header, at byte 50');
    expect((await refusal(Buffer.alloc(0))).message).toContain('truncated inside its header, at byte 0');
  });
});

describe('bytes that follow the end', () => {
  test.each([1, 15, 16, 17, 1000, sealedChunkBytes])('are refused: %i of them', async count => {
    expect((await refusal(Buffer.concat([small, seededBytes(count)]))).code).toBe('AGE_DAMAGED');
    const { code, message } = await refusal(Buffer.concat([large, seededBytes(count)]));
    expect(code).toBe('AGE_DAMAGED');
    expect(message).toContain(`bytes follow its end, from byte ${large.length}`);
  });

  test('are refused when they are a second age file', async () => {
    expect((await refusal(Buffer.concat([small, small]))).code).toBe('AGE_DAMAGED');
    expect((await refusal(Buffer.concat([large, large]))).code).toBe('AGE_DAMAGED');
  });
});

describe('whole chunks in another order', () => {
  const chunk = (index: number) => large.subarray(chunkAt(index), chunkAt(index + 1));

  test.each([
    ['a missing first chunk', [1, 2]],
    ['a missing middle chunk', [0, 2]],
    ['a chunk sent twice', [0, 0, 1, 2]],
    ['two chunks swapped', [1, 0, 2]],
    ['the last chunk in the middle', [0, 2, 1]],
  ])('%s is refused', async (_what, order) => {
    const file = Buffer.concat([large.subarray(0, headerBytes), ...order.map(chunk)]);
    expect((await refusal(file)).code).toBe('AGE_DAMAGED');
  });
});

test('a last chunk that is empty is refused, though it is authentic', async () => {
  // Sealed by the file's own key for its own place: only the rule of the format is broken.
  const { header, payloadKey } = await sealHeader([recipient]);
  const file = Buffer.concat([
    header,
    sealChunk(payloadKey, { index: 0, isLast: false }, seededBytes(chunkBytes)),
    sealChunk(payloadKey, { index: 1, isLast: true }, Buffer.alloc(0)),
  ]);
  const { code, message } = await refusal(file);
  expect(code).toBe('AGE_DAMAGED');
  expect(message).toContain(`its last chunk, at byte ${chunkAt(1)}, is empty`);
});

describe('what is not an age file', () => {
  test('is refused at its first bytes', async () => {
    const { code, message } = await refusal(Buffer.from('-----BEGIN AGE ENCRYPTED FILE-----\n'));
    expect(code).toBe('AGE_DAMAGED');
    expect(message).toContain('at byte 0');
  });

  test('is not read without end in search of the end of its header', async () => {
    const file = Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(1_100_000, 'x')]);
    expect((await refusal(file)).message).toContain('no end in the first 1048576 bytes');
  });
});

describe('an identity that is none of the recipients', () => {
  test('is told from damage, and the hint says where the right one belongs', async () => {
    const { plain, error } = await decryptInPieces(large, [await generateIdentity()]);
    expect(error).toMatchObject({ code: 'AGE_NO_MATCH', message: 'The identity given does not open this age file' });
    expect(error!.hint).toContain('BACKUP_AGE_IDENTITY');
    expect(plain).toHaveLength(0);
  });

  test('does no harm beside the right one', async () => {
    const others = [await generateIdentity(), await generateIdentity()];
    expect((await decryptInPieces(small, [...others, identity])).plain.equals(smallPlain)).toBe(true);
    expect((await decryptInPieces(small, others)).error?.message).toContain('None of the 2 identities');
  });
});

/** A failing stream may drop what nobody has read yet; what was read must be true and end before the damage. */
function expectBeginning(plain: Buffer, intactChunks: number): void {
  expect(plain.length).toBeLessThanOrEqual(intactChunks * chunkBytes);
  expect(largePlain.subarray(0, plain.length).equals(plain)).toBe(true);
}

function flipped(file: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(file);
  copy[at] = copy[at]! ^ mask;
  return copy;
}
