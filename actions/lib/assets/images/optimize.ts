import type { ImageSettings } from '../../config/index.ts';
import { decoderBytes } from './estimates.ts';
import { shrinkInPlace } from './in-place.ts';
import { type ImageFile, inspectImage } from './inspect.ts';
import { holding, type MemoryGate, openGate, scopeOf } from './memory-gate.ts';
import type { ImageFacts, ImageOutcome } from './outcome.ts';
import { decode, open, release, sourceOf } from './pixels.ts';
import { type Shrunk, withoutPlace } from './place.ts';
import type { ImageJob } from './reference.ts';
import { Refusal } from './refusal.ts';
import { makeVariants } from './variants.ts';
import type { Made } from './worth.ts';

export interface ImageRequest {
  /** For messages and for its suffix; nothing is read from it or written to it. */
  path: string;
  bytes: Uint8Array;
  /**
   * Where the bytes lie. Of a large image they are given up then, and decoders read them there: who asks makes sure that it
   * did not change meanwhile. `bytes` are none after it.
   */
  file?: string;
  settings: ImageSettings;
  signal: AbortSignal;
  /** Bounds what several images take together. Default: not bounded. */
  gate?: MemoryGate;
}

/**
 * One image at its target: smaller in place and as variants, or refused with a reason. The same bytes and settings give the
 * same outcome, and what came out gives nothing more when it goes in again.
 * @throws the reason of `signal`
 */
export async function optimizeImage({
  path,
  bytes,
  file: place,
  settings,
  signal,
  gate: shared = openGate,
}: ImageRequest): Promise<ImageOutcome> {
  const file: ImageFile = { path, bytes };
  using gate = scopeOf(shared);
  const forget = gate.keep(bytes.length);
  try {
    const original = await inspectImage(file, settings.limits);
    const reasons = leftAlone(original);
    if (reasons !== undefined) {
      const { inPlace, notes } = withoutPlace({ file, facts: original, settings }, reasons);
      return { kind: 'done', original, ...(inPlace && { inPlace }), variants: [], notes };
    }
    const job: ImageJob = { file, facts: original, settings, signal, gate };
    if (place !== undefined && isReadAgain(original)) {
      job.file = { path, bytes: new Uint8Array(), file: place };
      release({ data: bytes });
      forget();
    }
    const [{ inPlace, notes }, made] = await work(job);
    return {
      kind: 'done',
      original,
      ...(inPlace && { inPlace }),
      variants: made.variants,
      notes: [...notes, ...made.notes],
    };
  } catch (thrown) {
    if (thrown instanceof Refusal) return thrown.outcome();
    throw thrown;
  }
}

/** Of a JPEG the segments are needed to the end, and what moves tells its frames; others are pixels and nothing else. */
function isReadAgain({ format, frames, bytes }: ImageFacts): boolean {
  return format !== 'jpeg' && frames === 1 && bytes >= 4e6;
}

/** From here on in place and variants are made at the same time: an encoder uses one core. */
const largePixels = 2e6;
const probedWidth = 64;

async function work(job: ImageJob): Promise<[Shrunk, Made]> {
  const { file, facts, settings } = job;
  const shrink = async (): Promise<Shrunk> =>
    settings.inPlace ? shrinkInPlace(job) : { inPlace: undefined, notes: [] };
  const servedBytes = ({ inPlace }: Shrunk) => Math.min(facts.bytes, inPlace?.bytes.length ?? facts.bytes);
  if (facts.width * facts.height < largePixels || facts.frames > 1) {
    const shrunk = await shrink();
    return [shrunk, await makeVariants(job, Promise.resolve(servedBytes(shrunk)))];
  }
  // Two at once would tell each other's errors: libvips has one place for them in a process.
  await holding(job.gate, decoderBytes(file, facts, probedWidth), async () =>
    release(await decode(file, open(sourceOf(file), settings.limits).resize({ width: probedWidth }))),
  );
  const shrunk = shrink();
  const made = makeVariants(job, shrunk.then(servedBytes));
  // Neither may be at work any more when this one ends.
  await Promise.allSettled([shrunk, made]);
  return [await shrunk, await made];
}

/** Why nothing is made of an image: whatever was made would show less than it does. An empty list goes without saying. */
function leftAlone({ format, frames, hasGainMap, hasColoursOfItsOwn }: ImageFacts): string[] | undefined {
  if (format === 'svg') return [];
  if (hasGainMap) return ['It carries an HDR gain map, which no smaller version would keep: it is left alone.'];
  if (hasColoursOfItsOwn) {
    return [
      'It tells its colours (HDR, gamut or gamma) in a way that no smaller version would keep: it is left alone.',
    ];
  }
  if (frames > 1 && format === 'png')
    return ['It is an animated PNG, of which only one frame could be read: it is left alone.'];
  if (frames > 1 && format === 'avif') {
    return ['It is an AVIF sequence, of which only one frame could be read: it is left alone.'];
  }
  return undefined;
}
