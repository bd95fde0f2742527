import { describe, expect, test } from 'vitest';
import { imageSettingsSchema, optimizeImage, ssimulacra2 } from '../../../actions/lib/assets/images/index.ts';
import { createMemoryGate, type MemoryGate } from '../../../actions/lib/assets/images/memory-gate.ts';
import { sampleOf } from '../../../actions/lib/assets/images/sample.ts';
import { photo, photoPixels, pixelsOf } from './pictures.ts';

const settings = imageSettingsSchema.parse({ widths: [], formats: ['avif'] });
const signal = new AbortController().signal;
const picture = photoPixels(1664, 1280);
const jpeg = await photo(1664, 1280).jpeg({ quality: 95 }).toBuffer();

describe('a large photograph', () => {
  test('is searched on a sample: in place and variant reach the target and truly score what they say', async () => {
    const outcome = await optimizeImage({ path: 'a.jpg', bytes: jpeg, settings, signal });
    if (outcome.kind !== 'done') throw new Error(outcome.message);
    const original = await pixelsOf(jpeg);
    const made = [outcome.inPlace!, ...outcome.variants];
    expect(made).toHaveLength(2);
    for (const { bytes, score, encodes } of made) {
      expect(bytes.length).toBeLessThan(jpeg.length);
      expect(encodes).toBeLessThanOrEqual(8);
      // Encodes of the sample count by its part of the pixels.
      expect(Number.isInteger(encodes)).toBe(false);
      const measured = ssimulacra2(original, await pixelsOf(bytes), { negligibleWeight: 0 });
      expect(measured).toBeGreaterThan(79.5);
      expect(Math.abs(measured - score)).toBeLessThan(0.3);
    }
  });

  test('turned and progressive, it is what it is upright', async () => {
    const upright = photo(1664, 1280);
    const turned = await upright
      .clone()
      .rotate(-90)
      .jpeg({ quality: 95, progressive: true, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const outcome = await optimizeImage({
      path: 'a.jpg',
      bytes: turned,
      settings: { ...settings, formats: [] },
      signal,
    });
    if (outcome.kind !== 'done') throw new Error(outcome.message);
    const pixels = await pixelsOf(outcome.inPlace!.bytes);
    expect([pixels.width, pixels.height]).toEqual([1664, 1280]);
    expect(ssimulacra2(picture, pixels)).toBeGreaterThan(75);
  });

  test('cut off, it is refused in the words of one decoder, and holds no memory after it', async () => {
    const gate = createMemoryGate(300e6);
    let held = 0;
    const counting: MemoryGate = {
      async hold(bytes) {
        const release = await gate.hold(bytes);
        held++;
        return () => {
          held--;
          release();
        };
      },
      keep(bytes) {
        const release = gate.keep(bytes);
        held++;
        return () => {
          held--;
          release();
        };
      },
    };
    const bytes = jpeg.subarray(0, jpeg.length / 2);
    expect(await optimizeImage({ path: 'a.jpg', bytes, settings, signal, gate: counting })).toMatchObject({
      kind: 'refused',
      code: 'IMAGE_DAMAGED',
      message: 'a.jpg cannot be decoded to its end: VipsJpeg: premature end of JPEG image',
    });
    expect(held).toBe(0);
  });
});

describe('a sample', () => {
  const coordinates = (width: number, height: number) => {
    const data = Buffer.alloc(width * height * 3);
    for (let at = 0; at < width * height; at++) data.writeUIntBE(at, at * 3, 3);
    return { data, width, height, channels: 3 as const };
  };

  test('is made of squares of the picture, from all over it, where encoders divide it as well', () => {
    const [width, height] = [2000, 1100];
    const sample = sampleOf(coordinates(width, height))!;
    expect([sample.width, sample.height]).toEqual([1024, 1024]);
    const placeAt = (x: number, y: number) => sample.data.readUIntBE((y * 1024 + x) * 3, 3);
    for (let row = 0; row < 4; row++) {
      for (let column = 0; column < 4; column++) {
        const corner = placeAt(column * 256, row * 256);
        expect([(corner % width) % 64, Math.floor(corner / width) % 64]).toEqual([0, 0]);
        expect(Math.floor(((corner % width) + 128) / (width / 4))).toBe(column);
        expect(placeAt(column * 256 + 255, row * 256 + 255)).toBe(corner + 255 * width + 255);
      }
    }
  });

  test.each([
    [1024, 2047],
    [1000, 4000],
    [4000, 1023],
  ])('is none of %i×%i', (width, height) => {
    expect(sampleOf(coordinates(width, height))).toBeUndefined();
  });
});
