import { createHash } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import { rightsOf, withRights } from './encoders.ts';
import { losslessBytes, pixelBytes, wholeBytes } from './estimates.ts';
import { holding } from './memory-gate.ts';
import { coloursOf, decode, decoding, isEqual, open, type Picture, release, sourceOf } from './pixels.ts';
import { isWorthIt, kept, mustLosePlace, nothing, type Shrunk } from './place.ts';
import type { ImageJob } from './reference.ts';

/** PNG, GIF and lossless WebP: encoded anew in several ways, taken only where every pixel of every frame is the same. */
export async function shrinkLossless(job: ImageJob): Promise<Shrunk> {
  const { facts, file, gate, signal } = job;
  let best: Buffer | undefined;
  let forget = () => {};
  let encodes = 0;
  let original: Seen | undefined;
  for (const { hasPalette, encode } of await losslessAttempts(job)) {
    const bytes = await holding(gate, losslessBytes(file, facts, hasPalette), async () => {
      signal.throwIfAborted();
      return decoding(file, encode);
    });
    encodes++;
    if (bytes.length >= (best?.length ?? facts.bytes) || !isWorthIt(job, bytes.length)) continue;
    original ??= await decoding(file, () => seenIn(job, sourceOf(file)));
    if (!(await isSame(job, original, bytes))) continue;
    best = bytes;
    forget();
    forget = gate.keep(bytes.length);
  }
  if (!best) return mustLosePlace(job) ? kept('No smaller file with the same pixels was found.', job) : nothing;
  return { inPlace: { bytes: best, score: 100, quality: undefined, encodes }, notes: [] };
}

interface Attempt {
  hasPalette: boolean;
  encode(): Promise<Buffer>;
}

async function losslessAttempts(job: ImageJob): Promise<Attempt[]> {
  const { facts, settings } = job;
  const { webp: effort } = settings.effort;
  switch (facts.format) {
    case 'png': {
      // Not with sharp's `effort`: to name it is to ask for a palette, and so for fewer colours.
      const options = { compressionLevel: 9 } as const;
      const plain = [true, false].map(adaptiveFiltering => ({
        hasPalette: false,
        encode: () =>
          losslessPipeline(job)
            .png({ ...options, adaptiveFiltering })
            .toBuffer(),
      }));
      // With more colours than it holds it would lose some, after minutes of choosing them.
      const palette = {
        hasPalette: true,
        encode: () =>
          losslessPipeline(job)
            .png({ ...options, palette: true, effort: 10, quality: 100, dither: 0 })
            .toBuffer(),
      };
      return facts.bitsPerChannel === 8 && (await fitsPalette(job)) ? [...plain, palette] : plain;
    }
    case 'gif': {
      const options = { effort: 10, dither: 0, interFrameMaxError: 0, interPaletteMaxError: 0 };
      return [{ hasPalette: true, encode: () => losslessPipeline(job).gif(options).toBuffer() }];
    }
    default:
      return [{ hasPalette: false, encode: () => losslessPipeline(job).webp({ lossless: true, effort }).toBuffer() }];
  }
}

function fitsPalette(job: ImageJob): Promise<boolean> {
  return holding(job.gate, wholeBytes(job.file, job.facts), async () => {
    const picture = await decode(job.file, losslessPipeline(job));
    try {
      return coloursOf(picture, 257) <= 256;
    } finally {
      release(picture);
    }
  });
}

function losslessPipeline({ file, facts, settings }: ImageJob): Sharp {
  const pipeline = open(sourceOf(file), settings.limits, { animated: facts.frames > 1, ignoreIcc: true });
  const deep = facts.bitsPerChannel === 16;
  const space = facts.colours === 'grey' ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb';
  let prepared = pipeline.autoOrient().toColourspace(space);
  if (facts.profile === 'wide' || facts.profile === 'other') prepared = prepared.keepIccProfile();
  return facts.format === 'gif' ? prepared : withRights(prepared, rightsOf(facts, settings));
}

/** What is to be seen in a file, told by its hash: two of them would be too much memory where one of them will do. */
interface Seen {
  timing: string;
  sha256: string;
}

function seenIn(job: ImageJob, source: Uint8Array | string): Promise<Seen> {
  return holding(job.gate, wholeBytes(job.file, job.facts), async () => {
    const picture = await readWhole(job, source);
    try {
      const { width, height, channels, data } = picture;
      const sha256 = createHash('sha256').update(`${width} ${height} ${channels} `).update(data).digest('hex');
      return { timing: job.facts.frames > 1 ? JSON.stringify(await timingOf(source)) : '', sha256 };
    } finally {
      release(picture);
    }
  });
}

/** Every frame, delay and repetition, and every visible pixel, at the depth of the original. */
async function isSame(job: ImageJob, original: Seen, bytes: Buffer): Promise<boolean> {
  const { file, facts, gate } = job;
  const made = await seenIn(job, bytes);
  if (made.timing !== original.timing) return false;
  if (made.sha256 === original.sha256) return true;
  // Kept in another way, or with other colours where it is transparent, it may look the same.
  return holding(gate, wholeBytes(file, facts) + pixelBytes(facts), async () => {
    const before = await readWhole(job, sourceOf(file));
    const after = await readWhole(job, bytes);
    try {
      return isEqual(before, after, facts.bitsPerChannel);
    } finally {
      release(before);
      release(after);
    }
  });
}

async function readWhole({ facts, settings }: ImageJob, source: Uint8Array | string): Promise<Picture> {
  const pipeline = open(source, settings.limits, { animated: facts.frames > 1, ignoreIcc: true }).autoOrient();
  const space = facts.colours === 'grey' ? 'grey16' : 'rgb16';
  const deep = facts.bitsPerChannel === 16 ? pipeline.toColourspace(space).raw({ depth: 'ushort' }) : pipeline.raw();
  const { data, info } = await deep.toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height, channels: info.channels as Picture['channels'] };
}

async function timingOf(source: Uint8Array | string) {
  const { pages, loop, delay } = await sharp(source, { animated: true, limitInputPixels: false }).metadata();
  return { pages, loop, delay };
}
