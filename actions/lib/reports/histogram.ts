/**
 * A histogram that can be merged: DDSketch with logarithmic buckets (Masson, Rim and Lee, VLDB 2019). A quantile of it
 * is within `relativeError` of the true one, whatever was merged into it and in which order.
 */
export interface Histogram {
  zeros: number;
  /** Bucket → count. Bucket i holds values in (base^(i-1), base^i]. */
  positive: Map<number, number>;
  /** The same, of the values without their sign. */
  negative: Map<number, number>;
}

/** Together with the rounding of samples to three digits, which is 0.5 % at the most, still within 2 %. */
export const relativeError = 0.0149;
const base = (1 + relativeError) / (1 - relativeError);
const logBase = Math.log(base);
/** Nearer to zero than anything that is measured. */
const smallest = 1e-12;

export function histogramOf(values: Iterable<number>): Histogram {
  const histogram: Histogram = { zeros: 0, positive: new Map(), negative: new Map() };
  for (const value of values) {
    const size = Math.abs(value);
    if (size < smallest) histogram.zeros++;
    else add(value > 0 ? histogram.positive : histogram.negative, Math.ceil(Math.log(size) / logBase), 1);
  }
  return histogram;
}

export function mergeHistograms(one: Histogram, other: Histogram): Histogram {
  return {
    zeros: one.zeros + other.zeros,
    positive: mergeBuckets(one.positive, other.positive),
    negative: mergeBuckets(one.negative, other.negative),
  };
}

/** The value at `quantile` (0 to 1; nearest rank, rounded down) within `relativeError`; NaN of nothing. */
export function quantileOf({ zeros, positive, negative }: Histogram, quantile: number): number {
  const ascending: [value: number, count: number][] = [
    ...sorted(negative)
      .reverse()
      .map(([bucket, count]): [number, number] => [-middleOf(bucket), count]),
    [0, zeros],
    ...sorted(positive).map(([bucket, count]): [number, number] => [middleOf(bucket), count]),
  ];
  const total = ascending.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return Number.NaN;
  let left = Math.floor(Math.min(1, Math.max(0, quantile)) * (total - 1));
  for (const [value, count] of ascending) {
    if (left < count) return value;
    left -= count;
  }
  return Number.NaN;
}

/**
 * `z2 p-12:1,,3 n4:1`: two zeros; positive buckets -12, -11 and -10 with 1, 0 and 3; one value in negative bucket 4. Runs
 * of neighbours, since what is measured lies close together.
 */
export function formatHistogram({ zeros, positive, negative }: Histogram): string {
  return [...(zeros > 0 ? [`z${zeros}`] : []), ...runs('p', positive), ...runs('n', negative)].join(' ');
}

/** @throws Error for a text that `formatHistogram` did not write */
export function parseHistogram(text: string): Histogram {
  const histogram: Histogram = { zeros: 0, positive: new Map(), negative: new Map() };
  for (const word of text.split(' ').filter(Boolean)) {
    const run = /^([pn])(-?\d+):([\d,]+)$/.exec(word);
    const zeros = /^z(\d+)$/.exec(word)?.[1];
    if (zeros !== undefined) histogram.zeros = Number(zeros);
    else if (run) {
      const buckets = run[1] === 'p' ? histogram.positive : histogram.negative;
      const counts = run[3]!.split(',').map(Number);
      for (const [offset, count] of counts.entries()) if (count > 0) add(buckets, Number(run[2]) + offset, count);
    } else throw new Error(`'${word}' is not part of a histogram`);
  }
  return histogram;
}

/** The point of a bucket whose relative distance to both ends is the same. */
function middleOf(bucket: number): number {
  return (2 * base ** bucket) / (base + 1);
}

function mergeBuckets(one: Map<number, number>, other: Map<number, number>): Map<number, number> {
  const merged = new Map(one);
  for (const [bucket, count] of other) add(merged, bucket, count);
  return merged;
}

function add(buckets: Map<number, number>, bucket: number, count: number): void {
  buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
}

function sorted(buckets: Map<number, number>): [number, number][] {
  return [...buckets].sort(([a], [b]) => a - b);
}

/** A gap of up to this many buckets is shorter as empty fields than as the start of a new run. */
const widestGap = 4;

function runs(letter: string, buckets: Map<number, number>): string[] {
  const found: { start: number; counts: (number | '')[] }[] = [];
  for (const [bucket, count] of sorted(buckets)) {
    const last = found.at(-1);
    const gap = last ? bucket - (last.start + last.counts.length) : 0;
    if (last && gap <= widestGap) last.counts.push(...Array<''>(gap).fill(''), count);
    else found.push({ start: bucket, counts: [count] });
  }
  return found.map(({ start, counts }) => `${letter}${start}:${counts.join(',')}`);
}
