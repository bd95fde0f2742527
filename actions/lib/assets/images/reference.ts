import type { Sharp } from 'sharp';
import type { ImageSettings, VariantFormat } from '../../config/index.ts';
import {
  type EncodeSource,
  encode,
  fromPicture,
  qualityBounds,
  rightsOf,
  type Strength,
  searchStart,
} from './encoders.ts';
import type { ImageFile } from './inspect.ts';
import type { MemoryGate } from './memory-gate.ts';
import type { ImageFacts } from './outcome.ts';
import {
  decode,
  decodeOwn,
  decoding,
  flatnessOf,
  hasTransparency,
  keepsProfile,
  opaque,
  type Picture,
  scorePictures,
  upright,
} from './pixels.ts';
import { searchQuality } from './search.ts';

/** One job: an image, what is known of it, and what is wanted. */
export interface ImageJob {
  file: ImageFile;
  facts: ImageFacts;
  settings: ImageSettings;
  signal: AbortSignal;
  gate: MemoryGate;
}

/** The original at one width: what encoders read and what their results are compared with. */
export interface Reference {
  picture: Picture;
  source: EncodeSource;
  isGraphic: boolean;
}

export interface Encoded {
  bytes: Buffer;
  score: number;
  /** Undefined where nothing was lost. */
  quality: number | undefined;
  encodes: number;
}

/** @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT` */
export async function openReference(job: ImageJob, width: number): Promise<Reference> {
  const { file, facts, settings } = job;
  const decoded = await decode(file, upright(file, facts, settings, width));
  const picture = hasTransparency(decoded) ? decoded : opaque(decoded);
  const pipeline = keepsProfile(facts)
    ? await carried(job, width, picture !== decoded)
    : () => fromPicture(picture, settings.limits);
  return {
    picture,
    source: { pipeline, rights: rightsOf(facts, settings) },
    isGraphic: facts.isLossless === true && isGraphic(picture),
  };
}

/** Pixels alone cannot say which profile they are in: then encoders read an uncompressed file that does. */
async function carried({ file, facts, settings }: ImageJob, width: number, isOpaque: boolean): Promise<() => Sharp> {
  const pipeline = upright(file, facts, settings, width);
  const bytes = await decoding(file, () =>
    (isOpaque ? pipeline.removeAlpha() : pipeline).toColourspace('srgb').tiff({ compression: 'none' }).toBuffer(),
  );
  return () => upright({ path: file.path, bytes }, { ...facts, orientation: 1 }, settings);
}

/** Drawn rather than seen: few colours, or mostly runs of one. Photographs as PNG are neither. */
function isGraphic(picture: Picture): boolean {
  const { colours, evenRatio } = flatnessOf(picture);
  return colours <= 256 || evenRatio >= 0.5;
}

/** The smallest file of a format that reaches the target; undefined where none does. */
export async function encodeAtTarget(
  job: ImageJob,
  reference: Reference,
  format: VariantFormat,
  start?: number,
): Promise<Encoded | undefined> {
  if (format === 'png') return encodeOnce(job, reference, format, { kind: 'lossless' });
  if (reference.isGraphic && job.settings.graphics === 'lossless') {
    // Neither JPEG nor AVIF is without loss at a size worth having.
    return format === 'webp' ? encodeOnce(job, reference, format, { kind: 'lossless' }) : undefined;
  }
  const lossy = await searchLossy(job, reference, format, start);
  if (format !== 'webp' || lossy !== undefined) return lossy;
  // Its chroma is always halved: what that alone spoils can only be kept without loss.
  return encodeOnce(job, reference, format, { kind: 'lossless' });
}

async function searchLossy(
  job: ImageJob,
  reference: Reference,
  format: 'jpeg' | 'webp' | 'avif',
  start?: number,
): Promise<Encoded | undefined> {
  const halved = await searchWith(job, reference, format, '4:2:0', start);
  // Fine red or blue detail: full chroma at a lower quality may weigh less than half of it at a high one.
  if (format !== 'jpeg' || (halved.encoded && halved.encoded.quality! < fullChromaFrom)) return halved.encoded;
  const full = await searchWith(job, reference, format, '4:4:4', halved.encoded?.quality);
  const encodes = halved.encodes + full.encodes;
  const best = [halved.encoded, full.encoded]
    .filter(each => each !== undefined)
    .sort((a, b) => a.bytes.length - b.bytes.length)[0];
  return best && { ...best, encodes };
}

const fullChromaFrom = 93;
const encodeBudget = 5;

async function searchWith(
  job: ImageJob,
  reference: Reference,
  format: 'jpeg' | 'webp' | 'avif',
  chroma: '4:2:0' | '4:4:4',
  start?: number,
): Promise<{ encoded: Encoded | undefined; encodes: number }> {
  const { target } = job.settings;
  const guess = searchStart[format](target);
  const plan = { target, ...qualityBounds[format], ...guess, start: start ?? guess.start, budget: encodeBudget };
  const { best, encodes } = await searchQuality(plan, async quality => {
    const { bytes, score } = await encodeAndScore(job, reference, format, { kind: 'lossy', quality, chroma });
    return { quality, score, encoded: bytes };
  });
  return {
    encodes,
    encoded: best && { bytes: best.encoded, score: best.score, quality: best.quality, encodes },
  };
}

async function encodeOnce(
  job: ImageJob,
  reference: Reference,
  format: VariantFormat,
  strength: Strength,
): Promise<Encoded | undefined> {
  const { bytes, score } = await encodeAndScore(job, reference, format, strength);
  return { bytes, score, quality: undefined, encodes: 1 };
}

async function encodeAndScore(
  { facts, settings, signal }: ImageJob,
  { picture, source }: Reference,
  format: VariantFormat,
  strength: Strength,
): Promise<{ bytes: Buffer; score: number }> {
  signal.throwIfAborted();
  const bytes = await encode(source, format, strength, facts, settings);
  signal.throwIfAborted();
  return { bytes, score: scorePictures(picture, await decodeOwn(bytes)) };
}
