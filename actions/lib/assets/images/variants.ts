import type { VariantFormat } from '../../config/index.ts';
import { animatedVariants } from './animated.ts';
import type { ImageVariant } from './outcome.ts';
import { type Encoded, encodeAtTarget, type ImageJob, openReference } from './reference.ts';
import { type Made, plannedWidths, worthwhile } from './worth.ts';

/**
 * Every format at every width, where it pays.
 * @param servedBytes of the original as it will be served; what is not smaller is not worth a choice
 */
export async function makeVariants(job: ImageJob, servedBytes: Promise<number>): Promise<Made> {
  // Its failure is told by whoever made it, too.
  servedBytes.catch(() => {});
  const { facts, settings } = job;
  if (facts.frames > 1) return animatedVariants(job, await servedBytes);
  const made: ImageVariant[] = [];
  const notes: string[] = [];
  const lastQuality = new Map<VariantFormat, number>();
  const unreachable = new Set<VariantFormat>();
  // Judged once: with some widths of a drawing and others of a photograph, a format would have them only in part.
  let isGraphic: boolean | undefined;
  const widths = plannedWidths(facts.width, settings);
  for (const width of widths) {
    await makeWidth(width);
  }
  const original = { bytes: await servedBytes, format: facts.format, widest: widths[0]! };
  return { variants: worthwhile(made, original), notes };

  async function makeWidth(width: number): Promise<void> {
    using reference = await openReference(job, width, isGraphic);
    ({ isGraphic } = reference);
    for (const format of settings.formats) {
      if (unreachable.has(format)) continue;
      const encoded = await encodeAtTarget(job, reference, format, lastQuality.get(format));
      if (encoded?.quality !== undefined) lastQuality.set(format, encoded.quality);
      if (encoded === undefined) {
        if (!reference.isGraphic) notes.push(unreached(format, width, settings.target));
        if (width === widths[0] && format !== facts.format) unreachable.add(format);
        continue;
      }
      made.push(variantOf(format, reference, encoded));
    }
  }
}

function variantOf(format: VariantFormat, size: { width: number; height: number }, encoded: Encoded): ImageVariant {
  return { format, width: size.width, height: size.height, frames: 1, ...encoded };
}

function unreached(format: VariantFormat, width: number, target: number): string {
  return `No ${format.toUpperCase()} of ${width} pixels reaches ${target} at any quality, so there is none.`;
}
