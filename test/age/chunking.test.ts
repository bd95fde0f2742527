import { Decrypter } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { createAgeEncryptor, generateIdentity, recipientOf } from '../../actions/lib/age/index.ts';
import { chunkBytes, decryptInPieces, encryptInPieces, sealedChunkBytes, seededBytes } from './age-files.ts';

let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateIdentity();
  recipient = await recipientOf(identity);
});

const aroundBoundaries = [0, 1, 2].flatMap(n => [-1, 0, 1].map(d => Math.max(0, n * chunkBytes + d)));
const length = fc.oneof(fc.constantFrom(...aroundBoundaries), fc.nat(3 * chunkBytes));
const lengths = fc.array(fc.oneof(length, fc.nat(20)), { maxLength: 8 });

test('however the plain bytes are cut, another implementation reads the same file out of it', async () => {
  await fc.assert(
    fc.asyncProperty(length, lengths, async (size, cuts) => {
      const plain = seededBytes(size);
      const file = await encryptInPieces(plain, [recipient], cuts);
      const decrypter = new Decrypter();
      decrypter.addIdentity(identity);
      expect(plain.equals(await decrypter.decrypt(file))).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('however an age file is cut on its way, the same bytes come out', async () => {
  await fc.assert(
    fc.asyncProperty(length, lengths, async (size, cuts) => {
      const plain = seededBytes(size);
      const opened = await decryptInPieces(await encryptInPieces(plain, [recipient]), [identity], cuts);
      expect(opened.error).toBeUndefined();
      expect(opened.plain.equals(plain)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('an age file that comes byte by byte is read', async () => {
  const plain = seededBytes(300);
  const file = await encryptInPieces(plain, [recipient]);
  const opened = await decryptInPieces(file, [identity], Array(file.length).fill(1));
  expect(opened).toEqual({ plain, error: undefined });
});

test('every chunk costs sixteen bytes, and a whole last chunk has no empty one behind it', async () => {
  const { header } = await createAgeEncryptor([recipient]);
  for (const [size, chunks] of [
    [0, 1],
    [1, 1],
    [chunkBytes, 1],
    [chunkBytes + 1, 2],
    [2 * chunkBytes, 2],
  ] as const)
    expect(await encryptInPieces(seededBytes(size), [recipient])).toHaveLength(header.length + size + 16 * chunks);
});

test('chunks leave the encryptor as soon as a byte follows them', async () => {
  const encryptor = await createAgeEncryptor([recipient]);
  expect(encryptor.update(seededBytes(chunkBytes))).toEqual([]);
  expect(encryptor.update(seededBytes(1)).map(sealed => sealed.length)).toEqual([sealedChunkBytes]);
  expect(encryptor.update(seededBytes(3 * chunkBytes)).map(sealed => sealed.length)).toEqual([
    sealedChunkBytes,
    sealedChunkBytes,
    sealedChunkBytes,
  ]);
  expect(encryptor.final().map(sealed => sealed.length)).toEqual([1 + 16]);
});

test('the buffer given to update may be used again at once', async () => {
  const plain = seededBytes(2 * chunkBytes + 5);
  const encryptor = await createAgeEncryptor([recipient]);
  const buffer = Buffer.from(plain);
  const sealed = encryptor.update(buffer);
  buffer.fill(0);
  const opened = await decryptInPieces(Buffer.concat([encryptor.header, ...sealed, ...encryptor.final()]), [identity]);
  expect(opened.plain.equals(plain)).toBe(true);
});

test('two files of the same bytes for the same recipient share neither header nor payload', async () => {
  const plain = seededBytes(100);
  const [one, two] = [await encryptInPieces(plain, [recipient]), await encryptInPieces(plain, [recipient])];
  const payload = -(plain.length + 16);
  expect(one.subarray(payload).equals(two.subarray(payload))).toBe(false);
  expect(one.subarray(payload - 16, payload).equals(two.subarray(payload - 16, payload))).toBe(false);
});

test('a finished encryptor takes nothing more', async () => {
  const encryptor = await createAgeEncryptor([recipient]);
  encryptor.final();
  expect(() => encryptor.update(seededBytes(1))).toThrow('after final()');
  expect(() => encryptor.final()).toThrow('twice');
});
