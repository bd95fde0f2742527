import { recursions } from './gaussian.ts';
import {
  type Code,
  compile,
  f32,
  f32x4,
  f64x2,
  i32,
  i32x4,
  instantiate,
  type KernelBody,
  kernel,
  type Local,
  loop,
  type Memory,
  v128,
} from './wasm.ts';
import { flatness } from './weights.ts';

/**
 * The inner loops of the metric. They do what the official tool's vector code does, rounding to 32 bits after the same
 * steps: its recursive Gaussian has poles on the unit circle, so rounding noise adds up along a row, and flat areas are
 * scored by that noise. Exact arithmetic would read up to 0.9 higher where there is much sky.
 *
 * Addresses are bytes in the imported memory, multiples of 16; rows are `stride` bytes apart; counts are pixels. A
 * kernel may write up to three floats past the end of a row.
 */
export interface Kernels {
  /** Packed RGB of 8 bits to three planes of linear light, by the table at `table`. */
  linearise(rgb: number, table: number, red: number, green: number, blue: number, count: number): void;
  /** Four rows of linear RGB, planes `plane` bytes apart, to the channels of the metric, planes at the addresses given. */
  toY(linear: number, plane: number, stride: number, x: number, y: number, b: number, count: number): void;
  toXY(linear: number, plane: number, stride: number, x: number, y: number, b: number, count: number): void;
  toXYB(linear: number, plane: number, stride: number, x: number, y: number, b: number, count: number): void;
  /** Two rows to one of half the width; `count` is the new width. */
  halve(upper: number, lower: number, to: number, count: number): void;
  /** Blurs four rows along their length. `line` holds 16 × (count + 24) bytes. */
  blurAlong(from: number, stride: number, to: number, line: number, count: number): void;
  /** The same of the product of two images. */
  blurAlongProduct(from: number, other: number, stride: number, to: number, line: number, count: number): void;
  /**
   * Four more rows of blur across the rows. The rows that enter lie at `entering`, those that leave are two at each of
   * `leaving` and `leavingThen`. `state` is six rows.
   */
  blurAcross(
    entering: number,
    leaving: number,
    leavingThen: number,
    stride: number,
    state: number,
    to: number,
    count: number,
  ): void;
  /** Adds a row's structure errors and their fourth powers to the two doubles at `sums`. The means, then the squares. */
  structure(
    mean1: number,
    mean2: number,
    square1: number,
    square2: number,
    product: number,
    sums: number,
    count: number,
  ): void;
  /** Adds a row's artefacts, their fourth powers, lost detail and its fourth powers to the four doubles at `sums`. */
  edges(image1: number, mean1: number, image2: number, mean2: number, sums: number, count: number): void;
}

/** Floats before a line that are zero, so that the recursion starts outside the image. */
const linePadding = 10;

export function instantiateKernels(memory: Memory): Kernels {
  compiled ??= compile(allKernels());
  return instantiate(compiled, memory) as Kernels;
}

let compiled: object | undefined;

function allKernels() {
  return [
    kernel('linearise', 6, linearise),
    kernel('toY', 7, body => opsin(body, 'Y')),
    kernel('toXY', 7, body => opsin(body, 'XY')),
    kernel('toXYB', 7, body => opsin(body, 'XYB')),
    kernel('halve', 4, halve),
    kernel('blurAlong', 5, body => {
      const [from, stride, to, line, count] = body.params as [Local, Local, Local, Local, Local];
      return blurAlong(body, { from, stride, to, line, count });
    }),
    kernel('blurAlongProduct', 6, body => {
      const [from, other, stride, to, line, count] = body.params as [Local, Local, Local, Local, Local, Local];
      return blurAlong(body, { from, other, stride, to, line, count });
    }),
    kernel('blurAcross', 7, blurAcross),
    kernel('structure', 7, structure),
    kernel('edges', 6, edges),
  ];
}

function linearise({ params, local }: KernelBody): Code[] {
  const [rgb, table, red, green, blue, count] = params as [Local, Local, Local, Local, Local, Local];
  const x = local('i32');
  const from = local('i32');
  const to = local('i32');
  const light = (channel: number) => f32.load(i32.add(table.get, i32.shiftLeft(i32.loadByte(from.get, channel), 2)));
  return [
    loop(x, i32.constant(0), count.get, 1, [
      from.set(i32.add(rgb.get, i32.multiply(x.get, i32.constant(3)))),
      to.set(i32.shiftLeft(x.get, 2)),
      f32.store(i32.add(red.get, to.get), light(0)),
      f32.store(i32.add(green.get, to.get), light(1)),
      f32.store(i32.add(blue.get, to.get), light(2)),
    ]),
  ];
}

/** libjxl's opsin absorbance: what the three cones take of linear red, green and blue. */
const cones = {
  long: [0.3, 1 - 0.078 - 0.3, 0.078],
  middle: [0.23, 1 - 0.078 - 0.23, 0.078],
  short: [0.24342268924547819, 0.20476744424496821, 1 - 0.24342268924547819 - 0.20476744424496821],
} as const;
const coneBias = 0.0037930732552754493;

/** X, Y and B as the metric wants them: each within 0 to 1 (`MakePositiveXYB`). */
function opsin({ params, local }: KernelBody, channels: 'Y' | 'XY' | 'XYB'): Code[] {
  const [linear, plane, stride, xPlane, yPlane, bPlane, count] = params as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [row, x, at] = [local('i32'), local('i32'), local('i32')];
  const [red, green, blue] = [local('v128'), local('v128'), local('v128')];
  const [long, middle, luma] = [local('v128'), local('v128'), local('v128')];
  const [input, root, power] = [local('v128'), local('v128'), local('v128')];
  const cone = ([r, g, b]: readonly [number, number, number]): Code[] => [
    input.set(
      f32x4.max(
        f32x4.constant(0),
        f32x4.fusedMultiplyAdd(
          f32x4.constant(r),
          red.get,
          f32x4.fusedMultiplyAdd(
            f32x4.constant(g),
            green.get,
            f32x4.fusedMultiplyAdd(f32x4.constant(b), blue.get, f32x4.constant(coneBias)),
          ),
        ),
      ),
    ),
    ...cubeRoot(input, root, power),
  ];
  /** The cube root less the one of black. */
  const response = f32x4.fusedMultiplyAdd(
    f32x4.multiply(root.get, root.get),
    input.get,
    f32x4.constant(-Math.cbrt(coneBias)),
  );
  const half = f32x4.constant(0.5);
  const store = (to: Local, value: Code) => v128.store(i32.add(to.get, at.get), value);
  return [
    loop(row, i32.constant(0), i32.constant(4), 1, [
      loop(x, i32.constant(0), count.get, 4, [
        at.set(i32.add(i32.multiply(row.get, stride.get), i32.shiftLeft(x.get, 2))),
        red.set(v128.load(i32.add(linear.get, at.get))),
        green.set(v128.load(i32.add(i32.add(linear.get, plane.get), at.get))),
        blue.set(v128.load(i32.add(i32.add(linear.get, i32.shiftLeft(plane.get, 1)), at.get))),
        ...cone(cones.long),
        long.set(response),
        ...cone(cones.middle),
        middle.set(response),
        luma.set(f32x4.multiply(half, f32x4.add(long.get, middle.get))),
        ...(channels === 'Y'
          ? []
          : [
              store(
                xPlane,
                f32x4.fusedMultiplyAdd(
                  f32x4.multiply(half, f32x4.sub(long.get, middle.get)),
                  f32x4.constant(14),
                  f32x4.constant(0.42),
                ),
              ),
            ]),
        store(yPlane, f32x4.add(luma.get, f32x4.constant(0.01))),
        ...(channels === 'XYB'
          ? [...cone(cones.short), store(bPlane, f32x4.add(f32x4.sub(response, luma.get), f32x4.constant(0.55)))]
          : []),
      ]),
    ]),
  ];
}

/**
 * Leaves 1 / ∛input in `root`, so that root² · input is the cube root: a guess from the exponent and four steps of
 * Newton, no division. After Agner Fog's vector class library, as libjxl has it; within 6 units of the last place.
 */
function cubeRoot(input: Local, root: Local, power: Local): Code[] {
  const third = f32x4.constant(1 / 3);
  const square = power.set(f32x4.multiply(root.get, root.get));
  const quartic = f32x4.multiply(power.get, power.get);
  const step = [
    square,
    root.set(
      f32x4.fusedNegatedMultiplyAdd(
        f32x4.multiply(third, input.get),
        quartic,
        f32x4.multiply(f32x4.constant(4 / 3), root.get),
      ),
    ),
  ];
  const bias = 0x54800000;
  const guess = i32x4.sub(
    i32x4.constant(bias, bias, bias, bias),
    i32x4.multiply(i32x4.shiftRight(input.get, 23), i32x4.constant(0x2aaaaa, 0x2aaaaa, 0x2aaaaa, 0x2aaaaa)),
  );
  return [
    // Zero has no exponent to guess from.
    root.set(v128.andNot(guess, i32x4.equal(input.get, i32x4.constant(0, 0, 0, 0)))),
    ...step,
    ...step,
    ...step,
    square,
    root.set(f32x4.fusedMultiplyAdd(third, f32x4.fusedNegatedMultiplyAdd(input.get, quartic, root.get), root.get)),
  ];
}

function halve({ params, local }: KernelBody): Code[] {
  const [upper, lower, to, count] = params as [Local, Local, Local, Local];
  const [x, at] = [local('i32'), local('i32')];
  const [left, right] = [local('v128'), local('v128')];
  const both = (offset: number) =>
    f32x4.add(v128.load(i32.add(upper.get, at.get), offset), v128.load(i32.add(lower.get, at.get), offset));
  return [
    loop(x, i32.constant(0), count.get, 4, [
      at.set(i32.shiftLeft(x.get, 3)),
      left.set(both(0)),
      right.set(both(16)),
      v128.store(
        i32.add(to.get, i32.shiftLeft(x.get, 2)),
        f32x4.multiply(
          f32x4.add(v128.shuffle(left.get, right.get, [0, 2, 4, 6]), v128.shuffle(left.get, right.get, [1, 3, 5, 7])),
          f32x4.constant(0.25),
        ),
      ),
    ]),
  ];
}

interface Along {
  from: Local;
  other?: Local;
  stride: Local;
  to: Local;
  line: Local;
  count: Local;
}

/** Four rows are the four lanes: turned into one line of vectors, filtered along it, and turned back. */
function blurAlong({ local }: KernelBody, { from, other, stride, to, line, count }: Along): Code[] {
  const [x, end] = [local('i32'), local('i32')];
  const rows = [local('v128'), local('v128'), local('v128'), local('v128')];
  const turned = createTurn(local)(rows);
  const filters = createFilters(local);
  const rowAddress = (base: Local, row: number) =>
    i32.add(
      i32.add(base.get, i32.shiftLeft(x.get, 2)),
      row === 0 ? i32.constant(0) : i32.multiply(stride.get, i32.constant(row)),
    );
  const lineAddress = i32.add(line.get, i32.shiftLeft(x.get, 4));
  const zeros = (address: Code, from: number, until: number) =>
    Array.from({ length: until - from }, (_, index) => v128.store(address, f32x4.constant(0), (from + index) * 16));

  const turnIn = loop(x, i32.constant(0), count.get, 4, [
    ...rows.map((row, index) => {
      const value = v128.load(rowAddress(from, index));
      return row.set(other ? f32x4.multiply(value, v128.load(rowAddress(other, index))) : value);
    }),
    ...turned.prepare,
    ...turned.columns.map((column, index) => v128.store(lineAddress, column, (linePadding + index) * 16)),
  ]);

  /** At pixel x: what enters is four ahead, what leaves six behind, of which the padding is ten. */
  const fourSteps = [0, 1, 2, 3].flatMap(step => [
    ...filters.advance(
      f32x4.add(
        v128.load(lineAddress, (linePadding - 6 + step) * 16),
        v128.load(lineAddress, (linePadding + 4 + step) * 16),
      ),
      step % 2,
    ),
    rows[step]!.set(filters.sum(step % 2)),
  ]);

  return [
    ...zeros(line.get, 0, linePadding),
    turnIn,
    // What the last vector brought from past the end, and what the recursion looks ahead to.
    end.set(i32.add(line.get, i32.shiftLeft(count.get, 4))),
    ...zeros(end.get, linePadding, linePadding + 9),
    ...filters.reset(),
    // Four steps before the first pixel, whose results lie outside the image.
    x.set(i32.constant(-4)),
    ...fourSteps,
    loop(x, i32.constant(0), count.get, 4, [
      ...fourSteps,
      ...turned.prepare,
      ...turned.columns.map((row, index) => v128.store(rowAddress(to, index), row)),
    ]),
  ];
}

function blurAcross({ params, local }: KernelBody): Code[] {
  const [entering, leaving, leavingThen, stride, state, to, count] = params as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [x, column] = [local('i32'), local('i32')];
  const filters = createFilters(local);
  const at = (base: Local, row: number) =>
    i32.add(i32.add(base.get, column.get), row === 0 ? i32.constant(0) : i32.multiply(stride.get, i32.constant(row)));
  const leavingRow = (row: number) => (row < 2 ? at(leaving, row) : at(leavingThen, row - 2));
  return [
    loop(x, i32.constant(0), count.get, 4, [
      column.set(i32.shiftLeft(x.get, 2)),
      ...filters.states.map((each, index) => each.set(v128.load(at(state, index)))),
      ...[0, 1, 2, 3].flatMap(row => [
        ...filters.advance(f32x4.add(v128.load(leavingRow(row)), v128.load(at(entering, row))), row % 2),
        v128.store(at(to, row), filters.sum(row % 2)),
      ]),
      ...filters.states.map((each, index) => v128.store(at(state, index), each.get)),
    ]),
  ];
}

/** The three recursions. Each keeps its last two values; the newer takes the place of the older, so steps alternate. */
function createFilters(local: KernelBody['local']) {
  const factors = recursions();
  const pairs = factors.map(() => [local('v128'), local('v128')] as const);
  const input = local('v128');
  return {
    states: pairs.flat(),
    reset: (): Code[] => pairs.flat().map(each => each.set(f32x4.constant(0))),
    advance: (value: Code, parity: number): Code[] => [
      input.set(value),
      ...factors.map(({ n2, d1 }, index) => {
        const older = pairs[index]![parity]!;
        const newer = pairs[index]![1 - parity]!;
        return older.set(
          f32x4.fusedMultiplyAdd(
            f32x4.constant(n2),
            input.get,
            f32x4.fusedNegatedMultiplyAdd(f32x4.constant(d1), newer.get, f32x4.negate(older.get)),
          ),
        );
      }),
    ],
    /** After a step of this parity. */
    sum: (parity: number): Code => {
      const [first, second, third] = pairs.map(pair => pair[parity]!.get);
      return f32x4.add(first!, f32x4.add(second!, third!));
    },
  };
}

/** Turns a 4 × 4 square: what is in lane i of row j afterwards was in lane j of row i. */
function createTurn(local: KernelBody['local']) {
  const halves = [local('v128'), local('v128'), local('v128'), local('v128')];
  return (rows: readonly Local[]): { prepare: Code[]; columns: Code[] } => {
    const [a, b, c, d] = rows.map(row => row.get) as [Code, Code, Code, Code];
    const [lowAb, highAb, lowCd, highCd] = halves as [Local, Local, Local, Local];
    return {
      prepare: [
        lowAb.set(v128.shuffle(a, b, [0, 4, 1, 5])),
        highAb.set(v128.shuffle(a, b, [2, 6, 3, 7])),
        lowCd.set(v128.shuffle(c, d, [0, 4, 1, 5])),
        highCd.set(v128.shuffle(c, d, [2, 6, 3, 7])),
      ],
      columns: [
        v128.shuffle(lowAb.get, lowCd.get, [0, 1, 4, 5]),
        v128.shuffle(lowAb.get, lowCd.get, [2, 3, 6, 7]),
        v128.shuffle(highAb.get, highCd.get, [0, 1, 4, 5]),
        v128.shuffle(highAb.get, highCd.get, [2, 3, 6, 7]),
      ],
    };
  };
}

function structure({ params, local }: KernelBody): Code[] {
  const [mean1, mean2, square1, square2, product, sums, count] = params as [
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
    Local,
  ];
  const [x, at] = [local('i32'), local('i32')];
  const [m1, m2, m12, apart, error] = [local('v128'), local('v128'), local('v128'), local('v128'), local('v128')];
  const total = createTotals(local, 1);
  const load = (base: Local) => v128.load(i32.add(base.get, at.get));
  const one = f32x4.constant(1);
  const stabiliser = f32x4.constant(flatness);
  const variance = (square: Local, mean: Local) => f32x4.fusedNegatedMultiplyAdd(mean.get, mean.get, load(square));
  return [
    ...total.reset(),
    loop(x, i32.constant(0), count.get, 4, [
      at.set(i32.shiftLeft(x.get, 2)),
      m1.set(load(mean1)),
      m2.set(load(mean2)),
      m12.set(f32x4.fusedNegatedMultiplyAdd(m1.get, m2.get, load(product))),
      apart.set(f32x4.sub(m1.get, m2.get)),
      error.set(
        f32x4.max(
          f32x4.constant(0),
          f32x4.sub(
            one,
            f32x4.divide(
              f32x4.multiply(
                f32x4.fusedNegatedMultiplyAdd(apart.get, apart.get, one),
                f32x4.fusedMultiplyAdd(f32x4.constant(2), m12.get, stabiliser),
              ),
              f32x4.add(f32x4.add(variance(square1, m1), variance(square2, m2)), stabiliser),
            ),
          ),
        ),
      ),
      error.set(v128.and(error.get, insideRow(x, count))),
      ...total.add(0, error),
    ]),
    ...total.flush(sums),
  ];
}

function edges({ params, local }: KernelBody): Code[] {
  const [image1, mean1, image2, mean2, sums, count] = params as [Local, Local, Local, Local, Local, Local];
  const [x, at] = [local('i32'), local('i32')];
  const [change, part] = [local('v128'), local('v128')];
  const total = createTotals(local, 2);
  const zero = f32x4.constant(0);
  const one = f32x4.constant(1);
  const edge = (image: Local, mean: Local) =>
    f32x4.add(one, f32x4.abs(f32x4.sub(v128.load(i32.add(image.get, at.get)), v128.load(i32.add(mean.get, at.get)))));
  return [
    ...total.reset(),
    loop(x, i32.constant(0), count.get, 4, [
      at.set(i32.shiftLeft(x.get, 2)),
      change.set(f32x4.sub(f32x4.divide(edge(image2, mean2), edge(image1, mean1)), one)),
      change.set(v128.and(change.get, insideRow(x, count))),
      part.set(f32x4.max(zero, change.get)),
      ...total.add(0, part),
      part.set(f32x4.max(zero, f32x4.negate(change.get))),
      ...total.add(1, part),
    ]),
    ...total.flush(sums),
  ];
}

/** All bits set in the lanes that are pixels of the row. */
function insideRow(x: Local, count: Local): Code {
  return i32x4.lessThan(i32x4.add(i32x4.splat(x.get), i32x4.constant(0, 1, 2, 3)), i32x4.splat(count.get));
}

/** Sums of values and of their fourth powers: within a row in 32 bits, over the rows in 64. */
function createTotals(local: KernelBody['local'], kinds: number) {
  const totals = Array.from({ length: kinds * 2 }, () => local('v128'));
  const square = local('v128');
  return {
    reset: (): Code[] => totals.map(each => each.set(f32x4.constant(0))),
    add: (kind: number, value: Local): Code[] => {
      const [plain, quartic] = [totals[kind * 2]!, totals[kind * 2 + 1]!];
      return [
        plain.set(f32x4.add(plain.get, value.get)),
        square.set(f32x4.multiply(value.get, value.get)),
        quartic.set(f32x4.fusedMultiplyAdd(square.get, square.get, quartic.get)),
      ];
    },
    /** Two doubles each, whose sum is the total. */
    flush: (sums: Local): Code[] =>
      totals.map((each, index) => {
        const high = v128.shuffle(each.get, each.get, [2, 3, 2, 3]);
        const both = f64x2.add(f64x2.promote(each.get), f64x2.promote(high));
        return v128.store(sums.get, f64x2.add(v128.load(sums.get, index * 16), both), index * 16);
      }),
  };
}
