import { instantiateKernels, type Kernels } from './kernels.ts';
import { createMemory, type Memory, pageBytes } from './wasm.ts';
import { mapsPerScale, scaleCount, scoreOf, weights } from './weights.ts';

/** Packed RGB, 8 bits a channel, rows from the top, no padding. */
export interface RgbPixels {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Smaller than this in either direction, and there is nothing to measure. */
export const smallestSide = 8;

/**
 * At the two largest scales a term of smaller weight moves a score by hundredths at most, so its maps are not computed.
 * That leaves one channel of three at full size, and half of the work.
 */
const negligibleWeight = 0.001;
const largeScales = 2;

export interface MetricOptions {
  /** For tests: 0 computes every term. */
  negligibleWeight?: number;
}

/**
 * SSIMULACRA 2.1 of two images of the same size: 100 is no difference, 90 none to be seen, 80 very high, 70 high, 50 medium
 * quality. Both are taken as sRGB. Rows stream through, so memory goes with the width and not with the area.
 * @throws RangeError where the sizes differ or a side is shorter than 8 pixels
 */
export function ssimulacra2(reference: RgbPixels, distorted: RgbPixels, options: MetricOptions = {}): number {
  const { width, height } = reference;
  if (width !== distorted.width || height !== distorted.height) {
    throw new RangeError(`${width}×${height} and ${distorted.width}×${distorted.height} are not of one size`);
  }
  if (Math.min(width, height) < smallestSide) throw new RangeError(`${width}×${height} is too small to be measured`);
  const scales = plannedScales(width, height, options.negligibleWeight ?? negligibleWeight);
  const workspace = createWorkspace(scales, width);
  const [first] = workspace.levels;
  for (let y = 0; y < height; y++) feed(workspace, first!, [reference, distorted], y);
  return scoreOf(workspace.levels.reduce((sum, level) => sum + finish(workspace, level), 0));
}

type ChannelName = 'X' | 'Y' | 'B';
const channelNames = ['X', 'Y', 'B'] as const;

interface PlannedChannel {
  name: ChannelName;
  /** Of the six maps, in the order of `weights`. */
  weights: readonly number[];
  needsStructure: boolean;
  needsEdges: boolean;
}

interface PlannedScale {
  width: number;
  height: number;
  channels: readonly PlannedChannel[];
}

/** Which maps count at which scale. A small image has fewer scales, and then the weights move up, as they do in the original. */
function plannedScales(width: number, height: number, negligible: number): PlannedScale[] {
  const sizes = [{ width, height }];
  while (sizes.length < scaleCount && Math.min(sizes.at(-1)!.width, sizes.at(-1)!.height) >= smallestSide) {
    const { width: w, height: h } = sizes.at(-1)!;
    sizes.push({ width: Math.ceil(w / 2), height: Math.ceil(h / 2) });
  }
  return sizes.map((size, scale) => {
    // In a small image the weights stand at other scales, and there is little work to save.
    const least = sizes.length === scaleCount && scale < largeScales ? negligible : 0;
    const channels = channelNames.map((name, channel) => {
      const start = (channel * sizes.length + scale) * mapsPerScale;
      const own = weights.slice(start, start + mapsPerScale).map(weight => (weight < least ? 0 : weight));
      const isAny = (indices: readonly number[]) => indices.some(index => own[index]! > 0);
      return { name, weights: own, needsStructure: isAny([0, 3]), needsEdges: isAny([1, 2, 4, 5]) };
    });
    return { ...size, channels: channels.filter(each => each.needsStructure || each.needsEdges) };
  });
}

/** Rows that a ring keeps: four groups of four, because the blur reaches ten rows back from the newest. */
const ringRows = 16;
const bandRows = 4;
const planes = 3;

interface Channel extends PlannedChannel {
  /** Rings of the two images. */
  images: [number, number];
  /** What is blurred: means of both, then squares of both and their product. Ring, recursion state, newest four rows. */
  blurs: { ring: number; state: number; rows: number }[];
  sums: { structure: number; edges: number };
}

interface Level {
  width: number;
  height: number;
  stride: number;
  /** Four rows of linear light of the two images. */
  linear: [number, number];
  /** Rows in that band, and rows before it. */
  filled: number;
  done: number;
  channels: Channel[];
  convert: 'toY' | 'toXY' | 'toXYB';
  next: Level | undefined;
}

interface Workspace {
  kernels: Kernels;
  bytes: Uint8Array;
  floats: Float32Array;
  doubles: Float64Array;
  levels: Level[];
  packed: number;
  table: number;
  line: number;
}

/** Of this thread: instantiated once, grown when an image needs more. */
let shared: { memory: Memory; kernels: Kernels } | undefined;

function createWorkspace(scales: readonly PlannedScale[], width: number): Workspace {
  const memory = shared?.memory ?? createMemory();
  shared ??= { memory, kernels: instantiateKernels(memory) };
  let size = 0;
  const take = (bytes: number) => {
    const address = size;
    size += Math.ceil(bytes / 16) * 16;
    return address;
  };
  const table = take(256 * 4);
  const packed = take(width * 3);
  const line = take((width + 24) * 16);
  const levels = scales.map(scale => layOut(scale, take));
  for (const [index, level] of levels.entries()) level.next = levels[index + 1];
  const missing = Math.ceil(size / pageBytes) - memory.buffer.byteLength / pageBytes;
  if (missing > 0) memory.grow(missing);
  const bytes = new Uint8Array(memory.buffer);
  bytes.fill(0, 0, size);
  const floats = new Float32Array(memory.buffer);
  floats.set(lightOfByte, table / 4);
  return {
    kernels: shared.kernels,
    bytes,
    floats,
    doubles: new Float64Array(memory.buffer),
    levels,
    packed,
    table,
    line,
  };
}

/** Addresses for everything a scale keeps. */
function layOut({ width, height, channels }: PlannedScale, take: (bytes: number) => number): Level {
  // Kernels write whole vectors, and halving reads eight floats: a row has room for both.
  const stride = (Math.ceil(width / 8) * 8 + 8) * 4;
  const rows = (count: number) => take(count * stride);
  const names = new Set(channels.map(({ name }) => name));
  return {
    width,
    height,
    stride,
    linear: [rows(bandRows * planes), rows(bandRows * planes)],
    filled: 0,
    done: 0,
    convert: names.has('B') ? 'toXYB' : names.has('X') ? 'toXY' : 'toY',
    next: undefined,
    channels: channels.map(channel => ({
      ...channel,
      images: [rows(ringRows), rows(ringRows)],
      blurs: Array.from({ length: channel.needsStructure ? 5 : 2 }, () => ({
        ring: rows(ringRows),
        state: rows(6),
        rows: rows(bandRows),
      })),
      sums: { structure: take(2 * 16), edges: take(4 * 16) },
    })),
  };
}

const lightOfByte = Float32Array.from({ length: 256 }, (_, byte) => {
  const encoded = byte / 255;
  return encoded <= 0.04045 ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4;
});

function feed(workspace: Workspace, level: Level, images: readonly [RgbPixels, RgbPixels], y: number): void {
  const { kernels, bytes, packed, table } = workspace;
  for (const [index, { data, width }] of images.entries()) {
    bytes.set(data.subarray(y * width * 3, (y + 1) * width * 3), packed);
    const row = (plane: number) => linearRow(level, index, plane, level.filled);
    kernels.linearise(packed, table, row(0), row(1), row(2), width);
  }
  rowAdded(workspace, level);
}

function linearRow({ linear, stride }: Level, image: number, plane: number, row: number): number {
  return linear[image]! + (plane * bandRows + row) * stride;
}

function rowAdded(workspace: Workspace, level: Level): void {
  level.filled++;
  const isLast = level.done + level.filled === level.height;
  if (level.filled < bandRows && !isLast) return;
  if (level.next) halveInto(workspace, level, level.next);
  measureBand(workspace, level, level.filled);
  level.done += level.filled;
  level.filled = 0;
}

function halveInto(workspace: Workspace, level: Level, next: Level): void {
  for (let row = 0; row < level.filled; row += 2) {
    for (const image of [0, 1]) {
      for (let plane = 0; plane < planes; plane++) {
        const upper = linearRow(level, image, plane, row);
        // The last row or column of an odd size stands for the one that is missing.
        const lower = row + 1 < level.filled ? linearRow(level, image, plane, row + 1) : upper;
        if (level.width % 2 === 1) {
          for (const start of new Set([upper, lower])) {
            const end = start / 4 + level.width;
            workspace.floats[end] = workspace.floats[end - 1]!;
          }
        }
        workspace.kernels.halve(upper, lower, linearRow(next, image, plane, next.filled), next.width);
      }
    }
    rowAdded(workspace, next);
  }
}

/** Takes in a band of which `valid` rows are of the image; what lies past its end is zero. Measures the four rows before. */
function measureBand(workspace: Workspace, level: Level, valid: number): void {
  const { kernels, bytes, line } = workspace;
  const { width, stride, channels } = level;
  if (channels.length === 0) return;
  const group = (ring: number, bandsBack: number) =>
    ring + ((level.done / bandRows - bandsBack) & (ringRows / bandRows - 1)) * bandRows * stride;
  if (valid > 0) convert(workspace, level, ring => group(ring, 0));
  for (const channel of channels) {
    const [one, other] = channel.images.map(ring => group(ring, 0)) as [number, number];
    for (const start of [one, other]) bytes.fill(0, start + valid * stride, start + bandRows * stride);
    const sources = [[one], [other], [one, one], [other, other], [one, other]] as const;
    for (const [index, { ring, state, rows }] of channel.blurs.entries()) {
      const [from, by] = sources[index]!;
      const to = group(ring, 0);
      if (by === undefined) kernels.blurAlong(from, stride, to, line, width);
      else kernels.blurAlongProduct(from, by, stride, to, line, width);
      kernels.blurAcross(to, group(ring, 3) + 2 * stride, group(ring, 2), stride, state, rows, width);
    }
    const measured = Math.min(bandRows, level.height - (level.done - bandRows));
    if (level.done === 0) continue;
    for (let row = 0; row < measured; row++) {
      const [mean1, mean2, square1, square2, product] = channel.blurs.map(({ rows }) => rows + row * stride);
      const [image1, image2] = channel.images.map(ring => group(ring, 1) + row * stride);
      if (channel.needsStructure) {
        kernels.structure(mean1!, mean2!, square1!, square2!, product!, channel.sums.structure, width);
      }
      if (channel.needsEdges) kernels.edges(image1!, mean1!, image2!, mean2!, channel.sums.edges, width);
    }
  }
}

function convert({ kernels }: Workspace, level: Level, place: (ring: number) => number): void {
  for (const image of [0, 1] as const) {
    // A channel that does not count here is written over one that does, before it.
    const target = (name: ChannelName) => level.channels.find(channel => channel.name === name)?.images[image];
    const planeAt = (name: ChannelName) => place(target(name) ?? target('Y') ?? target('X') ?? target('B')!);
    kernels[level.convert](
      level.linear[image],
      bandRows * level.stride,
      level.stride,
      planeAt('X'),
      planeAt('Y'),
      planeAt('B'),
      level.width,
    );
  }
}

/** Pushes the last rows out of the blur. @returns the level's weighted error */
function finish(workspace: Workspace, level: Level): number {
  level.done = Math.ceil(level.done / bandRows) * bandRows;
  measureBand(workspace, level, 0);
  const pixels = level.width * level.height;
  const total = (address: number) => workspace.doubles[address / 8]! + workspace.doubles[address / 8 + 1]!;
  const mean = (address: number) => total(address) / pixels;
  const quarticMean = (address: number) => mean(address) ** 0.25;
  let error = 0;
  for (const { weights: own, sums } of level.channels) {
    const maps = [
      mean(sums.structure),
      mean(sums.edges),
      mean(sums.edges + 32),
      quarticMean(sums.structure + 16),
      quarticMean(sums.edges + 16),
      quarticMean(sums.edges + 48),
    ];
    for (const [index, value] of maps.entries()) error += own[index]! * value;
  }
  return error;
}
