import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import type { RgbPixels } from '../../../actions/lib/assets/images/index.ts';

/** Pictures made on the spot, the same ones each time. */

/** Something like a photograph: soft shapes at several sizes, light from one side, grain. */
export function photoPixels(width: number, height: number, seed = 1): RgbPixels {
  const random = randomOf(seed);
  const octaves = [4, 9, 20, 45].map((cells, index) => ({
    cells,
    weight: 90 / (index + 1) ** 1.2,
    grid: Array.from({ length: 3 * (cells + 2) ** 2 }, () => random() - 0.5),
  }));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        let value = 128 + 40 * (x / width - 0.5) - 25 * channel * (y / height - 0.5) + 5 * (random() - 0.5);
        for (const { cells, weight, grid } of octaves) {
          value += weight * noiseAt(grid, cells, channel, (x / width) * cells, (y / height) * cells);
        }
        data[at++] = Math.max(0, Math.min(255, Math.round(value)));
      }
    }
  }
  return { data, width, height };
}

export function photo(width: number, height: number, seed = 1): Sharp {
  return rawOf(photoPixels(width, height, seed));
}

/** Bars, boxes and a diagonal in a handful of colours. */
export function drawing(width: number, height: number): Sharp {
  const colours = [
    [250, 250, 250],
    [20, 40, 160],
    [220, 30, 30],
    [30, 160, 60],
  ];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isBox = (x >> 5) % 3 === 1 && (y >> 5) % 2 === 1;
      const colour = colours[Math.abs(x - y) < 3 ? 2 : isBox ? 1 : x > width - 40 ? 3 : 0]!;
      for (const value of colour) data[at++] = value;
    }
  }
  return rawOf({ data, width, height });
}

export function rawOf({ data, width, height }: RgbPixels, channels: 3 | 4 = 3): Sharp {
  return sharp(Buffer.from(data), { raw: { width, height, channels } });
}

/** The photograph with a round hole that fades out. */
export function cutOut(width: number, height: number): Sharp {
  const { data } = photoPixels(width, height);
  const rgba = new Uint8Array(width * height * 4);
  for (let index = 0; index < width * height; index++) {
    const [x, y] = [(index % width) / width - 0.5, Math.floor(index / width) / height - 0.5];
    rgba.set(data.subarray(index * 3, index * 3 + 3), index * 4);
    rgba[index * 4 + 3] = Math.max(0, Math.min(255, Math.round((Math.hypot(x, y) - 0.15) * 1500)));
  }
  return rawOf({ data: rgba, width, height }, 4);
}

/** Frames in which a block moves over a drawing. */
export async function animation(frames: number, width = 96, height = 64): Promise<Sharp> {
  const pictures = await Promise.all(
    Array.from({ length: frames }, async (_, index) => {
      const block = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#d02020' } })
        .png()
        .toBuffer();
      const background = await drawing(width, height).png().toBuffer();
      return sharp(background)
        .composite([{ input: block, left: (index * 11) % (width - 16), top: 20 }])
        .png()
        .toBuffer();
    }),
  );
  return sharp(pictures, { join: { animated: true } });
}

export async function pixelsOf(bytes: Uint8Array): Promise<RgbPixels> {
  const { data, info } = await sharp(bytes, { ignoreIcc: true })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** A PNG of a few bytes that says it is as large as this. */
export function bomb(width: number, height: number): Buffer {
  const header = Buffer.from([0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(width, 8);
  header.writeUInt32BE(height, 12);
  header.writeUInt32BE(crc32(header.subarray(4, 21)), 21);
  const data = Buffer.concat([Buffer.from('IDAT'), deflateSync(Buffer.alloc(1000))]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length - 4, 0);
  frame.writeUInt32BE(crc32(data), 4);
  const end = Buffer.from([0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    header,
    frame.subarray(0, 4),
    data,
    frame.subarray(4),
    end,
  ]);
}

/** A PNG that takes many seconds to compress well: noise of two values matches itself everywhere, and nowhere for long. */
export function slowToDeflate(side: number): Promise<Buffer> {
  const random = randomOf(7);
  const data = Uint8Array.from({ length: side * side }, () => (random() < 0.5 ? 0 : 1));
  return sharp(data, { raw: { width: side, height: side, channels: 1 } })
    .toColourspace('b-w')
    .png({ compressionLevel: 1 })
    .toBuffer();
}

/** Mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function noiseAt(grid: readonly number[], cells: number, channel: number, x: number, y: number): number {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const at = (column: number, row: number) => grid[(row * (cells + 2) + column) * 3 + channel]!;
  const soft = (part: number) => part * part * (3 - 2 * part);
  const [right, down] = [soft(x - left), soft(y - top)];
  const upper = at(left, top) * (1 - right) + at(left + 1, top) * right;
  const lower = at(left, top + 1) * (1 - right) + at(left + 1, top + 1) * right;
  return upper * (1 - down) + lower * down;
}
