import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  classifyProfile,
  estimateQuality,
  isWholeGif,
  readExif,
  readJpeg,
  readXmp,
  smallExif,
  sniff,
  withoutPlaceAndTurn,
  writeJpeg,
  writeXmp,
} from '../../../actions/lib/assets/images/files/index.ts';
import { animation, photo } from './pictures.ts';

const words = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter(text => text.trim() === text && !/\p{C}/u.test(text) && text !== '');

describe('what is read from files of others', () => {
  const jpeg = photo(64, 48).jpeg({ quality: 90 }).toBuffer();

  test('bytes of any kind are an answer, never an exception', async () => {
    const whole = [...(await jpeg)];
    const start = fc.constantFrom(
      [],
      whole.slice(0, 200),
      [...Buffer.from('RIFF\0\0\0\0WEBP')],
      [0, 0, 0, 24, ...Buffer.from('ftypavif')],
      [...Buffer.from('II*\0\x08\0\0\0')],
      [...Buffer.from('GIF89a')],
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
        const bytes = Uint8Array.from([...head, ...tail]);
        sniff(bytes);
        readExif(bytes);
        readJpeg(bytes);
        isWholeGif(bytes);
        readXmp(bytes);
        if (bytes.length >= 24) classifyProfile(bytes);
        withoutPlaceAndTurn(bytes, 'strip', 1);
      }),
      { numRuns: 2000 },
    );
  });

  test('a JPEG written anew from its parts is the same', async () => {
    expect(writeJpeg(readJpeg(await jpeg)!).equals(await jpeg)).toBe(true);
  });

  test.each([30, 60, 75, 82, 90, 95])('the quality of a plain JPEG is told: %i', async quality => {
    const bytes = await photo(64, 48).jpeg({ quality, mozjpeg: false }).toBuffer();
    expect(Math.abs(estimateQuality(readJpeg(bytes)!)! - quality)).toBeLessThanOrEqual(3);
  });

  test('rights come back as they were written, in EXIF and in XMP', () => {
    fc.assert(
      fc.property(
        fc.option(words, { nil: undefined }),
        words,
        fc.integer({ min: 1, max: 8 }),
        (copyright, artist, orientation) => {
          expect(readExif(smallExif({ copyright, artist, orientation })!)).toEqual({
            copyright,
            artist,
            orientation: orientation === 1 ? undefined : orientation,
            hasLocation: false,
          });
          expect(readXmp(new TextEncoder().encode(writeXmp({ copyright, artist })))).toMatchObject({
            copyright,
            artist,
          });
        },
      ),
    );
  });

  test('without the place, nothing of it is left, and the rest is where it was', async () => {
    const bytes = await photo(64, 48)
      .jpeg()
      .withExif({
        IFD0: { Copyright: 'Ann', Make: 'Camera' },
        IFD3: { GPSLatitudeRef: 'N', GPSDateStamp: '2019:07:21' },
      })
      .toBuffer();
    const { exif } = await sharp(bytes).metadata();
    expect(exif!.includes('2019:07:21')).toBe(true);
    const clean = Buffer.from(withoutPlaceAndTurn(exif!, 'strip', 1));
    expect(clean.includes('2019:07:21')).toBe(false);
    expect(clean.length).toBe(exif!.length);
    expect(readExif(clean)).toMatchObject({ copyright: 'Ann', hasLocation: false });
  });

  test('profiles are known by what they say, not by their names', async () => {
    const profileOf = async (name: string) =>
      (await sharp(await photo(16, 16).png().withIccProfile(name).toBuffer()).metadata()).icc;
    expect(classifyProfile(await profileOf('srgb'))).toBe('srgb');
    expect(classifyProfile(await profileOf('p3'))).toBe('wide');
    const print = await photo(16, 16).toColourspace('cmyk').jpeg().withIccProfile('cmyk').toBuffer();
    expect(classifyProfile((await sharp(print).metadata()).icc)).toBe('other');
    expect(classifyProfile(undefined)).toBe('none');
  });

  test('a GIF cut anywhere is not whole', async () => {
    const gif = await (await animation(3)).gif().toBuffer();
    expect(isWholeGif(gif)).toBe(true);
    fc.assert(
      fc.property(fc.integer({ min: 20, max: gif.length - 2 }), length => {
        // Between two blocks nothing tells that more was meant to come, but for the count of frames.
        if (isWholeGif(gif.subarray(0, length)))
          expect(gif[length]).toSatisfy((byte: number) => [0x21, 0x2c, 0x3b].includes(byte));
      }),
    );
  });
});
