import type { Sharp } from 'sharp';
import type { ImageSettings, VariantFormat } from '../../config/index.ts';
import {
  type EncodeSource,
  encode,
  fromPicture,
  noRights,
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
  release,
  scorePictures,
  upright,
} from './pixels.ts';
import { sampleOf } from './sample.ts';
import { type SearchPlan, searchQuality } from './search.ts';

/** One job: an image, what is known of it, and what is wanted. */
export interface ImageJob {
  file: ImageFile;
  facts: ImageFacts;
  settings: ImageSettings;
  signal: AbortSignal;
  gate: MemoryGate;
}

/** The original at one width: what encoders read and what their results are compared with. */
export interface Reference extends Disposable {
  width: number;
  height: number;
  source: EncodeSource;
  isGraphic: boolean;
  /** Of a large one, so much of it that a search can begin there. */
  sample: Picture | undefined;
  score(encoded: Buffer): Promise<number>;
}

type Measured = Pick<Reference, 'source' | 'score'>;

export interface Encoded {
  bytes: Buffer;
  score: number;
  /** Undefined where nothing was lost. */
  quality: number | undefined;
  /** Of the full image; those of its sample count by their pixels. */
  encodes: number;
}

/** At most so wide, its pixels kept. @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT` */
export async function openReference(job: ImageJob, width: number): Promise<Reference> {
  const { file, facts, settings } = job;
  const decoded = await decode(file, upright(file, facts, settings, width));
  const picture = hasTransparency(decoded) ? decoded : opaque(decoded);
  if (picture !== decoded) release(decoded);
  const pipeline = keepsProfile(facts)
    ? await carried(job, width, picture !== decoded)
    : () => fromPicture(picture, settings.limits);
  return {
    width: picture.width,
    height: picture.height,
    source: { pipeline, rights: rightsOf(facts, settings) },
    isGraphic: facts.isLossless === true && isGraphic(picture),
    sample: sampleOf(picture),
    score: encoded => withPicture(decodeOwn(encoded), async candidate => scorePictures(picture, candidate)),
    [Symbol.dispose]: () => release(picture),
  };
}

/**
 * A photograph at its full size, read again from its file whenever it is needed: its pixels beside those of an encoder are
 * more than two images at a time may take.
 * @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT`
 */
export async function openStreamed(job: ImageJob): Promise<Reference> {
  const { file, facts, settings } = job;
  const pipeline = () => upright(file, facts, settings);
  const read = () => decode(file, pipeline());
  return withPicture(read(), async picture => ({
    width: picture.width,
    height: picture.height,
    source: { pipeline, rights: noRights },
    isGraphic: false,
    sample: sampleOf(picture),
    // The decoder of what was encoded needs the most, so it goes first.
    score: encoded =>
      withPicture(decodeOwn(encoded), candidate =>
        withPicture(read(), async original => scorePictures(original, candidate)),
      ),
    [Symbol.dispose]() {},
  }));
}

async function withPicture<Result>(
  opening: Promise<Picture>,
  use: (picture: Picture) => Promise<Result>,
): Promise<Result> {
  const picture = await opening;
  try {
    return await use(picture);
  } finally {
    release(picture);
  }
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
  const plan = { target, ...qualityBounds[format], ...guess, budget: encodeBudget };
  const sampled = start === undefined ? await searchSample(job, reference, format, { plan, chroma }) : noSearch;
  const { best, encodes } = await searchQuality(
    { ...plan, start: start ?? sampled.quality ?? guess.start },
    async quality => {
      const { bytes, score } = await encodeAndScore(job, reference, format, { kind: 'lossy', quality, chroma });
      return { quality, score, encoded: bytes };
    },
  );
  return {
    encodes: encodes + sampled.encodes,
    encoded: best && {
      bytes: best.encoded,
      score: best.score,
      quality: best.quality,
      encodes: encodes + sampled.encodes,
    },
  };
}

const noSearch = { quality: undefined, encodes: 0 };

/** Where the target lies on a sample it lies nearly on the whole image, for a part of the work. */
async function searchSample(
  job: ImageJob,
  { sample, width, height }: Reference,
  format: 'jpeg' | 'webp' | 'avif',
  { plan, chroma }: { plan: SearchPlan; chroma: '4:2:0' | '4:4:4' },
): Promise<{ quality: number | undefined; encodes: number }> {
  if (!sample) return noSearch;
  const reference: Measured = {
    source: { pipeline: () => fromPicture(sample, job.settings.limits), rights: noRights },
    score: encoded => withPicture(decodeOwn(encoded), async candidate => scorePictures(sample, candidate)),
  };
  const { best, encodes } = await searchQuality(plan, async quality => {
    const { score } = await encodeAndScore(job, reference, format, { kind: 'lossy', quality, chroma });
    return { quality, score, encoded: undefined };
  });
  return { quality: best?.quality, encodes: (encodes * sample.width * sample.height) / (width * height) };
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
  { source, score }: Measured,
  format: VariantFormat,
  strength: Strength,
): Promise<{ bytes: Buffer; score: number }> {
  signal.throwIfAborted();
  const bytes = await encode(source, format, strength, facts, settings);
  signal.throwIfAborted();
  return { bytes, score: await score(bytes) };
}
