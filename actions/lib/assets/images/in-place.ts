import sharp, { type Sharp } from 'sharp';
import { rightsOf, withRights } from './encoders.ts';
import {
  isAppSegment,
  isExif,
  isMark,
  isProfile,
  isXmp,
  markers,
  markSegment,
  profileSegments,
  readJpeg,
  type Segment,
  smallExif,
  withoutPlaceAndTurn,
  writeJpeg,
} from './files/index.ts';
import { holding } from './memory-gate.ts';
import { coloursOf, decode, decoding, isEqual, keepsProfile, open, type Picture, release } from './pixels.ts';
import { mustLosePlace, placeStays, type Shrunk, unencoded } from './place.ts';
import { encodeAtTarget, type ImageJob, openStreamed } from './reference.ts';

/** The original smaller in its own format, or as it is. */
export function shrinkInPlace(job: ImageJob): Promise<Shrunk> {
  const { width, height, frames } = job.facts;
  return holding(job.gate, width * height * frames * bytesPerPixel(job), () => shrinkByFormat(job));
}

/** Measured at the peak: with JPEG the encoder's coefficients, otherwise the original and what came of it decoded. */
function bytesPerPixel({ file, facts }: ImageJob): number {
  if (facts.format !== 'jpeg') return facts.bitsPerChannel;
  const isProgressive = readJpeg(file.bytes)?.segments.some(({ marker }) => marker === markers.progressive);
  // Coefficients of all scans at once; and what is turned has to be there as a whole.
  return 7.2 + (isProgressive ? 2 : 0) + (facts.orientation > 1 ? 3 : 0);
}

function shrinkByFormat(job: ImageJob): Promise<Shrunk> {
  switch (job.facts.format) {
    case 'jpeg':
      return shrinkJpeg(job);
    case 'png':
    case 'gif':
      return shrinkLossless(job);
    case 'webp':
      if (job.facts.isLossless) return shrinkLossless(job);
      return Promise.resolve(kept('A lossy WebP stays as it is: to encode it again would only wear it down.', job));
    case 'avif':
      return Promise.resolve(kept('An AVIF stays as it is: to encode it again would only wear it down.', job));
    case 'svg':
      return Promise.resolve(nothing);
  }
}

const nothing: Shrunk = { inPlace: undefined, notes: [] };

function kept(reason: string, { facts, settings }: ImageJob): Shrunk {
  return { inPlace: undefined, notes: mustLosePlace({ facts, settings }) ? [reason, placeStays] : [reason] };
}

/** Below this a JPEG was already made for the web; each further lossy pass would start from its artefacts. */
const wornBelowQuality = 82;

async function shrinkJpeg(job: ImageJob): Promise<Shrunk> {
  const { facts, settings } = job;
  const { jpegQuality = 100, colours, isOptimised } = facts;
  // Whoever edited it since may have added a place.
  if (isOptimised && !mustLosePlace(job)) return nothing;
  if (isOptimised || colours === 'cmyk' || jpegQuality < wornBelowQuality) {
    const reason =
      colours === 'cmyk'
        ? 'A CMYK JPEG keeps its pixels: it is for print, and sRGB would change its colours.'
        : `Its JPEG quality is about ${jpegQuality}: encoded again it would only be worn down.`;
    return { inPlace: unencoded(cleanedJpeg(job)), notes: isOptimised ? [] : [reason] };
  }
  using reference = await openStreamed(job);
  const encoded = await encodeAtTarget(job, reference, 'jpeg');
  const cleaned = cleanedJpeg(job);
  if (encoded) {
    const bytes = withSegments(encoded.bytes, await segmentsToKeep(job), encoded.score);
    if (isWorthIt(job, bytes.length) && (!cleaned || bytes.length < cleaned.length)) {
      return { inPlace: { ...encoded, bytes }, notes: [] };
    }
  }
  const notes = encoded ? [] : [`It does not reach ${settings.target} at any JPEG quality, so its pixels stay.`];
  return { inPlace: unencoded(cleaned), notes };
}

/** What tells where it was taken is replaced even where it gains nothing else. */
function isWorthIt({ facts, settings }: ImageJob, bytes: number): boolean {
  const saved = facts.bytes - bytes;
  if (saved >= 0 && mustLosePlace({ facts, settings })) return true;
  return saved >= settings.minSavingBytes && saved >= settings.minSavingRatio * facts.bytes;
}

/** The same pixels, byte for byte, with only the metadata that the policy keeps. Undefined where that changes too little. */
function cleanedJpeg(job: ImageJob): Buffer | undefined {
  const { file, facts } = job;
  const jpeg = readJpeg(file.bytes);
  if (!jpeg) return undefined;
  const others = jpeg.segments.filter(segment => !isAppSegment(segment));
  const kept = jpeg.segments.filter(
    segment =>
      segment.marker === markers.app0 ||
      segment.marker === markers.app14 ||
      isMark(segment) ||
      (isProfile(segment) && facts.profile !== 'srgb'),
  );
  const metadata = metadataSegments(job, jpeg.segments, facts.orientation);
  const bytes = writeJpeg({ segments: [...kept, ...metadata, ...others], rest: jpeg.rest });
  return isWorthIt(job, bytes.length) ? bytes : undefined;
}

/** What goes before re-encoded pixels, which are upright. */
async function segmentsToKeep(job: ImageJob): Promise<Segment[]> {
  const { file, facts } = job;
  const jpeg = readJpeg(file.bytes);
  const profile = keepsProfile(facts) ? (await sharp(file.bytes).metadata()).icc : undefined;
  return [...metadataSegments(job, jpeg?.segments ?? [], 1), ...(profile ? profileSegments(profile) : [])];
}

function metadataSegments({ facts, settings }: ImageJob, found: readonly Segment[], orientation: number): Segment[] {
  const { keep, location } = settings.metadata;
  if (keep === 'all') {
    return found.flatMap(segment => {
      if (isExif(segment)) return [{ ...segment, body: withoutPlaceAndTurn(segment.body, location, orientation) }];
      // XMP and IPTC are kept whole or not at all.
      if (isXmp(segment) || segment.marker === markers.app13) {
        return location === 'strip' && facts.hasLocation ? [] : [segment];
      }
      return segment.marker === markers.comment ? [segment] : [];
    });
  }
  const exif = smallExif({ ...rightsOf(facts, settings), orientation });
  return exif ? [{ marker: markers.app1, body: exif }] : [];
}

function withSegments(encoded: Buffer, segments: readonly Segment[], score: number): Buffer {
  const jpeg = readJpeg(encoded)!;
  const own = jpeg.segments.filter(segment => !isAppSegment(segment) || segment.marker === markers.app0);
  const isHeader = (segment: Segment) => segment.marker === markers.app0;
  return writeJpeg({
    segments: [...own.filter(isHeader), ...segments, markSegment(score), ...own.filter(segment => !isHeader(segment))],
    rest: jpeg.rest,
  });
}

/** PNG, GIF and lossless WebP: encoded anew in several ways, taken only where every pixel of every frame is the same. */
async function shrinkLossless(job: ImageJob): Promise<Shrunk> {
  const { facts, signal } = job;
  let best: Buffer | undefined;
  let encodes = 0;
  for (const attempt of await losslessAttempts(job)) {
    signal.throwIfAborted();
    const bytes = await decoding(job.file, attempt);
    encodes++;
    if (bytes.length < (best?.length ?? facts.bytes) && isWorthIt(job, bytes.length) && (await isSame(job, bytes))) {
      best = bytes;
    }
  }
  if (!best) return mustLosePlace(job) ? kept('No smaller file with the same pixels was found.', job) : nothing;
  return { inPlace: { bytes: best, score: 100, quality: undefined, encodes }, notes: [] };
}

async function losslessAttempts(job: ImageJob): Promise<(() => Promise<Buffer>)[]> {
  const { facts, settings } = job;
  const { webp: effort } = settings.effort;
  switch (facts.format) {
    case 'png': {
      // Not with sharp's `effort`: to name it is to ask for a palette, and so for fewer colours.
      const options = { compressionLevel: 9 } as const;
      const plain = [true, false].map(
        adaptiveFiltering => () =>
          losslessPipeline(job)
            .png({ ...options, adaptiveFiltering })
            .toBuffer(),
      );
      // With more colours than it holds it would lose some, after minutes of choosing them.
      const palette = () =>
        losslessPipeline(job)
          .png({ ...options, palette: true, effort: 10, quality: 100, dither: 0 })
          .toBuffer();
      return facts.bitsPerChannel === 8 && (await fitsPalette(job)) ? [...plain, palette] : plain;
    }
    case 'gif':
      return [
        () =>
          losslessPipeline(job)
            .gif({ effort: 10, dither: 0, interFrameMaxError: 0, interPaletteMaxError: 0 })
            .toBuffer(),
      ];
    default:
      return [() => losslessPipeline(job).webp({ lossless: true, effort }).toBuffer()];
  }
}

async function fitsPalette(job: ImageJob): Promise<boolean> {
  const picture = await decode(job.file, losslessPipeline(job));
  try {
    return coloursOf(picture, 257) <= 256;
  } finally {
    release(picture);
  }
}

function losslessPipeline({ file, facts, settings }: ImageJob): Sharp {
  const pipeline = open(file.bytes, settings.limits, { animated: facts.frames > 1, ignoreIcc: true });
  const deep = facts.bitsPerChannel === 16;
  const space = facts.colours === 'grey' ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb';
  let prepared = pipeline.autoOrient().toColourspace(space);
  if (facts.profile === 'wide' || facts.profile === 'other') prepared = prepared.keepIccProfile();
  return facts.format === 'gif' ? prepared : withRights(prepared, rightsOf(facts, settings));
}

/** Every frame, delay and repetition, and every visible pixel, at the depth of the original. */
async function isSame({ file, facts, settings }: ImageJob, bytes: Buffer): Promise<boolean> {
  const animated = facts.frames > 1;
  const read = async (from: Uint8Array): Promise<Picture> => {
    const pipeline = open(from, settings.limits, { animated, ignoreIcc: true }).autoOrient();
    const space = facts.colours === 'grey' ? 'grey16' : 'rgb16';
    const deep = facts.bitsPerChannel === 16 ? pipeline.toColourspace(space).raw({ depth: 'ushort' }) : pipeline.raw();
    const { data, info } = await deep.toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels as Picture['channels'] };
  };
  if (animated) {
    const [before, after] = [await timingOf(file.bytes), await timingOf(bytes)];
    if (JSON.stringify(before) !== JSON.stringify(after)) return false;
  }
  const [before, after] = [await read(file.bytes), await read(bytes)];
  try {
    return isEqual(before, after, facts.bitsPerChannel);
  } finally {
    release(before);
    release(after);
  }
}

async function timingOf(bytes: Uint8Array) {
  const { pages, loop, delay } = await sharp(bytes, { animated: true, limitInputPixels: false }).metadata();
  return { pages, loop, delay };
}
