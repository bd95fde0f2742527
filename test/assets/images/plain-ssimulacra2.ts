import type { RgbPixels } from '../../../actions/lib/assets/images/index.ts';
import { recursions } from '../../../actions/lib/assets/images/ssimulacra2/gaussian.ts';
import {
  flatness,
  mapsPerScale,
  scaleCount,
  scoreOf,
  weights,
} from '../../../actions/lib/assets/images/ssimulacra2/weights.ts';

/**
 * The metric written down the way its definition reads: whole planes, one pixel at a time, every term. It is slow and
 * shares no loop with the one in use, so that each checks the other.
 */
export function plainSsimulacra2(reference: RgbPixels, distorted: RgbPixels): number {
  let images = [lightOf(reference), lightOf(distorted)];
  const scales: number[][][] = [];
  while (scales.length < scaleCount) {
    const { width, height } = images[0]!;
    if (Math.min(width, height) < 8) break;
    if (scales.length > 0) images = images.map(halved);
    const [one, other] = images.map(channelsOf) as [Planes, Planes];
    scales.push([0, 1, 2].map(channel => mapsOf(one, other, channel)));
  }
  let error = 0;
  let index = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (const scale of scales) {
      for (let map = 0; map < mapsPerScale; map++) error += weights[index++]! * scale[channel]![map]!;
    }
  }
  return scoreOf(error);
}

interface Planes {
  width: number;
  height: number;
  planes: Float32Array[];
}

const round = Math.fround;
const factors = recursions();

function lightOf({ data, width, height }: RgbPixels): Planes {
  const light = (byte: number) => (byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
  const planes = [0, 1, 2].map(channel =>
    Float32Array.from({ length: width * height }, (_, index) => light(data[index * 3 + channel]!)),
  );
  return { width, height, planes };
}

function halved({ width, height, planes }: Planes): Planes {
  const [w, h] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const at = (plane: Float32Array, x: number, y: number) =>
    plane[Math.min(y, height - 1) * width + Math.min(x, width - 1)]!;
  return {
    width: w,
    height: h,
    planes: planes.map(plane =>
      Float32Array.from({ length: w * h }, (_, index) => {
        const [x, y] = [(index % w) * 2, Math.floor(index / w) * 2];
        return (at(plane, x, y) + at(plane, x + 1, y) + at(plane, x, y + 1) + at(plane, x + 1, y + 1)) / 4;
      }),
    ),
  };
}

function channelsOf({ width, height, planes: [red, green, blue] }: Planes): Planes {
  const bias = 0.0037930732552754493;
  const response = (r: number, g: number, b: number, index: number) =>
    Math.cbrt(r * red![index]! + g * green![index]! + b * blue![index]! + bias) - Math.cbrt(bias);
  const planes = [0, 1, 2].map(() => new Float32Array(width * height));
  for (let index = 0; index < width * height; index++) {
    const long = response(0.3, 0.622, 0.078, index);
    const middle = response(0.23, 0.692, 0.078, index);
    const short = response(
      0.24342268924547819,
      0.20476744424496821,
      1 - 0.24342268924547819 - 0.20476744424496821,
      index,
    );
    planes[0]![index] = ((long - middle) / 2) * 14 + 0.42;
    planes[1]![index] = (long + middle) / 2 + 0.01;
    planes[2]![index] = short - (long + middle) / 2 + 0.55;
  }
  return { width, height, planes };
}

function mapsOf(one: Planes, other: Planes, channel: number): number[] {
  const { width, height } = one;
  const [a, b] = [one.planes[channel]!, other.planes[channel]!];
  const blur = (value: (index: number) => number) =>
    blurred(
      Float32Array.from(a, (_, index) => value(index)),
      width,
      height,
    );
  const mean1 = blur(index => a[index]!);
  const mean2 = blur(index => b[index]!);
  const square1 = blur(index => a[index]! ** 2);
  const square2 = blur(index => b[index]! ** 2);
  const product = blur(index => a[index]! * b[index]!);
  const errors = [0, 0, 0, 0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const [m1, m2] = [mean1[index]!, mean2[index]!];
    const likeness =
      ((1 - (m1 - m2) ** 2) * (2 * (product[index]! - m1 * m2) + flatness)) /
      (square1[index]! - m1 ** 2 + (square2[index]! - m2 ** 2) + flatness);
    const change = (1 + Math.abs(b[index]! - m2)) / (1 + Math.abs(a[index]! - m1)) - 1;
    for (const [map, error] of [1 - likeness, change, -change].entries()) {
      errors[map]! += Math.max(0, error) / a.length;
      errors[map + 3]! += Math.max(0, error) ** 4 / a.length;
    }
  }
  return errors.map((error, map) => (map < 3 ? error : error ** 0.25));
}

function blurred(plane: Float32Array, width: number, height: number): Float32Array {
  const along = new Float32Array(plane.length);
  const across = new Float32Array(plane.length);
  for (let y = 0; y < height; y++) filter(plane, along, y * width, 1, width);
  for (let x = 0; x < width; x++) filter(along, across, x, width, height);
  return across;
}

function filter(from: Float32Array, to: Float32Array, start: number, step: number, count: number): void {
  const states = factors.map(() => ({ last: 0, before: 0 }));
  const at = (index: number) => (index >= 0 && index < count ? from[start + index * step]! : 0);
  for (let index = -4; index < count; index++) {
    const sum = round(at(index - 6) + at(index + 4));
    const outputs = factors.map(({ n2, d1 }, k) => {
      const state = states[k]!;
      const output = round(round(n2) * sum + round(-round(d1) * state.last - state.before));
      state.before = state.last;
      state.last = output;
      return output;
    });
    if (index >= 0) to[start + index * step] = outputs[0]! + round(outputs[1]! + outputs[2]!);
  }
}
