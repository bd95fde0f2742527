import { readFile, stat } from 'node:fs/promises';
import sharp from 'sharp';
import type { ImageSettings } from '../../config/index.ts';
import {
  classifyProfile,
  estimateQuality,
  formatByName,
  hasColoursOfItsOwn,
  hasGainMap,
  isAvifSequence,
  isMark,
  isWholeGif,
  mediaTypeOf,
  pngFrames,
  readExif,
  readJpeg,
  readXmp,
  sniff,
  suffixOf,
} from './files/index.ts';
import type { ImageFacts, ImageFormat } from './outcome.ts';
import { damaged, Refusal } from './refusal.ts';

export interface ImageFile {
  /** For messages, and for its suffix. */
  path: string;
  bytes: Uint8Array;
  /** Where decoders read it, when its bytes are no longer held: they are none then. */
  file?: string;
}

/** Reads a file that is no larger than the limit. @throws Refusal `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE` */
export async function readImage(path: string, limits: ImageSettings['limits']): Promise<ImageFile> {
  try {
    const { size } = await stat(path);
    if (size > limits.maxBytes) throw tooLarge(path, size, limits.maxBytes);
    return { path, bytes: await readFile(path) };
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown;
    const reason = (thrown as NodeJS.ErrnoException).code ?? String(thrown);
    throw new Refusal(
      'IMAGE_UNREADABLE',
      `${path} cannot be read: ${reason}`,
      'Check that it exists and its mode.',
      thrown,
    );
  }
}

/**
 * What is known without decoding pixels.
 * @throws Refusal (an `OpsError`): `IMAGE_EMPTY`, `IMAGE_UNREADABLE`, `IMAGE_UNKNOWN_FORMAT`, `IMAGE_WRONG_EXTENSION`,
 * `IMAGE_TOO_MANY_PIXELS`, `IMAGE_TOO_LARGE`, `IMAGE_DAMAGED`
 */
export async function inspectImage(source: ImageFile | string, limits: ImageSettings['limits']): Promise<ImageFacts> {
  const { path, bytes } = typeof source === 'string' ? await readImage(source, limits) : source;
  const format = formatOf(path, bytes, limits);
  if (format === 'svg') return svgFacts(bytes);
  const metadata = await readMetadata(path, bytes);
  const facts = factsOf(format, bytes, metadata);
  const pixels = facts.width * facts.height * facts.frames;
  if (pixels > limits.maxPixels) {
    const size = `${facts.width}×${facts.height}${facts.frames > 1 ? ` in ${facts.frames} frames` : ''}`;
    throw new Refusal(
      'IMAGE_TOO_MANY_PIXELS',
      `${path} would decode to ${millions(pixels)} megapixels (${size}); the limit is ${millions(limits.maxPixels)}`,
      'Make it smaller, or raise limits.maxPixels if it is meant to be so large.',
    );
  }
  if (format === 'gif' && !isWholeGif(bytes)) throw damaged(path, 'it ends in the middle of a frame');
  return facts;
}

/** The format by content, which has to be what the name promises. */
function formatOf(path: string, bytes: Uint8Array, limits: ImageSettings['limits']): ImageFormat {
  if (bytes.length === 0) {
    throw new Refusal('IMAGE_EMPTY', `${path} has no bytes`, 'Take the file from its source again, or remove it.');
  }
  if (bytes.length > limits.maxBytes) throw tooLarge(path, bytes.length, limits.maxBytes);
  const found = sniff(bytes);
  const promised = formatByName(path);
  if (found.kind !== 'image') {
    const name = found.kind === 'other' ? `is ${found.name}` : 'is of no format that is known';
    throw new Refusal(
      'IMAGE_UNKNOWN_FORMAT',
      `${path} ${name}${promised === undefined ? '' : `, and its name says ${promised.toUpperCase()}`}`,
      'JPEG, PNG, GIF, WebP, AVIF and SVG are taken; convert it, or leave it out.',
    );
  }
  if (promised !== undefined && promised !== found.format) {
    throw new Refusal(
      'IMAGE_WRONG_EXTENSION',
      `${path} is ${found.format.toUpperCase()} inside, and its name says ${promised.toUpperCase()}: a server sends it as the wrong type`,
      `Rename it to end in .${suffixOf[found.format]}.`,
    );
  }
  return found.format;
}

function tooLarge(path: string, bytes: number, limit: number): Refusal {
  return new Refusal(
    'IMAGE_TOO_LARGE',
    `${path} has ${millions(bytes)} MB; the limit is ${millions(limit)}`,
    'Make it smaller, or raise limits.maxBytes if it is meant to be so large.',
  );
}

type Metadata = Awaited<ReturnType<ReturnType<typeof sharp>['metadata']>>;

async function readMetadata(path: string, bytes: Uint8Array): Promise<Metadata> {
  try {
    // The limit on pixels is ours, and is judged with what this reads from the header.
    return await sharp(bytes, { animated: true, limitInputPixels: false, failOn: 'none' }).metadata();
  } catch (thrown) {
    throw damaged(path, thrown);
  }
}

function factsOf(format: ImageFormat, bytes: Uint8Array, metadata: Metadata): ImageFacts {
  const exif = metadata.exif ? readExif(metadata.exif) : undefined;
  const xmp = metadata.xmp ? readXmp(metadata.xmp) : undefined;
  const jpeg = format === 'jpeg' ? readJpeg(bytes) : undefined;
  const frames = framesOf(format, bytes, metadata);
  const isTurned = (metadata.orientation ?? 1) >= 5;
  const [width, height] = [metadata.width, metadata.pageHeight ?? metadata.height];
  return {
    format,
    mediaType: mediaTypeOf[format],
    bytes: bytes.length,
    width: isTurned ? height : width,
    height: isTurned ? width : height,
    frames,
    loop: frames > 1 ? (metadata.loop ?? 0) : undefined,
    delays: frames > 1 ? (metadata.delay ?? []) : undefined,
    hasAlpha: metadata.hasAlpha ?? false,
    bitsPerChannel: metadata.depth === 'ushort' || (metadata.bitsPerSample ?? 8) > 8 ? 16 : 8,
    colours: metadata.space === 'cmyk' ? 'cmyk' : /^(b-w|grey16)$/.test(metadata.space ?? '') ? 'grey' : 'rgb',
    hasPalette: metadata.isPalette ?? false,
    orientation: metadata.orientation ?? 1,
    profile: classifyProfile(metadata.icc),
    hasColoursOfItsOwn: hasColoursOfItsOwn(format, bytes, metadata.icc !== undefined),
    hasGainMap: jpeg !== undefined && hasGainMap(jpeg),
    hasLocation: (exif?.hasLocation ?? false) || (xmp?.hasLocation ?? false),
    copyright: exif?.copyright ?? xmp?.copyright,
    artist: exif?.artist ?? xmp?.artist,
    jpegQuality: jpeg && estimateQuality(jpeg),
    isLossless: losslessOf(format, bytes),
    isOptimised: jpeg?.segments.some(isMark) ?? false,
  };
}

function framesOf(format: ImageFormat, bytes: Uint8Array, metadata: Metadata): number {
  if (format === 'png') return pngFrames(bytes);
  // The decoder reads only the picture that stands for the sequence; how many there are is not told.
  if (format === 'avif') return isAvifSequence(bytes) ? 2 : 1;
  return metadata.pages ?? 1;
}

function losslessOf(format: ImageFormat, bytes: Uint8Array): boolean | undefined {
  switch (format) {
    case 'png':
    case 'gif':
      return true;
    case 'webp':
      // Frames of an animation say it each; one with loss is enough.
      return !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes('VP8 ', 12, 'latin1');
    case 'avif':
      return undefined;
    default:
      return false;
  }
}

/** By its own words only: nothing of it is run, drawn or fetched. */
function svgFacts(bytes: Uint8Array): ImageFacts {
  const tag = /<svg\b[^>]*>/i.exec(new TextDecoder().decode(bytes.subarray(0, 65_536)))?.[0] ?? '';
  const attribute = (name: string) => new RegExp(`\\s${name}\\s*=\\s*["']([^"']*)["']`, 'i').exec(tag)?.[1];
  const [, , boxWidth, boxHeight] = (attribute('viewBox') ?? '')
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  const length = (text: string | undefined, fallback: number | undefined) => {
    const value = /^\s*([\d.]+)(px)?\s*$/.exec(text ?? '')?.[1];
    return Math.round(value === undefined ? (fallback ?? 0) : Number(value)) || 0;
  };
  return {
    format: 'svg',
    mediaType: mediaTypeOf.svg,
    bytes: bytes.length,
    width: length(attribute('width'), boxWidth),
    height: length(attribute('height'), boxHeight),
    frames: 1,
    loop: undefined,
    delays: undefined,
    hasAlpha: true,
    bitsPerChannel: 8,
    colours: 'rgb',
    hasPalette: false,
    orientation: 1,
    profile: 'none',
    hasColoursOfItsOwn: false,
    hasGainMap: false,
    hasLocation: false,
    copyright: undefined,
    artist: undefined,
    jpegQuality: undefined,
    isLossless: true,
    isOptimised: false,
  };
}

function millions(count: number): string {
  return (count / 1e6).toFixed(count < 1e8 ? 1 : 0);
}
