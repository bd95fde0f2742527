import type { ImageSettings, VariantFormat } from '../../config/index.ts';
import type { ImageFormat, ImageVariant } from './outcome.ts';

export interface Made {
  variants: ImageVariant[];
  notes: string[];
}

/** Widest first, so that a narrower one starts from what the wider one found. */
export function plannedWidths(originalWidth: number, { widths, maxWidth }: ImageSettings): number[] {
  const widest = Math.min(originalWidth, maxWidth);
  return [...new Set([widest, ...widths.filter(width => width < widest)])].sort((a, b) => b - a);
}

/**
 * Leaves out what no reader should be sent: anything not smaller than the original, than a wider one of its own format, or
 * than the same width in a format that whoever takes this one takes as well.
 *
 * A browser takes the first format that it knows, and shows the widest there is of it, however wide its place is. So a
 * format has its widest, which is then smaller than the original, or it is left out as a whole. Narrower ones in the
 * original's own format need none: they stand beside the original itself.
 */
export function worthwhile(
  variants: readonly ImageVariant[],
  { bytes, format, widest }: { bytes: number; format: ImageFormat; widest: number },
): ImageVariant[] {
  const understoodBy: Record<VariantFormat, readonly VariantFormat[]> = {
    avif: ['webp', 'jpeg', 'png'],
    webp: ['jpeg', 'png'],
    jpeg: ['png'],
    png: ['jpeg'],
  };
  const small = variants.filter(one => one.bytes.length < bytes);
  const hasWidest = new Set(small.filter(({ width }) => width === widest).map(one => one.format));
  const whole = small.filter(one => one.format === format || hasWidest.has(one.format));
  const isBeaten = (one: ImageVariant) =>
    whole.some(
      other =>
        other !== one &&
        other.bytes.length <= one.bytes.length &&
        (other.format === one.format ? other.width > one.width : other.width === one.width) &&
        (other.format === one.format || understoodBy[one.format].includes(other.format)),
    );
  const kept = whole.filter(one => !isBeaten(one));
  const formats = new Set(kept.map(one => one.format));
  // One that is beaten by another format stays where narrower ones of its own are worth it.
  return whole.filter(one => kept.includes(one) || (one.width === widest && formats.has(one.format)));
}
