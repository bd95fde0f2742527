import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  isExif,
  profileSegments,
  readJpeg,
  smallExif,
  writeJpeg,
} from '../../../actions/lib/assets/images/files/index.ts';
import {
  type ImageDone,
  type ImageSettingsInput,
  imageSettingsSchema,
  inspectImage,
  optimizeImage,
  ssimulacra2,
} from '../../../actions/lib/assets/images/index.ts';
import { animation, cutOut, drawing, photo, photoPixels, pixelsOf } from './pictures.ts';

async function optimize(path: string, bytes: Uint8Array, changes: ImageSettingsInput = {}): Promise<ImageDone> {
  const settings = imageSettingsSchema.parse({ widths: [], minSavingBytes: 1, minSavingRatio: 0.005, ...changes });
  const outcome = await optimizeImage({ path, bytes, settings, signal: new AbortController().signal });
  if (outcome.kind === 'refused') throw new Error(`${outcome.code}: ${outcome.message}`);
  return outcome;
}

const { limits } = imageSettingsSchema.parse({});
const all = ({ inPlace, variants }: ImageDone) => [...(inPlace ? [inPlace] : []), ...variants];

describe('every file that is written', () => {
  test.each([
    ['a JPEG photograph', 'a.jpg', () => photo(320, 240).jpeg({ quality: 95 })],
    ['a PNG photograph', 'a.png', () => photo(320, 240).png()],
    ['a drawing', 'a.png', () => drawing(320, 240).png({ compressionLevel: 1 })],
    ['transparency', 'a.png', () => cutOut(200, 160).png()],
    ['a lossless WebP', 'a.webp', () => photo(200, 160).webp({ lossless: true, effort: 0 })],
    ['a lossy WebP', 'a.webp', () => photo(200, 160).webp({ quality: 95 })],
    ['an AVIF', 'a.avif', () => photo(200, 160).avif({ quality: 90, effort: 0 })],
    ['grey', 'a.jpg', () => photo(200, 160).toColourspace('b-w').jpeg({ quality: 95 })],
    ['a palette', 'a.png', () => photo(200, 160).png({ palette: true, colours: 32, dither: 0 })],
  ])('%s: reaches the target, is smaller, and truly scores what it says', async (_, path, make) => {
    const bytes = await make().toBuffer();
    const done = await optimize(path, bytes);
    expect(all(done).length).toBeGreaterThan(0);
    const original = await sharp(bytes).removeAlpha().toColourspace('srgb').raw().toBuffer();
    const { width, height, hasAlpha } = done.original;
    for (const made of all(done)) {
      expect(made.bytes.length).toBeLessThan(bytes.length);
      expect(made.score).toBeGreaterThanOrEqual(80);
      expect(made.encodes).toBeLessThanOrEqual(8);
      const seen = await pixelsOf(made.bytes);
      expect(seen).toMatchObject({ width, height });
      if (hasAlpha) continue;
      expect(Math.abs(ssimulacra2({ data: original, width, height }, seen) - made.score)).toBeLessThan(0.01);
    }
  });

  test('lies at the target it is told, and a lower target weighs less', async () => {
    const bytes = await photo(320, 240).png().toBuffer();
    const [high, low] = [
      await optimize('a.png', bytes, { target: 85 }),
      await optimize('a.png', bytes, { target: 60 }),
    ];
    for (const variant of high.variants) expect(variant.score).toBeGreaterThanOrEqual(85);
    for (const variant of low.variants) {
      expect(variant.score).toBeGreaterThanOrEqual(60);
      expect(variant.bytes.length).toBeLessThan(
        high.variants.find(({ format }) => format === variant.format)!.bytes.length,
      );
    }
    expect(low.variants.map(({ format }) => format)).toEqual(['avif', 'webp']);
  });

  test('is the same bytes each time', async () => {
    const bytes = await photo(200, 160).jpeg({ quality: 95 }).toBuffer();
    const [one, other] = [await optimize('a.jpg', bytes), await optimize('a.jpg', bytes)];
    expect(all(one).map(each => each.bytes)).toEqual(all(other).map(each => each.bytes));
  });
});

describe('what was made smaller in place', () => {
  test.each([
    ['JPEG', 'a.jpg', () => photo(320, 240).jpeg({ quality: 95 })],
    ['PNG', 'a.png', () => photo(320, 240).blur(2).png({ compressionLevel: 0 })],
    ['PNG with a palette', 'a.png', () => drawing(320, 240).png({ compressionLevel: 0 })],
    ['WebP', 'a.webp', () => photo(200, 160).webp({ lossless: true, effort: 0 })],
  ])('%s: comes out of a second run untouched', async (_, path, make) => {
    const first = await optimize(path, await make().toBuffer());
    expect(first.inPlace).toBeDefined();
    const second = await optimize(path, first.inPlace!.bytes);
    expect(second.inPlace).toBeUndefined();
  });

  test('a JPEG that was made for the web before is not worn down further', async () => {
    const bytes = await photo(320, 240).jpeg({ quality: 75, mozjpeg: true }).toBuffer();
    const done = await optimize('a.jpg', bytes);
    expect(done.inPlace).toBeUndefined();
    expect(done.notes.join(' ')).toMatch(/worn down/);
  });

  test('an original that would gain little stays as it is', async () => {
    const bytes = await photo(320, 240).jpeg({ quality: 95 }).toBuffer();
    const done = await optimize('a.jpg', bytes, { minSavingBytes: 100_000 });
    expect(done.inPlace).toBeUndefined();
  });

  test('PNG, with alpha or of 16 bits, loses no pixel', async () => {
    const deep = await photo(120, 90).toColourspace('rgb16').linear(1.003, 17).png({ compressionLevel: 0 }).toBuffer();
    const clear = await cutOut(120, 90).png({ compressionLevel: 0 }).toBuffer();
    for (const [bytes, depth] of [
      [deep, 'ushort'],
      [clear, 'uchar'],
    ] as const) {
      const { inPlace } = await optimize('a.png', bytes);
      expect(inPlace).toMatchObject({ score: 100, quality: undefined });
      const space = depth === 'ushort' ? 'rgb16' : 'srgb';
      const read = (from: Buffer) => sharp(from).toColourspace(space).raw({ depth }).toBuffer();
      expect((await read(inPlace!.bytes)).equals(await read(bytes))).toBe(true);
      expect((await sharp(inPlace!.bytes).metadata()).depth).toBe(depth);
    }
  });
});

describe('which way up', () => {
  const upright = photoPixels(160, 120);

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('a photograph of EXIF orientation %i is seen as before', async orientation => {
    const turned = await sharp(upright.data, { raw: { width: 160, height: 120, channels: 3 } })
      .jpeg({ quality: 97 })
      .withMetadata({ orientation })
      .toBuffer();
    const seen = await pixelsOf(await sharp(turned).autoOrient().png().toBuffer());
    const done = await optimize('a.jpg', turned);
    expect(done.original).toMatchObject({ width: seen.width, height: seen.height, orientation });
    expect(all(done).length).toBeGreaterThanOrEqual(2);
    for (const { bytes } of all(done)) {
      expect((await sharp(bytes).metadata()).orientation ?? 1).toBe(1);
      expect(ssimulacra2(seen, await pixelsOf(bytes))).toBeGreaterThanOrEqual(79.9);
    }
  });

  test('a photograph that keeps its pixels keeps its turn', async () => {
    const bytes = await photo(160, 120)
      .jpeg({ quality: 60 })
      .withExif({ IFD0: { Copyright: 'Ann' } })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const heavy = withComment(bytes, 20_000);
    const { inPlace } = await optimize('a.jpg', heavy);
    expect(inPlace).toMatchObject({ score: 100, encodes: 0 });
    expect(await inspectImage({ path: 'a.jpg', bytes: inPlace!.bytes }, limits)).toMatchObject({
      orientation: 6,
      copyright: 'Ann',
    });
  });
});

function chunkOf([type, body]: readonly [type: string, body: Buffer]): Buffer {
  const chunk = Buffer.alloc(12 + body.length);
  chunk.writeUInt32BE(body.length, 0);
  chunk.write(type, 4, 'latin1');
  body.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + body.length)), 8 + body.length);
  return chunk;
}

function withComment(bytes: Buffer, length: number): Buffer {
  const { segments, rest } = readJpeg(bytes)!;
  return writeJpeg({ segments: [...segments, { marker: 0xfe, body: new Uint8Array(length).fill(65) }], rest });
}

describe('colour', () => {
  test('a P3 photograph keeps its profile and its colours', async () => {
    const bytes = await photo(200, 160).jpeg({ quality: 97 }).withIccProfile('p3').toBuffer();
    const icc = (await sharp(bytes).metadata()).icc!;
    const done = await optimize('a.jpg', bytes);
    expect(done.original.profile).toBe('wide');
    expect(all(done).length).toBeGreaterThanOrEqual(2);
    const seen = await pixelsOf(bytes);
    for (const made of all(done)) {
      const metadata = await sharp(made.bytes).metadata();
      expect(metadata.icc?.equals(icc)).toBe(true);
      expect(ssimulacra2(seen, await pixelsOf(made.bytes))).toBeGreaterThanOrEqual(79.9);
    }
  });

  test('a profile that means sRGB is left out, and no pixel minds', async () => {
    const bytes = await photo(200, 160).jpeg({ quality: 97 }).withIccProfile('srgb').toBuffer();
    const done = await optimize('a.jpg', bytes);
    expect(done.original.profile).toBe('srgb');
    for (const made of all(done)) expect((await sharp(made.bytes).metadata()).icc).toBeUndefined();
    expect(ssimulacra2(await pixelsOf(bytes), await pixelsOf(done.inPlace!.bytes))).toBeGreaterThanOrEqual(79.9);
  });

  test('a CMYK JPEG keeps its pixels, and its variants are what a screen shows of it', async () => {
    const bytes = await photo(200, 160).toColourspace('cmyk').jpeg({ quality: 97 }).toBuffer();
    const shown = await pixelsOf(await sharp(bytes).toColourspace('srgb').png().toBuffer());
    const done = await optimize('a.jpg', bytes);
    expect(done.original.colours).toBe('cmyk');
    expect(done.inPlace === undefined || done.inPlace.encodes === 0).toBe(true);
    expect(done.notes.join(' ')).toMatch(/CMYK/);
    expect(done.variants.length).toBeGreaterThan(0);
    for (const { bytes: made } of done.variants) {
      expect((await sharp(made).metadata()).space).toBe('srgb');
      expect(ssimulacra2(shown, await pixelsOf(made))).toBeGreaterThanOrEqual(79.9);
    }
  });

  test('a gain map is not lost: the photograph is left alone, with a note', async () => {
    const bytes = await photo(200, 160).jpeg({ quality: 95 }).toBuffer();
    const { segments, rest } = readJpeg(bytes)!;
    const xmp = Buffer.from(
      'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description hdrgm:Version="1.0"/></x:xmpmeta>',
    );
    const hdr = writeJpeg({ segments: [...segments, { marker: 0xe1, body: xmp }], rest });
    const done = await optimize('a.jpg', hdr);
    expect(done.original.hasGainMap).toBe(true);
    expect(all(done)).toEqual([]);
    expect(done.notes.join(' ')).toMatch(/gain map/);
  });

  const words = (...values: number[]) =>
    Buffer.concat(values.map(value => Buffer.from([0, 0, value >> 8, value & 255])));
  const gamma = (value: number) => ['gAMA', Buffer.from([0, value >> 16, (value >> 8) & 255, value & 255])] as const;
  const code = (primaries: number, transfer: number) => ['cICP', Buffer.from([primaries, transfer, 0, 1])] as const;
  const srgb = ['sRGB', Buffer.from([0])] as const;
  const srgbWhites = words(31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6000);
  const wideWhites = words(31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6000);

  test.each([
    ['HDR by code points', [code(9, 16)], true],
    ['P3 by code points', [code(12, 13)], true],
    ['code points of sRGB', [code(1, 13)], false],
    ['a gamma of 1', [gamma(100_000)], true],
    ['a gamma of 1, which sRGB overrules', [srgb, gamma(100_000)], false],
    ['a wide gamut by its primaries', [gamma(45_455), ['cHRM', wideWhites]], true],
    ['what sRGB says of itself', [gamma(45_455), ['cHRM', srgbWhites]], false],
    ['a gamma that means nothing', [gamma(0)], false],
  ] as const)('a PNG with %s: left alone where it would show other colours without it', async (_, chunks, isAlone) => {
    const png = await drawing(96, 64).png({ compressionLevel: 0 }).toBuffer();
    const bytes = Buffer.concat([png.subarray(0, 33), ...chunks.map(chunkOf), png.subarray(33)]);
    const done = await optimize('a.png', bytes);
    expect(done.original.hasColoursOfItsOwn).toBe(isAlone);
    expect(all(done).length === 0).toBe(isAlone);
    if (isAlone) expect(done.notes.join(' ')).toMatch(/tells its colours/);
  });

  test.each([
    ['HDR', [9, 16, 9], true],
    ['sRGB', [1, 13, 6], false],
  ] as const)('an AVIF that says it is %s: left alone when it is not sRGB', async (_, codePoints, isAlone) => {
    // In the place of a profile, as large as that: what is behind the numbers is passed over.
    const bytes = await photo(200, 160).withIccProfile('p3').avif({ quality: 90, effort: 0 }).toBuffer();
    const at = bytes.indexOf('colr', 0, 'latin1');
    bytes.write('nclx', at + 4, 'latin1');
    for (const [index, value] of codePoints.entries()) bytes.writeUInt16BE(value, at + 8 + 2 * index);
    expect(all(await optimize('a.avif', bytes)).length === 0).toBe(isAlone);
  });

  test('a profile in several segments is one profile', () => {
    const profile = Uint8Array.from({ length: 150_000 }, (_, index) => index);
    const parts = profileSegments(profile);
    expect(parts.map(({ body }) => [body[12], body[13]])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    expect(Buffer.concat(parts.map(({ body }) => body.subarray(14))).equals(profile)).toBe(true);
  });
});

describe('transparency', () => {
  test('is kept, and counts on light and on dark', async () => {
    const bytes = await cutOut(200, 160).png().toBuffer();
    const done = await optimize('a.png', bytes);
    expect(done.variants.length).toBeGreaterThan(0);
    const alpha = (from: Buffer) => sharp(from).extractChannel(3).raw().toBuffer();
    const before = await alpha(bytes);
    for (const made of done.variants) {
      const after = await alpha(made.bytes);
      const difference = before.reduce((sum, value, index) => sum + Math.abs(value - after[index]!), 0) / before.length;
      expect(difference).toBeLessThan(2);
      for (const background of ['#1a1a1a', '#e6e6e6']) {
        const [one, other] = await Promise.all(
          [bytes, made.bytes].map(async each => pixelsOf(await sharp(each).flatten({ background }).png().toBuffer())),
        );
        expect(ssimulacra2(one!, other!)).toBeGreaterThanOrEqual(79);
      }
    }
  });
});

describe('what moves', () => {
  test.each([
    [
      'a GIF',
      'a.gif',
      async () =>
        (await animation(9, 320, 240)).gif({ delay: [40, 80, 120, 40, 40, 200, 40, 40, 500], loop: 3, effort: 1 }),
    ],
    [
      'an animated WebP',
      'a.webp',
      async () =>
        (await animation(9, 320, 240)).webp({
          delay: [40, 80, 120, 40, 40, 200, 40, 40, 500],
          loop: 3,
          lossless: true,
          effort: 0,
        }),
    ],
  ])('%s keeps every frame, its time and how often it goes round', async (_, path, make) => {
    const bytes = await (await make()).toBuffer();
    const done = await optimize(path, bytes, { widths: [160] });
    expect(done.original).toMatchObject({ frames: 9, loop: 3, width: 320, height: 240 });
    const made = all(done);
    expect(made.length).toBeGreaterThan(0);
    for (const { bytes: each } of made) {
      expect(each.length).toBeLessThan(bytes.length);
      expect(await sharp(each, { animated: true }).metadata()).toMatchObject({
        pages: 9,
        loop: 3,
        delay: [40, 80, 120, 40, 40, 200, 40, 40, 500],
      });
    }
    for (const { format, frames } of done.variants) expect({ format, frames }).toEqual({ format: 'webp', frames: 9 });
  });

  test('an animated PNG is left alone: only its first frame could be read', async () => {
    const png = await drawing(96, 64).png().toBuffer();
    const control = Buffer.from([0, 0, 0, 8, 0x61, 0x63, 0x54, 0x4c, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
    const done = await optimize('a.png', Buffer.concat([png.subarray(0, 33), control, png.subarray(33)]));
    expect(done.original.frames).toBe(7);
    expect(all(done)).toEqual([]);
    expect(done.notes.join(' ')).toMatch(/animated PNG/);
  });
});

describe('metadata', () => {
  const exif = {
    IFD0: { Copyright: '(C) Ann Smith', Artist: 'Ann Smith', Make: 'Camera' },
    IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' },
  };
  const original = () => photo(200, 160).jpeg({ quality: 96 }).withExif(exif).toBuffer();

  test('says whose picture it is, and not where it was taken', async () => {
    const bytes = await original();
    const done = await optimize('a.jpg', bytes);
    expect(done.original).toMatchObject({ copyright: '(C) Ann Smith', artist: 'Ann Smith', hasLocation: true });
    expect(all(done).length).toBeGreaterThanOrEqual(2);
    for (const made of all(done)) {
      const path = `a.${(await sharp(made.bytes).metadata()).mediaType!.replace('image/', '')}`;
      expect(await inspectImage({ path, bytes: made.bytes }, limits)).toMatchObject({
        copyright: '(C) Ann Smith',
        artist: 'Ann Smith',
        hasLocation: false,
      });
      expect(made.bytes.includes('Camera')).toBe(false);
    }
  });

  test('keeps letters that are not ASCII', async () => {
    const body = smallExif({ copyright: '© Zoë Müller', artist: 'Zoë <Müller> & Co', orientation: 1 })!;
    const { segments, rest } = readJpeg(await photo(200, 160).jpeg({ quality: 96 }).toBuffer())!;
    const done = await optimize('a.jpg', writeJpeg({ segments: [{ marker: 0xe1, body }, ...segments], rest }));
    expect(all(done).length).toBeGreaterThanOrEqual(2);
    for (const { bytes } of all(done)) {
      const path = `a.${(await sharp(bytes).metadata()).mediaType!.replace('image/', '')}`;
      expect(await inspectImage({ path, bytes }, limits)).toMatchObject({
        copyright: '© Zoë Müller',
        artist: 'Zoë <Müller> & Co',
      });
    }
  });

  test.each([
    [{ keep: 'none' as const }, { copyright: undefined, hasLocation: false }, false],
    [{ keep: 'all' as const }, { copyright: '(C) Ann Smith', hasLocation: false }, true],
    [{ keep: 'all' as const, location: 'keep' as const }, { copyright: '(C) Ann Smith', hasLocation: true }, true],
  ])('%o in place', async (metadata, facts, isMakeKept) => {
    const { inPlace } = await optimize('a.jpg', await original(), { metadata });
    expect(await inspectImage({ path: 'a.jpg', bytes: inPlace!.bytes }, limits)).toMatchObject(facts);
    expect(inPlace!.bytes.includes('Camera')).toBe(isMakeKept);
  });

  test('is kept with all of its XMP where that is asked for, unless it tells the place', async () => {
    const { segments, rest } = readJpeg(await photo(200, 160).jpeg({ quality: 96 }).toBuffer())!;
    for (const [said, isKept] of [
      ['xmp:Rating="5"', true],
      ['exif:GPSLatitude="51,30N"', false],
    ] as const) {
      const body = Buffer.from(`http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description ${said}/></x:xmpmeta>`);
      const bytes = writeJpeg({ segments: [{ marker: 0xe1, body }, ...segments], rest });
      const { inPlace } = await optimize('a.jpg', bytes, { metadata: { keep: 'all' } });
      expect(inPlace!.encodes).toBeGreaterThan(0);
      expect(inPlace!.bytes.includes(said)).toBe(isKept);
    }
  });

  test('the place goes even from a JPEG whose pixels stay', async () => {
    const bytes = await photo(200, 160).jpeg({ quality: 60 }).withExif(exif).toBuffer();
    const { inPlace } = await optimize('a.jpg', bytes, { minSavingBytes: 1_000_000 });
    expect(inPlace).toMatchObject({ score: 100, encodes: 0 });
    expect(await inspectImage({ path: 'a.jpg', bytes: inPlace!.bytes }, limits)).toMatchObject({
      hasLocation: false,
      copyright: '(C) Ann Smith',
    });
    expect(readJpeg(inPlace!.bytes)!.rest).toEqual(readJpeg(bytes)!.rest);
  });
});

describe('where it was taken', () => {
  const place = { IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } };
  const nothingPays = { minSavingBytes: 1_000_000 };

  test.each([
    ['PNG', 'a.png', () => photo(200, 160).png({ compressionLevel: 6 })],
    ['lossless WebP', 'a.webp', () => photo(200, 160).webp({ lossless: true, effort: 0 })],
  ])('goes from a %s that gains nothing else', async (_, path, make) => {
    const done = await optimize(path, await make().withExif(place).toBuffer(), nothingPays);
    expect(done.original.hasLocation).toBe(true);
    expect(done.inPlace).toMatchObject({ score: 100, quality: undefined });
    expect((await inspectImage({ path, bytes: done.inPlace!.bytes }, limits)).hasLocation).toBe(false);
  });

  test('goes from a photograph with a gain map, and no other byte of it changes its place', async () => {
    const bytes = await photo(200, 160)
      .jpeg({ quality: 95 })
      .withExif(place)
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const { segments, rest } = readJpeg(bytes)!;
    const xmp = (inside: string) => ({
      marker: 0xe1,
      body: Buffer.from(
        `http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description hdrgm:Version="1.0"${inside}/></x:xmpmeta>`,
      ),
    });
    const hdr = writeJpeg({ segments: [...segments, xmp('')], rest });
    const { original, inPlace, notes } = await optimize('a.jpg', hdr);
    expect(original).toMatchObject({ hasGainMap: true, hasLocation: true });
    expect(inPlace!.bytes.length).toBe(hdr.length);
    expect(readJpeg(inPlace!.bytes)!.rest).toEqual(rest);
    expect(await inspectImage({ path: 'a.jpg', bytes: inPlace!.bytes }, limits)).toMatchObject({
      hasGainMap: true,
      hasLocation: false,
      orientation: 6,
    });
    expect(notes.join(' ')).not.toMatch(/where it was taken/);
    expect((await optimize('a.jpg', inPlace!.bytes)).inPlace).toBeUndefined();
    expect((await optimize('a.jpg', hdr, { metadata: { location: 'keep' } })).inPlace).toBeUndefined();
    const spoken = writeJpeg({ segments: [...segments, xmp(' exif:GPSLatitude="51,30N"')], rest });
    expect((await optimize('a.jpg', spoken)).notes.join(' ')).toMatch(/where it was taken/);
  });

  test('goes from a JPEG of an earlier run that somebody has added it to, and its pixels stay', async () => {
    const first = await optimize('a.jpg', await photo(200, 160).jpeg({ quality: 96 }).toBuffer());
    const { segments, rest } = readJpeg(first.inPlace!.bytes)!;
    const [exif] = readJpeg(await photo(16, 16).jpeg().withExif(place).toBuffer())!.segments.filter(isExif);
    const added = writeJpeg({ segments: [exif!, ...segments], rest });
    const { original, inPlace } = await optimize('a.jpg', added, nothingPays);
    expect(original).toMatchObject({ hasLocation: true, isOptimised: true });
    expect(await inspectImage({ path: 'a.jpg', bytes: inPlace!.bytes }, limits)).toMatchObject({
      hasLocation: false,
      isOptimised: true,
    });
    expect(readJpeg(inPlace!.bytes)!.rest).toEqual(rest);
  });
});

describe('widths', () => {
  test('are those asked for, never wider than the original, and each smaller than the wider ones', async () => {
    const bytes = await photo(400, 300).jpeg({ quality: 95 }).toBuffer();
    const done = await optimize('a.jpg', bytes, { widths: [100, 200, 800], inPlace: false });
    const sizes = (wanted: string) => done.variants.filter(({ format }) => format === wanted);
    expect([...new Set(done.variants.map(({ width, height }) => `${width}×${height}`))]).toEqual([
      '400×300',
      '200×150',
      '100×75',
    ]);
    for (const format of ['avif', 'webp']) {
      const bytesByWidth = sizes(format).map(each => each.bytes.length);
      expect(bytesByWidth).toEqual([...bytesByWidth].sort((one, other) => other - one));
    }
  });

  test('of a format reach to the widest, or there is none: a browser would blow up the widest there is', async () => {
    const widthsOf = async (path: string, bytes: Buffer) => {
      const { variants } = await optimize(path, bytes, { widths: [120, 360] });
      const groups = Map.groupBy(variants, ({ format }) => format);
      return Object.fromEntries([...groups].map(([format, list]) => [format, list.map(({ width }) => width)]));
    };
    // WebP is smaller than it at 120 pixels, and not at 400.
    const worn = await photo(400, 300).jpeg({ quality: 70 }).toBuffer();
    expect(await widthsOf('a.jpg', worn)).toEqual({ avif: [400, expect.any(Number), 120] });
    // Of few colours at 400 pixels, and of many at 360.
    const palette = await photo(400, 300).png({ palette: true, colours: 48, dither: 1 }).toBuffer();
    expect(await widthsOf('a.png', palette)).toEqual({ webp: [400, 120] });
    // In its own format the file itself is the widest.
    const own = await photo(400, 300).webp({ quality: 75 }).toBuffer();
    expect(await widthsOf('a.webp', own)).toEqual({ avif: [400, 360], webp: [120] });
  });

  test('an original wider than the widest variant gets none of its own width', async () => {
    const bytes = await photo(400, 300).jpeg({ quality: 95 }).toBuffer();
    const { variants } = await optimize('a.jpg', bytes, { widths: [], maxWidth: 320, formats: ['avif', 'jpeg'] });
    expect(variants.map(({ format, width }) => [format, width])).toEqual([
      ['avif', 320],
      ['jpeg', 320],
    ]);
  });
});
