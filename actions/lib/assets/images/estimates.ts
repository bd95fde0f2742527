import type { VariantFormat } from '../../config/index.ts';
import type { Strength } from './encoders.ts';
import { markers, readJpeg } from './files/index.ts';
import type { ImageFile } from './inspect.ts';
import type { ImageFacts } from './outcome.ts';

/**
 * What each step of the work on an image takes at its peak, in bytes, for the memory gate. The numbers are measured: the
 * high-water mark of a process that does the one step with a photograph of 4 to 24 megapixels, less what was resident
 * before it, by its pixels. They are rounded up. Results, some megabytes, are in none of them.
 */

export interface Size {
  width: number;
  height: number;
}

type Source = Size & Pick<ImageFacts, 'format' | 'frames' | 'orientation' | 'colours' | 'hasAlpha'>;

const channelsOf = ({ colours, hasAlpha }: Pick<ImageFacts, 'colours' | 'hasAlpha'>) =>
  (colours === 'grey' ? 1 : 3) + (hasAlpha ? 1 : 0);

/** Of an image decoded to 8 bits a channel, at most so wide. */
export function pictureBytes(facts: Source, width = facts.width): number {
  const scale = Math.min(1, width / facts.width);
  return facts.width * facts.height * scale ** 2 * channelsOf(facts);
}

/** What a decoder takes beside the pixels that come out of it, at most so wide. */
export function decoderBytes(file: Pick<ImageFile, 'bytes'>, facts: Source, width = facts.width): number {
  const lines = facts.width * facts.height * facts.frames * decoding[facts.format];
  // What is turned is there as a whole before its first line.
  const upright = facts.orientation > 1 ? pictureBytes(facts, width) : 0;
  return lines + upright + (facts.format === 'jpeg' ? coefficientBytes(file) : 0);
}

/** A pixel of the file: the lines that are under way, or all of it where the decoder gives it at once. */
const decoding: Record<ImageFacts['format'], number> = { jpeg: 0.5, png: 1, gif: 5, webp: 7, avif: 17, svg: 0 };

/** A progressive JPEG is there as a whole before its first line: two bytes for the coefficient of each sample. */
export function coefficientBytes({ bytes }: Pick<ImageFile, 'bytes'>): number {
  const frame = readJpeg(bytes)?.segments.find(({ marker }) => marker === markers.progressive)?.body;
  if (!frame || frame.length < 6) return 0;
  const [height, width] = [(frame[1]! << 8) | frame[2]!, (frame[3]! << 8) | frame[4]!];
  // Of each component: its number, its sampling (across in the high half, down in the low one), its table.
  const samplings = Array.from({ length: frame[5]! }, (_, index) => frame[7 + index * 3] ?? 0x11);
  const areas = samplings.map(sampling => (sampling >> 4) * (sampling & 15));
  const largest = Math.max(...samplings.map(sampling => sampling >> 4)) * Math.max(...samplings.map(each => each & 15));
  return 2 * width * height * areas.reduce((sum, area) => sum + area / Math.max(1, largest), 0);
}

type Strong = Pick<ImageFacts, 'hasAlpha'>;

/** Whatever the size: of a small picture most is this. */
const encoderFixedBytes = 10e6;

/** An encoder, beside whatever gives it its pixels. */
export function encoderBytes(format: VariantFormat, size: Size, strength: Strength, { hasAlpha }: Strong): number {
  return encoderFixedBytes + size.width * size.height * encoding(format, strength) * (hasAlpha ? 4 / 3 : 1);
}

function encoding(format: VariantFormat, strength: Strength): number {
  const isLossless = strength.kind === 'lossless';
  switch (format) {
    case 'jpeg':
      // The coefficients of all samples twice: it tries what may be left out of them.
      return isLossless || strength.chroma === '4:4:4' ? 13.5 : 7;
    case 'webp':
      return isLossless ? 39 : 16;
    case 'avif':
      return 34;
    case 'png':
      return 3;
  }
}

/** What was encoded, decoded again: its pixels and the decoder. */
export function candidateBytes(format: VariantFormat, size: Size, strength: Strength, { hasAlpha }: Strong): number {
  return size.width * size.height * reading(format, strength) * (hasAlpha ? 4 / 3 : 1);
}

function reading(format: VariantFormat, strength: Strength): number {
  switch (format) {
    case 'jpeg':
      return strength.kind === 'lossless' || strength.chroma === '4:4:4' ? 9.5 : 6.5;
    case 'webp':
      return 10;
    case 'avif':
      return 19;
    case 'png':
      return 4;
  }
}

/** What is not packed RGB is laid on a background, with what it is compared with, before it is measured. */
export function flatteningBytes({ width, height, channels }: Size & { channels: number }): number {
  return channels === 3 ? 0 : 2 * 3 * width * height;
}

type Lossless = Source & Pick<ImageFacts, 'bytes' | 'bitsPerChannel'>;

/** A file written anew with all of its pixels, of which nothing is known but that it shall not be larger. */
export function losslessBytes(file: Pick<ImageFile, 'bytes'>, facts: Lossless, hasPalette: boolean): number {
  const pixels = facts.width * facts.height * facts.frames;
  const encoder = facts.format === 'webp' ? 39 : hasPalette || facts.format === 'gif' ? 12 : 1;
  return encoderFixedBytes + decoderBytes(file, facts) + pixels * encoder + 2 * facts.bytes;
}

/** All frames at their own depth, and what decodes them. */
export function wholeBytes(file: Pick<ImageFile, 'bytes'>, facts: Lossless): number {
  return decoderBytes(file, facts) + pixelBytes(facts);
}

export function pixelBytes(facts: Lossless): number {
  return pictureBytes(facts) * facts.frames * (facts.bitsPerChannel / 8);
}
