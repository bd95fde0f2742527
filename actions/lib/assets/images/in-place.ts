import sharp from 'sharp';
import { rightsOf } from './encoders.ts';
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
import { shrinkLossless } from './lossless.ts';
import { keepsProfile } from './pixels.ts';
import { isWorthIt, kept, mustLosePlace, nothing, type Shrunk, unencoded } from './place.ts';
import { encodeAtTarget, type ImageJob, openStreamed } from './reference.ts';

/** The original smaller in its own format, or as it is. */
export function shrinkInPlace(job: ImageJob): Promise<Shrunk> {
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
