import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import sharp from 'sharp';
import {
  blobPath,
  createImagePool,
  imageSettingsSchema,
  type RgbPixels,
  type StoredOutcome,
  ssimulacra2,
} from '../../actions/lib/assets/index.ts';
import { formatBytes } from '../../actions/lib/log/index.ts';
import type { Result } from './results.ts';

const settings = imageSettingsSchema.parse({ widths: [] });
const leastScore = 79;

/**
 * Every photograph at its full width (or 2560): the lightest variant against the same pixels as JPEG of quality 85 by
 * mozjpeg. Both are decoded again and measured with every term of the metric, whatever the search believed.
 */
export async function benchWeight(photos: readonly string[], cacheFolder: string): Promise<Result[]> {
  const rows: Row[] = [];
  const encodes: number[] = [];
  await using pool = createImagePool({ cacheFolder });
  const next = [...photos];
  const lane = async () => {
    for (let path = next.shift(); path !== undefined; path = next.shift()) {
      const bytes = await readFile(path);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const signal = new AbortController().signal;
      const outcome = await pool.optimize({ path, file: path, sha256, settings, signal });
      const row = await compare(path, bytes, outcome, cacheFolder);
      rows.push(row);
      encodes.push(...encodesOf(outcome));
      process.stderr.write(`${row.name}: ${row.format} ${formatBytes(row.bytes)}, score ${row.score.toFixed(1)}`);
      process.stderr.write(`; JPEG q85 ${formatBytes(row.jpegBytes)}, score ${row.jpegScore.toFixed(1)}\n`);
    }
  };
  await Promise.all(Array.from({ length: pool.concurrency }, lane));
  return resultsOf(rows, encodes);
}

interface Row {
  name: string;
  format: string;
  bytes: number;
  score: number;
  jpegBytes: number;
  jpegScore: number;
}

async function compare(path: string, bytes: Buffer, outcome: StoredOutcome, cacheFolder: string): Promise<Row> {
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  const [best] = outcome.variants.toSorted((a, b) => a.bytes.bytes - b.bytes.bytes);
  if (!best) throw new Error(`${path} has no variant: ${outcome.notes.join(' ')}`);
  const original = () => sharp(bytes).autoOrient().resize({ width: best.width, withoutEnlargement: true });
  const jpeg = await original().jpeg({ quality: 85, mozjpeg: true }).toBuffer();
  const reference = await pixelsOf(await original().png({ compressionLevel: 0 }).toBuffer());
  const score = async (made: Uint8Array) => ssimulacra2(reference, await pixelsOf(made), { negligibleWeight: 0 });
  return {
    name: basename(path),
    format: best.format,
    bytes: best.bytes.bytes,
    score: await score(await readFile(blobPath(cacheFolder, best.bytes.sha256))),
    jpegBytes: jpeg.length,
    jpegScore: await score(jpeg),
  };
}

async function pixelsOf(bytes: Uint8Array): Promise<RgbPixels> {
  const pipeline = sharp(bytes).toColourspace('srgb').removeAlpha().raw();
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** Of what was searched: lossless files take one encode, and would make the mean look better. */
function encodesOf(outcome: StoredOutcome): number[] {
  if (outcome.kind === 'refused') return [];
  return [...(outcome.inPlace ? [outcome.inPlace] : []), ...outcome.variants]
    .filter(({ quality }) => quality !== undefined)
    .map(each => each.encodes);
}

function resultsOf(rows: readonly Row[], encodes: readonly number[]): Result[] {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const bytes = sum(rows.map(row => row.bytes));
  const jpegBytes = sum(rows.map(row => row.jpegBytes));
  const scores = rows.map(({ score }) => score);
  const jpegScore = sum(rows.map(row => row.jpegScore)) / rows.length;
  const lowestJpeg = Math.min(...rows.map(row => row.jpegScore));
  return [
    {
      name: 'best variant / JPEG q85',
      value: bytes / jpegBytes,
      target: 0.7,
      unit: '×',
      detail: `${rows.length} photographs, ${formatBytes(bytes)} against ${formatBytes(jpegBytes)} of mozjpeg, which scores ${jpegScore.toFixed(1)} in the mean and ${lowestJpeg.toFixed(1)} at the least`,
    },
    {
      name: `photographs scored below ${leastScore}`,
      value: scores.filter(score => score < leastScore).length,
      target: 0,
      unit: '',
      detail: `least ${Math.min(...scores).toFixed(2)}, mean ${(sum(scores) / rows.length).toFixed(2)} of SSIMULACRA2, decoded again`,
    },
    {
      name: 'encodes of the full image',
      value: sum(encodes) / encodes.length,
      target: 6,
      unit: 'each',
      detail: `mean of ${encodes.length} files, most ${Math.max(...encodes).toFixed(1)}; of a sample by its part of the pixels`,
    },
  ];
}
