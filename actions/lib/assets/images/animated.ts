import { qualityBounds, rightsOf, searchStart, withRights } from './encoders.ts';
import type { ImageVariant } from './outcome.ts';
import { decode, decodeOwn, decoding, open, type Picture, scorePictures } from './pixels.ts';
import type { ImageJob } from './reference.ts';
import { searchQuality } from './search.ts';
import { type Made, plannedWidths, worthwhile } from './worth.ts';

/** Frames that a score is taken of: the first, the last and some between; the worst counts. */
const scoredFrames = 6;

/** What moves becomes an animated WebP of as many frames: without loss where that is smaller, else at the target. */
export async function animatedVariants(job: ImageJob, smallestOriginal: number): Promise<Made> {
  const { facts, settings } = job;
  const notes: string[] = [];
  if (settings.formats.some(format => format !== 'webp')) {
    notes.push('It moves, so its variants are WebP: no other format is written with more than one frame.');
  }
  if (!settings.formats.includes('webp')) return { variants: [], notes };
  const made: ImageVariant[] = [];
  const widths = plannedWidths(facts.width, settings);
  for (const width of widths) {
    const variant = await animatedVariant(job, width, smallestOriginal);
    if (variant) made.push(variant);
    else notes.push(`No animated WebP of ${width} pixels reaches ${settings.target} and is smaller, so there is none.`);
  }
  const original = { bytes: smallestOriginal, format: facts.format, widest: widths[0]! };
  return { variants: worthwhile(made, original), notes };
}

async function animatedVariant(job: ImageJob, width: number, smallest: number): Promise<ImageVariant | undefined> {
  const { facts, settings } = job;
  const frames = sampledFrames(facts.frames);
  const references: Picture[] = [];
  for (const page of frames) references.push(await frameOf(job, page, width));
  const [{ height } = { height: 0 }] = references;
  const score = async (bytes: Buffer) => {
    let worst = 100;
    for (const [index, page] of frames.entries()) {
      worst = Math.min(worst, scorePictures(references[index]!, await decodeOwn(bytes, page)));
    }
    return worst;
  };
  const base = { format: 'webp' as const, width, height, frames: facts.frames };
  if (facts.isLossless) {
    const bytes = await encodeAnimation(job, width, undefined);
    if (bytes.length < smallest) return { ...base, bytes, score: await score(bytes), quality: undefined, encodes: 1 };
  }
  const plan = { target: settings.target, ...qualityBounds.webp, ...searchStart.webp(settings.target), budget: 5 };
  const { best, encodes } = await searchQuality(plan, async quality => {
    const bytes = await encodeAnimation(job, width, quality);
    return { quality, score: await score(bytes), encoded: bytes };
  });
  return best && { ...base, bytes: best.encoded, score: best.score, quality: best.quality, encodes };
}

function sampledFrames(count: number): number[] {
  const samples = Math.min(scoredFrames, count);
  return [
    ...new Set(Array.from({ length: samples }, (_, index) => Math.round((index * (count - 1)) / (samples - 1 || 1)))),
  ];
}

async function frameOf({ file, settings }: ImageJob, page: number, width: number): Promise<Picture> {
  const pipeline = open(file.bytes, settings.limits, { page });
  return decode(file, pipeline.resize({ width, withoutEnlargement: true }));
}

/** Every frame with its delay, and how often it goes round. */
function encodeAnimation(job: ImageJob, width: number, quality: number | undefined): Promise<Buffer> {
  const { file, facts, settings, signal } = job;
  signal.throwIfAborted();
  let pipeline = open(file.bytes, settings.limits, { animated: true });
  if (width < facts.width) pipeline = pipeline.resize({ width, withoutEnlargement: true });
  pipeline = withRights(pipeline, rightsOf(facts, settings));
  const { webp: effort } = settings.effort;
  const strength = quality === undefined ? { lossless: true } : { quality, smartSubsample: true };
  const timing = { loop: facts.loop ?? 0, delay: [...(facts.delays ?? [])] };
  return decoding(file, () => pipeline.webp({ ...strength, ...timing, effort }).toBuffer());
}
