import sharp, { type Sharp } from 'sharp';
import type { ImageSettings } from '../../config/index.ts';
import type { ImageFile } from './inspect.ts';
import type { ImageFacts } from './outcome.ts';
import { damaged, Refusal } from './refusal.ts';
import { type RgbPixels, smallestSide, ssimulacra2 } from './ssimulacra2/index.ts';

/** Decoded, upright, 8 bits a channel, rows packed. One channel is grey, two grey and alpha, four RGB and alpha. */
export interface Picture {
  data: Buffer;
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
}

/** Frees what libvips would keep of files it may never see again, and leaves threads to the pool. */
sharp.cache(false);
sharp.concurrency(1);

/** Its bytes, or where they are. */
export function sourceOf({ bytes, file }: ImageFile): Uint8Array | string {
  return file ?? bytes;
}

export function open(
  source: Uint8Array | string,
  limits: ImageSettings['limits'],
  options: { animated?: boolean; page?: number; ignoreIcc?: boolean } = {},
): Sharp {
  return sharp(source, { ...options, limitInputPixels: limits.maxPixels, failOn: 'warning' }).timeout({
    seconds: limits.timeoutSeconds,
  });
}

/** Whether the pixels mean something else without their profile. CMYK is always turned into sRGB. */
export function keepsProfile({ profile, colours }: ImageFacts): boolean {
  return colours === 'rgb' && (profile === 'wide' || profile === 'other');
}

/**
 * Upright, at most `width` wide, in the colour space that is written: the file's own where its profile is kept, else sRGB.
 */
export function upright(file: ImageFile, facts: ImageFacts, settings: ImageSettings, width?: number): Sharp {
  let pipeline = open(sourceOf(file), settings.limits).autoOrient();
  if (width !== undefined && width < facts.width) pipeline = pipeline.resize({ width, withoutEnlargement: true });
  // Keeping the profile is also what stops sharp from converting by it.
  if (keepsProfile(facts)) pipeline = pipeline.keepIccProfile();
  return facts.colours === 'grey' ? pipeline.toColourspace('b-w') : pipeline;
}

/** @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT` */
export async function decode(file: ImageFile, pipeline: Sharp): Promise<Picture> {
  const { data, info } = await decoding(file, () =>
    pipeline.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true }),
  );
  return { data, width: info.width, height: info.height, channels: info.channels as Picture['channels'] };
}

/** Runs a decode of what somebody else wrote: a failure is the file's, not ours. */
export async function decoding<Result>(file: ImageFile, work: () => Promise<Result>): Promise<Result> {
  try {
    return await inTime(file, work);
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown;
    throw damaged(file.path, thrown);
  }
}

/** @throws Refusal `IMAGE_TIMEOUT`, and whatever else the work throws */
export async function inTime<Result>(file: ImageFile, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    // libvips, with how far it came: `timeout: 43% complete`.
    if (!(thrown instanceof Error) || !/^timeout\b/i.test(thrown.message)) throw thrown;
    throw new Refusal(
      'IMAGE_TIMEOUT',
      `${file.path} took longer than an image may`,
      'Raise limits.timeoutSeconds, or make the image smaller.',
      thrown,
    );
  }
}

/** What we encoded, as it would be seen: its profile is the reference's own, so neither is converted. */
export async function decodeOwn(bytes: Uint8Array, page = 0): Promise<Picture> {
  const { data, info } = await sharp(bytes, { ignoreIcc: true, limitInputPixels: false, page })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels as Picture['channels'] };
}

/**
 * Gives the memory of pixels back now: the collector does not see how large they are. The picture is empty after it.
 */
export function release({ data }: { data: Uint8Array }): void {
  const { buffer, byteLength } = data;
  // Small buffers share one.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

export function hasTransparency({ data, channels }: Picture): boolean {
  if (channels === 1 || channels === 3) return false;
  for (let at = channels - 1; at < data.length; at += channels) if (data[at] !== 255) return true;
  return false;
}

/** Without its alpha channel, of which nothing is seen. */
export function opaque(picture: Picture): Picture {
  const { data, channels, width, height } = picture;
  if (channels === 1 || channels === 3) return picture;
  const kept = channels === 2 ? 1 : 3;
  const packed = Buffer.allocUnsafe(width * height * kept);
  for (let from = 0, to = 0; from < data.length; from += channels) {
    for (let channel = 0; channel < kept; channel++) packed[to++] = data[from + channel]!;
  }
  return { data: packed, width, height, channels: kept };
}

/** Backgrounds that the official tool lays under transparency: nearly black and nearly white. The worse counts. */
const backgrounds = [0.1 * 255, 0.9 * 255];

/** SSIMULACRA2; 100 where both are too small to be measured and equal, 0 where they are not. */
export function scorePictures(reference: Picture, candidate: Picture): number {
  if (Math.min(reference.width, reference.height) < smallestSide) {
    return isEqual(reference, candidate) ? 100 : 0;
  }
  const isOpaque = !hasTransparency(reference) && !hasTransparency(candidate);
  const under = isOpaque ? [0] : backgrounds;
  return Math.min(...under.map(light => ssimulacra2(flattened(reference, light), flattened(candidate, light))));
}

/** Whether no visible pixel differs; the colour of a pixel that is wholly transparent is not visible. */
export function isEqual(one: Picture, other: Picture, bits: 8 | 16 = 8): boolean {
  if (one.width !== other.width || one.height !== other.height) return false;
  if (one.channels === other.channels && one.data.equals(other.data)) return true;
  const [values, others] = [one, other].map(({ data }) => (bits === 8 ? data : wordsOf(data))) as [Values, Values];
  const most = bits === 8 ? 0xff : 0xffff;
  const pixels = one.width * one.height;
  for (let index = 0; index < pixels; index++) {
    const [r1, g1, b1, a1] = pixelAt(values, one.channels, index, most);
    const [r2, g2, b2, a2] = pixelAt(others, other.channels, index, most);
    if (a1 !== a2 || (a1 !== 0 && (r1 !== r2 || g1 !== g2 || b1 !== b2))) return false;
  }
  return true;
}

/** Distinct visible colours, counted up to `most`; all that is wholly transparent is one. */
export function coloursOf({ data, channels }: Picture, most: number): number {
  const hasAlpha = channels === 2 || channels === 4;
  const seen = new Set<number>();
  for (let at = 0; at < data.length && seen.size < most; at += channels) {
    let colour = 0;
    for (let channel = 0; channel < channels; channel++) colour = colour * 256 + data[at + channel]!;
    seen.add(hasAlpha && data[at + channels - 1] === 0 ? 0 : colour);
  }
  return seen.size;
}

type Values = Uint8Array | Uint16Array;

function wordsOf({ buffer, byteOffset, byteLength }: Buffer): Uint16Array {
  return new Uint16Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

function pixelAt(
  data: Values,
  channels: Picture['channels'],
  index: number,
  most: number,
): [number, number, number, number] {
  const at = index * channels;
  const alpha = channels === 2 || channels === 4 ? data[at + channels - 1]! : most;
  if (channels < 3) return [data[at]!, data[at]!, data[at]!, alpha];
  return [data[at]!, data[at + 1]!, data[at + 2]!, alpha];
}

function flattened({ data, width, height, channels }: Picture, light: number): RgbPixels {
  if (channels === 3) return { data, width, height };
  const hasAlpha = channels !== 1;
  const isGrey = channels < 3;
  const packed = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < packed.length; from += channels, to += 3) {
    const alpha = hasAlpha ? data[from + channels - 1]! / 255 : 1;
    for (let channel = 0; channel < 3; channel++) {
      packed[to + channel] = Math.round(data[from + (isGrey ? 0 : channel)]! * alpha + light * (1 - alpha));
    }
  }
  return { data: packed, width, height };
}

/** Even areas of a drawing or a screenshot, rather than light on a sensor. */
export interface Flatness {
  /** Distinct colours, counted up to 257. */
  colours: number;
  /** Share of pixels equal to their left neighbour. */
  evenRatio: number;
}

export function flatnessOf({ data, width, height, channels }: Picture): Flatness {
  const seen = new Set<number>();
  let even = 0;
  for (let y = 0; y < height; y++) {
    let previous = -1;
    for (let x = 0, at = y * width * channels; x < width; x++, at += channels) {
      let colour = 0;
      for (let channel = 0; channel < channels; channel++) colour = colour * 256 + data[at + channel]!;
      if (colour === previous) even++;
      else if (seen.size <= 256) seen.add(colour);
      previous = colour;
    }
  }
  return { colours: seen.size, evenRatio: even / Math.max(1, (width - 1) * height) };
}
