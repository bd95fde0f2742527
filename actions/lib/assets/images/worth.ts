import type { ImageSettings, VariantFormat } from '../../config/index.ts';
import type { ImageVariant } from './outcome.ts';

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
 */
export function worthwhile(variants: readonly ImageVariant[], smallestOriginal: number): ImageVariant[] {
  const understoodBy: Record<VariantFormat, readonly VariantFormat[]> = {
    avif: ['webp', 'jpeg', 'png'],
    webp: ['jpeg', 'png'],
    jpeg: ['png'],
    png: ['jpeg'],
  };
  const isBeaten = (one: ImageVariant) =>
    one.bytes.length >= smallestOriginal ||
    variants.some(
      other =>
        other !== one &&
        other.bytes.length <= one.bytes.length &&
        (other.format === one.format ? other.width > one.width : other.width === one.width) &&
        (other.format === one.format || understoodBy[one.format].includes(other.format)),
    );
  return variants.filter(one => !isBeaten(one));
}
