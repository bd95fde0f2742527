import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ageEncryptStream,
  generateIdentity,
  parseIdentities,
  parseRecipients,
  recipientOf,
} from '../../actions/lib/age/index.ts';
import { chunkBytes, decryptInPieces, encryptInPieces, StockAge, seededBytes, through } from './age-files.ts';

let age: StockAge;
let identity: string;
let recipient: string;

beforeAll(async () => {
  age = await StockAge.open();
  identity = await generateIdentity();
  recipient = await recipientOf(identity);
});
afterAll(() => age[Symbol.asyncDispose]());

const sizes = [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes, 3_500_000];

describe.each(sizes)('a file of %i bytes', size => {
  test('encrypted here is read by the stock age', async () => {
    const plain = seededBytes(size);
    const opened = await age.decrypt(await encryptInPieces(plain, [recipient], [10_000, 70_000]), identity);
    expect(opened.equals(plain)).toBe(true);
  });

  test('encrypted by the stock age is read here', async () => {
    const plain = seededBytes(size);
    const opened = await decryptInPieces(await age.encrypt(plain, [recipient]), [identity], [100, 70_000]);
    expect(opened.error).toBeUndefined();
    expect(opened.plain.equals(plain)).toBe(true);
  });
});

test('either of two recipients opens the file, with the stock age and here', async () => {
  const other = await generateIdentity();
  const plain = seededBytes(100_000);
  const recipients = [recipient, await recipientOf(other)];
  const ours = await encryptInPieces(plain, recipients);
  const theirs = await age.encrypt(plain, recipients);
  for (const key of [identity, other]) {
    expect((await age.decrypt(ours, key)).equals(plain)).toBe(true);
    expect((await decryptInPieces(theirs, [key])).plain.equals(plain)).toBe(true);
  }
});

test('the encrypting stream makes a file that the stock age reads', async () => {
  const plain = seededBytes(200_000);
  const file = await through([plain.subarray(0, 5), plain.subarray(5)], await ageEncryptStream([recipient]));
  expect((await age.decrypt(file.plain, identity)).equals(plain)).toBe(true);
});

test('the encrypting stream given nothing makes the file of nothing', async () => {
  const file = await through([], await ageEncryptStream([recipient]));
  expect(await age.decrypt(file.plain, identity)).toHaveLength(0);
});

test('the file that age-keygen writes is taken as it is, and gives the recipient it names', async () => {
  const keyFile = await age.keygen();
  const [generated] = parseIdentities(keyFile);
  const named = /public key: (\S+)/.exec(keyFile)![1]!;
  expect(await recipientOf(generated!)).toBe(named);
  expect(parseRecipients(named)).toEqual([named]);
});
