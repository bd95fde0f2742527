import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { precompress } from '../../../actions/lib/assets/text/index.ts';

const settings = { encodings: ['gzip', 'br', 'zstd'], minBytes: 1024, minGainRatio: 0.05 } as const;
const text = Buffer.from(
  Array.from({ length: 2000 }, (_, line) => `.rule-${line % 97} { color: #${line % 10}00 }`).join('\n'),
);

test('each can be read back, and is smaller than what others make by default', async () => {
  const made = Object.fromEntries((await precompress(text, settings)).map(({ encoding, bytes }) => [encoding, bytes]));
  expect(gunzipSync(made.gzip!).equals(text)).toBe(true);
  expect(brotliDecompressSync(made.br!).equals(text)).toBe(true);
  expect(zstdDecompressSync(made.zstd!).equals(text)).toBe(true);
  expect(made.gzip!.length).toBeLessThanOrEqual(execFileSync('gzip', ['-nc'], { input: text }).length);
  expect(execFileSync('zstd', ['-dc'], { input: made.zstd! }).equals(text)).toBe(true);
});

test('the same bytes come of the same bytes: no time and no name in the header of gzip', async () => {
  const [first, second] = [await precompress(text, settings), await precompress(text, settings)];
  expect(second).toEqual(first);
  expect([...Buffer.from(first[0]!.bytes).subarray(4, 8)]).toEqual([0, 0, 0, 0]);
  expect(first[0]!.bytes[3]).toBe(0);
});

test('what does not gain is not made: noise, and what is smaller than headers', async () => {
  expect(await precompress(randomBytes(5000), settings)).toEqual([]);
  expect(await precompress(text.subarray(0, 1023), settings)).toEqual([]);
});
