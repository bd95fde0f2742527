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
import { candidateBytes, decoderBytes, encoderBytes, flatteningBytes, pictureBytes } from './estimates.ts';
import type { ImageFile } from './inspect.ts';
import { holding, type MemoryGate } from './memory-gate.ts';
import type { ImageFacts } from './outcome.ts';
import {
  decode,
  decodeOwn,
  decoding,
  flatnessOf,
  hasTransparency,
  inTime,
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
  /** Beside an encoder, what it takes to give it its pixels; and what a score takes with a candidate of so many bytes. */
  memory: { reading: number; scoring(candidate: number): number };
}

type Measured = Pick<Reference, 'width' | 'height' | 'source' | 'score' | 'memory'>;

export interface Encoded {
  bytes: Buffer;
  score: number;
  /** Undefined where nothing was lost. */
  quality: number | undefined;
  /** Of the full image; those of its sample count by their pixels. */
  encodes: number;
}

/**
 * At most so wide, its pixels kept.
 * @param isDrawn whether it is a graphic, where that is known of it at another width: made narrower, it has more colours
 * @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT`
 */
export async function openReference(job: ImageJob, width: number, isDrawn?: boolean): Promise<Reference> {
  const { file, facts, settings, gate } = job;
  const read = decoderBytes(file, facts, width) + 2 * pictureBytes(facts, width);
  return holding(gate, read, async () => {
    const decoded = await decode(file, upright(file, facts, settings, width));
    const picture = hasTransparency(decoded) ? decoded : opaque(decoded);
    if (picture !== decoded) release(decoded);
    const profiled = keepsProfile(facts) ? await carried(job, width, picture !== decoded) : undefined;
    const sample = sampleOf(picture);
    const forget = gate.keep((profiled ? 2 : 1) * picture.data.length + (sample?.data.length ?? 0));
    return {
      width: picture.width,
      height: picture.height,
      source: {
        pipeline: profiled ?? (() => fromPicture(picture, settings.limits)),
        rights: rightsOf(facts, settings),
      },
      isGraphic: isDrawn ?? (facts.isLossless === true && (facts.hasPalette || isGraphic(picture))),
      sample,
      score: encoded => withPicture(decodeOwn(encoded), async candidate => scorePictures(picture, candidate)),
      memory: { reading: 0, scoring: candidate => candidate + flatteningBytes(picture) },
      [Symbol.dispose]: () => {
        release(picture);
        forget();
      },
    };
  });
}

/**
 * A photograph at its full size, read again from its file whenever it is needed: its pixels beside those of an encoder are
 * more than two images at a time may take.
 * @throws Refusal `IMAGE_DAMAGED`, `IMAGE_TIMEOUT`
 */
export async function openStreamed(job: ImageJob): Promise<Reference> {
  const { file, facts, settings, gate } = job;
  const pipeline = () => upright(file, facts, settings);
  const read = () => decode(file, pipeline());
  const decoder = decoderBytes(file, facts);
  const pixels = pictureBytes(facts);
  return holding(gate, decoder + pixels, () =>
    withPicture(read(), async picture => {
      const sample = sampleOf(picture);
      const forget = gate.keep(sample?.data.length ?? 0);
      return {
        width: picture.width,
        height: picture.height,
        source: { pipeline, rights: noRights },
        isGraphic: false,
        sample,
        // Of the two decoders that of what was encoded mostly needs more, so it goes before there is a picture.
        score: encoded =>
          withPicture(decodeOwn(encoded), candidate =>
            withPicture(read(), async original => scorePictures(original, candidate)),
          ),
        memory: { reading: decoder, scoring: candidate => Math.max(candidate, 2 * pixels + decoder) },
        [Symbol.dispose]: forget,
      };
    }),
  );
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
    width: sample.width,
    height: sample.height,
    source: { pipeline: () => fromPicture(sample, job.settings.limits), rights: noRights },
    score: encoded => withPicture(decodeOwn(encoded), async candidate => scorePictures(sample, candidate)),
    memory: { reading: 0, scoring: candidate => candidate + flatteningBytes(sample) },
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
  { file, facts, settings, signal, gate }: ImageJob,
  reference: Measured,
  format: VariantFormat,
  strength: Strength,
): Promise<{ bytes: Buffer; score: number }> {
  const { source, memory } = reference;
  const encoder = memory.reading + encoderBytes(format, reference, strength, facts);
  const bytes = await holding(gate, encoder, async () => {
    signal.throwIfAborted();
    return inTime(file, () => encode(source, format, strength, facts, settings));
  });
  const score = await holding(gate, memory.scoring(candidateBytes(format, reference, strength, facts)), async () => {
    signal.throwIfAborted();
    return reference.score(bytes);
  });
  return { bytes, score };
}
