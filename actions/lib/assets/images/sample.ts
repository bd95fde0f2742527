import type { Picture } from './pixels.ts';

/** Sixteen squares, spread evenly. Each begins where encoders divide the image as well. */
const across = 4;
const side = 256;
const grid = 64;

/** Below this a search on the whole image is no longer than one on its sample. */
const leastPixels = 2 * (across * side) ** 2;

/** Squares of a large picture, at its own resolution, as one picture. Undefined where it is too small to be worth it. */
export function sampleOf({ data, width, height, channels }: Picture): Picture | undefined {
  if (width * height < leastPixels || Math.min(width, height) < across * side) return undefined;
  const sample = Buffer.allocUnsafe((across * side) ** 2 * channels);
  for (let row = 0; row < across * side; row++) {
    const y = placeOf(Math.floor(row / side), height) + (row % side);
    for (let column = 0; column < across; column++) {
      const from = (y * width + placeOf(column, width)) * channels;
      sample.set(data.subarray(from, from + side * channels), (row * across + column) * side * channels);
    }
  }
  return { data: sample, width: across * side, height: across * side, channels };
}

/** Of a square by its number: in the middle of its quarter. */
function placeOf(index: number, length: number): number {
  const middle = ((index + 0.5) * length) / across;
  return Math.floor((middle - side / 2) / grid) * grid;
}
