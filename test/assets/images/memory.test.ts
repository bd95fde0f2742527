import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Strength } from '../../../actions/lib/assets/images/encoders.ts';
import {
  candidateBytes,
  coefficientBytes,
  decoderBytes,
  encoderBytes,
  flatteningBytes,
  losslessBytes,
  pictureBytes,
  pixelBytes,
  wholeBytes,
} from '../../../actions/lib/assets/images/estimates.ts';
import {
  imageSettingsSchema,
  inspectImage,
  optimizeImage,
  type VariantFormat,
} from '../../../actions/lib/assets/images/index.ts';
import type { MemoryGate } from '../../../actions/lib/assets/images/memory-gate.ts';
import { photo } from './pictures.ts';

const settings = imageSettingsSchema.parse({ widths: [], formats: ['avif', 'webp'], minSavingBytes: 1 });
const signal = new AbortController().signal;
const noBytes = { bytes: new Uint8Array() };
const MB = 1e6;

const camera = {
  format: 'jpeg',
  width: 6000,
  height: 4000,
  frames: 1,
  orientation: 1,
  colours: 'rgb',
  hasAlpha: false,
  bitsPerChannel: 8,
  bytes: 10.5e6,
} as const;
const halved: Strength = { kind: 'lossy', quality: 86, chroma: '4:2:0' };
const full: Strength = { kind: 'lossy', quality: 90, chroma: '4:4:4' };
const lossless: Strength = { kind: 'lossless' };
const opaque = { hasAlpha: false };

/** Resident at the peak of the step, less before it, in a process of the pool: photographs, sharp 0.35.3 on x64. */
describe('a step is taken to need what it was seen to need, and not much more', () => {
  const landscape = { width: 2560, height: 1707 };
  const portrait = { width: 2560, height: 3840 };
  const six = { width: 3000, height: 2000 };
  const half = { width: 1024, height: 1024 };
  test.each<[VariantFormat, { width: number; height: number }, Strength, encoder: number, candidate: number]>([
    ['jpeg', camera, halved, 166, 153],
    ['jpeg', six, full, 80, 54],
    ['jpeg', six, halved, 39, 36],
    ['webp', landscape, halved, 69, 43],
    ['webp', portrait, halved, 154, 98],
    ['webp', six, lossless, 233, 60],
    ['avif', landscape, halved, 150, 83],
    ['avif', portrait, halved, 333, 182],
    ['avif', half, halved, 46, 19],
    ['png', six, lossless, 9, 19],
  ])('%s of %o', (format, size, strength, encoder, candidate) => {
    const asked = [
      encoderBytes(format, size, strength, opaque) / MB,
      candidateBytes(format, size, strength, opaque) / MB,
    ];
    expect(asked[0]).toBeGreaterThan(encoder * 0.97);
    expect(asked[0]).toBeLessThan(encoder * 1.2 + 20);
    expect(asked[1]).toBeGreaterThan(candidate * 0.97);
    expect(asked[1]).toBeLessThan(candidate * 1.2 + 20);
  });

  test.each([
    ['a plain JPEG', camera, 0, 80],
    ['a progressive JPEG', camera, 72, 151],
    ['a turned JPEG', { ...camera, orientation: 6 }, 0, 144],
  ])('%s, decoded as a whole', (_, facts, coefficients, seen) => {
    const asked = (decoderBytes(noBytes, facts) + coefficients * MB + pictureBytes(facts)) / MB;
    expect(asked).toBeGreaterThan(seen);
    expect(asked).toBeLessThan(seen * 1.15);
  });

  test('a PNG: the file that is written, and one picture at a time', () => {
    const facts = { ...camera, format: 'png', bytes: 45.6e6 } as const;
    expect(losslessBytes(noBytes, facts, false) / MB).toBeLessThan(160);
    expect(losslessBytes(noBytes, facts, true)).toBeGreaterThan(losslessBytes(noBytes, facts, false));
    expect(wholeBytes(noBytes, facts)).toBe(24e6 * (3 + 1));
    expect(pixelBytes({ ...facts, bitsPerChannel: 16 })).toBe(24e6 * 6);
    expect(pixelBytes({ ...facts, frames: 3, hasAlpha: true })).toBe(24e6 * 12);
  });
});

describe('the coefficients of a progressive JPEG', () => {
  test.each([
    ['4:2:0', '4:2:0', 3],
    ['4:4:4', '4:4:4', 6],
  ])('%s are there as a whole', async (_, chromaSubsampling, perPixel) => {
    const bytes = await photo(320, 240).jpeg({ progressive: true, chromaSubsampling }).toBuffer();
    expect(coefficientBytes({ bytes })).toBe(320 * 240 * perPixel);
  });

  test('grey has one for each pixel, and a plain one needs none', async () => {
    const grey = await photo(320, 240).toColourspace('b-w').jpeg({ progressive: true }).toBuffer();
    expect(coefficientBytes({ bytes: grey })).toBe(320 * 240 * 2);
    expect(coefficientBytes({ bytes: await photo(320, 240).jpeg().toBuffer() })).toBe(0);
  });

  test('of a header that is broken nothing is said', () => {
    const frame = (body: number[]) =>
      Uint8Array.from([0xff, 0xd8, 0xff, 0xc2, 0, body.length + 2, ...body, 0xff, 0xda, 0, 2]);
    expect(coefficientBytes({ bytes: frame([8, 1]) })).toBe(0);
    expect(coefficientBytes({ bytes: frame([8, 0, 10, 0, 10, 1, 1, 0, 0]) })).toBe(0);
    expect(coefficientBytes({ bytes: new Uint8Array() })).toBe(0);
  });
});

test('what has alpha or is grey is turned into RGB for the score', () => {
  expect(flatteningBytes({ width: 10, height: 10, channels: 3 })).toBe(0);
  expect(flatteningBytes({ width: 10, height: 10, channels: 4 })).toBe(600);
});

describe('the work on an image', () => {
  /** Never two steps of one track at once: one that waited for the other would wait for ever. */
  function recording() {
    const steps: number[] = [];
    let kept = 0;
    let held = 0;
    let mostHeld = 0;
    const gate: MemoryGate = {
      async hold(bytes) {
        steps.push(bytes);
        mostHeld = Math.max(mostHeld, ++held);
        return () => {
          held--;
        };
      },
      keep(bytes) {
        kept += bytes;
        let isKept = true;
        return () => {
          if (isKept) kept -= bytes;
          isKept = false;
        };
      },
    };
    return { gate, steps, state: () => ({ held, kept, mostHeld }) };
  }

  test.each([
    ['a.jpg', () => photo(320, 240).jpeg({ quality: 95, progressive: true })],
    ['a.png', () => photo(320, 240).png({ compressionLevel: 1 })],
    ['a.webp', () => photo(200, 160).webp({ lossless: true, effort: 0 })],
  ])('of %s asks by the step, holds no step within another, and gives all of it back', async (path, picture) => {
    const bytes = await picture().toBuffer();
    const { gate, steps, state } = recording();
    const outcome = await optimizeImage({ path, bytes, settings, signal, gate });
    expect(outcome).toMatchObject({ kind: 'done', inPlace: {} });
    expect(state()).toEqual({ held: 0, kept: 0, mostHeld: 1 });
    const facts = await inspectImage({ path, bytes }, settings.limits);
    expect(steps).toContain(encoderBytes('avif', facts, halved, facts));
    expect(steps).toContain(candidateBytes('avif', facts, halved, facts));
  });

  test('that is cancelled while it waits for memory ends with the reason', async () => {
    const cancel = new AbortController();
    const reason = new Error('enough');
    const { gate, state } = recording();
    const waiting: MemoryGate = {
      ...gate,
      async hold(bytes) {
        const release = await gate.hold(bytes);
        cancel.abort(reason);
        return release;
      },
    };
    const bytes = await photo(320, 240).png().toBuffer();
    const work = optimizeImage({ path: 'a.png', bytes, settings, signal: cancel.signal, gate: waiting });
    await expect(work).rejects.toBe(reason);
    expect(state()).toMatchObject({ held: 0, kept: 0 });
  });

  test('of a large PNG gives its bytes up, and comes to what it comes to with them', async () => {
    const even = sharp({ create: { width: 1200, height: 1200, channels: 3, background: 'teal' } });
    const bytes = await even.png({ compressionLevel: 0 }).toBuffer();
    const folder = await mkdtemp(join(tmpdir(), 'ops-memory-'));
    try {
      const file = join(folder, 'a.png');
      await writeFile(file, bytes);
      const own = { ...settings, formats: [] };
      const held = await optimizeImage({ path: 'a.png', bytes: Buffer.from(bytes), settings: own, signal });
      const given = await readFile(file);
      const { gate, state } = recording();
      const readAgain = await optimizeImage({ path: 'a.png', bytes: given, file, settings: own, signal, gate });
      expect(readAgain).toEqual(held);
      expect(readAgain).toMatchObject({ kind: 'done', inPlace: { score: 100 } });
      expect([given.length, state().kept]).toEqual([0, 0]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
