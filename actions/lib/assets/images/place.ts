import { isExif, isXmp, readExif, readJpeg, readXmp, withoutPlaceAndTurn, writeJpeg } from './files/index.ts';
import type { InPlace } from './outcome.ts';
import type { ImageJob } from './reference.ts';

export interface Shrunk {
  inPlace: InPlace | undefined;
  notes: string[];
}

/** It tells where it was taken, and is not to. */
export function mustLosePlace({ facts, settings }: Pick<ImageJob, 'facts' | 'settings'>): boolean {
  return facts.hasLocation && settings.metadata.location === 'strip';
}

export const placeStays = 'It tells where it was taken, and that cannot be taken out of it without loss.';

/**
 * Of an image that is left alone for what only it holds: all the same but for the place, which is overwritten where it
 * stands, so that whatever is found by its offset in the file still is.
 */
export function withoutPlace(job: Pick<ImageJob, 'file' | 'facts' | 'settings'>, reasons: readonly string[]): Shrunk {
  const { file, facts, settings } = job;
  const jpeg = facts.format === 'jpeg' ? readJpeg(file.bytes) : undefined;
  if (!settings.inPlace || !mustLosePlace(job)) return { inPlace: undefined, notes: [...reasons] };
  const isTold = jpeg?.segments.some(segment => isExif(segment) && readExif(segment.body).hasLocation) ?? false;
  const isToldInXmp = jpeg?.segments.some(segment => isXmp(segment) && readXmp(segment.body).hasLocation) ?? true;
  const notes = isToldInXmp ? [...reasons, placeStays] : [...reasons];
  if (!jpeg || !isTold) return { inPlace: undefined, notes };
  const segments = jpeg.segments.map(segment =>
    isExif(segment)
      ? { ...segment, body: withoutPlaceAndTurn(segment.body, 'strip', readExif(segment.body).orientation ?? 1) }
      : segment,
  );
  return { inPlace: unencoded(writeJpeg({ segments, rest: jpeg.rest })), notes };
}

/** Other metadata around the same pixels. */
export function unencoded(bytes: Buffer | undefined): InPlace | undefined {
  return bytes && { bytes, score: 100, quality: undefined, encodes: 0 };
}

export const nothing: Shrunk = { inPlace: undefined, notes: [] };

/** As it is, and why. */
export function kept(reason: string, { facts, settings }: ImageJob): Shrunk {
  return { inPlace: undefined, notes: mustLosePlace({ facts, settings }) ? [reason, placeStays] : [reason] };
}

/** What tells where it was taken is replaced even where it gains nothing else. */
export function isWorthIt({ facts, settings }: ImageJob, bytes: number): boolean {
  const saved = facts.bytes - bytes;
  if (saved >= 0 && mustLosePlace({ facts, settings })) return true;
  return saved >= settings.minSavingBytes && saved >= settings.minSavingRatio * facts.bytes;
}
