import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { type RgbPixels, ssimulacra2 } from '../../../actions/lib/assets/images/index.ts';
import { photoPixels, pixelsOf } from './pictures.ts';
import { plainSsimulacra2 } from './plain-ssimulacra2.ts';

/** Pairs scored by the official tool, where they lie beside the repository. */
const shared = join(fileURLToPath(new URL('../../../..', import.meta.url)), 'shared', 'data');
const recorded = join(shared, 'ssimulacra2.csv');
const rows = existsSync(recorded)
  ? (await readFile(recorded, 'utf8'))
      .trim()
      .split('\n')
      .slice(1)
      .map(line => line.split(',') as [string, string, string])
  : [];

/** Coarser by dropping the low bits, in blocks of 8: what a codec does, without one. */
function coarse({ data, width, height }: RgbPixels, step: number): RgbPixels {
  const means = new Map<number, number>();
  const block = (index: number) => {
    const [x, y] = [Math.floor(index / 3) % width, Math.floor(index / 3 / width)];
    return ((y >> 3) * width + (x >> 3)) * 3 + (index % 3);
  };
  for (let index = 0; index < data.length; index++) {
    means.set(block(index), (means.get(block(index)) ?? data[index]!) * 0.5 + data[index]! * 0.5);
  }
  const coarser = data.map((value, index) => {
    const mean = means.get(block(index))!;
    return Math.max(0, Math.min(255, Math.round(mean + Math.round((value - mean) / step) * step)));
  });
  return { data: coarser, width, height };
}

describe('SSIMULACRA2', () => {
  test.skipIf(rows.length === 0)('agrees with the official tool on every recorded pair', async () => {
    const differences = await Promise.all(
      rows.map(async ([reference, distorted, score]) => {
        const [one, other] = await Promise.all([
          pixelsOf(await readFile(join(shared, reference))),
          pixelsOf(await readFile(join(shared, distorted))),
        ]);
        return { distorted, difference: Math.abs(ssimulacra2(one, other) - Number(score)) };
      }),
    );
    expect(differences.filter(({ difference }) => difference > 0.1)).toEqual([]);
    expect(differences).toHaveLength(24);
  });

  /** Scores of pictures that this repository makes itself, as measured when the pairs of the official tool agreed. */
  test.each([
    { width: 256, height: 192, step: 4, score: 88.02 },
    { width: 256, height: 192, step: 12, score: 71.27 },
    { width: 251, height: 187, step: 24, score: 20.23 },
    { width: 97, height: 33, step: 8, score: 68.08 },
    { width: 17, height: 64, step: 16, score: 86.47 },
    { width: 8, height: 9, step: 16, score: 93.46 },
  ])('scores a picture of $width×$height in steps of $step with $score', ({ width, height, step, score }) => {
    const picture = photoPixels(width, height);
    expect(Math.abs(ssimulacra2(picture, coarse(picture, step)) - score)).toBeLessThan(0.15);
  });

  test('gives what its definition gives, at every size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 90 }),
        fc.integer({ min: 8, max: 90 }),
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 3, max: 40 }),
        (width, height, seed, step) => {
          const picture = photoPixels(width, height, seed);
          const other = coarse(picture, step);
          expect(Math.abs(ssimulacra2(picture, other) - plainSsimulacra2(picture, other))).toBeLessThan(0.15);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('an image is no different from itself, and less like a worse copy', async () => {
    const picture = photoPixels(320, 240);
    const at = async (quality: number) => {
      const { data, width, height } = picture;
      return pixelsOf(
        await sharp(data, { raw: { width, height, channels: 3 } })
          .jpeg({ quality })
          .toBuffer(),
      );
    };
    const scores = [ssimulacra2(picture, picture)];
    for (const quality of [95, 85, 70, 50, 30]) scores.push(ssimulacra2(picture, await at(quality)));
    expect(scores[0]).toBe(100);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(new Set(scores).size).toBe(scores.length);
  });

  test('an image after a larger one is scored as if it were the first', () => {
    const small = photoPixels(40, 30);
    const worse = coarse(small, 20);
    const first = ssimulacra2(small, worse);
    const large = photoPixels(300, 200);
    ssimulacra2(large, coarse(large, 30));
    expect(ssimulacra2(small, worse)).toBe(first);
  });

  test('refuses what cannot be compared', () => {
    expect(() => ssimulacra2(photoPixels(20, 20), photoPixels(20, 21))).toThrow(/not of one size/);
    expect(() => ssimulacra2(photoPixels(7, 20), photoPixels(7, 20))).toThrow(/too small/);
  });
});
