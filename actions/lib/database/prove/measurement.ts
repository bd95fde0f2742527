import type { CopySession, Ran, Run } from './copy-session.ts';
import type { IndexRef, ProvableStatement } from './provable.ts';

/** What a statement cost in one state of the database: the mean over its samples of the median of the repeats. */
export interface Measurement {
  ms: number;
  buffers: number;
  readBuffers: number;
  tempBlocks: number;
  /** Of the watched indexes those that any run read, by `refKey`. */
  used: ReadonlySet<string>;
  /** Set: it did not come to its end within this limit, and `ms` is the limit. The rest is not known. */
  limitMs: number | undefined;
  fastestMs: number;
  slowestMs: number;
  isWrite: boolean;
}

export type Pair =
  | { kind: 'measured'; first: Measurement; second: Measurement; samples: number }
  | { kind: 'unproved'; why: string };

/** Repeats of a statement together take about this long in each state: short ones are repeated, long ones hardly. */
const worthMs = 300;
const mostRepeats = 7;
/** So long that what the first run of it had to read from disk is not what it takes. */
const longMs = 5_000;

/**
 * Runs a statement without the indexes of `first`, and without those of `second`, in turn, with every sample of its
 * values: both states see the same noise. The first run of each warms the cache and does not count.
 */
export async function measurePair(
  session: CopySession,
  statement: Pick<ProvableStatement, 'statement' | 'samples'>,
  first: readonly IndexRef[],
  second: readonly IndexRef[],
): Promise<Pair> {
  const states = [first, second] as const;
  const kept: [SampleRuns[], SampleRuns[]] = [[], []];
  for (const values of statement.samples) {
    const warm = [
      await session.run(statement.statement, values, first),
      await session.run(statement.statement, values, second),
    ] as const;
    const refused = warm.find(each => each.kind === 'refused');
    if (refused) return { kind: 'unproved', why: refused.why };
    if (warm.every(each => each.kind === 'timed out')) return { kind: 'unproved', why: timeLimit(warm[0]) };
    const runs: [Ran[], Ran[]] = [[], []];
    const repeats = repeatsOf(warm);
    for (let repeat = 0; repeat < repeats; repeat++) {
      // Whoever runs second finds what the first has left in memory: by turns.
      for (const side of repeat % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        if (warm[side].kind === 'timed out') continue;
        runs[side].push(await session.run(statement.statement, values, states[side]));
      }
    }
    for (const side of [0, 1] as const) {
      const all = runs[side].length > 0 ? runs[side] : [warm[side]];
      const late = all.find(each => each.kind === 'timed out');
      const finished = all.flatMap(each => (each.kind === 'ran' ? [each.run] : []));
      if (all.some(each => each.kind === 'refused'))
        return { kind: 'unproved', why: 'it was refused at one of its runs' };
      kept[side].push(late ? { limitMs: late.limitMs } : { runs: finished });
    }
    if (statement.samples.length > 1 && warm.some(each => each.kind === 'timed out')) break;
  }
  if (kept[0].length === 0) return { kind: 'unproved', why: 'values for its parameters are not known' };
  const [before, after] = [aggregate(kept[0]), aggregate(kept[1])];
  if (before.limitMs !== undefined && after.limitMs !== undefined)
    return { kind: 'unproved', why: `it takes longer than ${before.limitMs / 1000} s in both states` };
  return { kind: 'measured', first: before, second: after, samples: kept[0].length };
}

export function timeLimit(ran: Ran): string {
  return `it did not end within the time limit of ${ran.kind === 'timed out' ? ran.limitMs / 1000 : '?'} s`;
}

function repeatsOf(warm: readonly Ran[]): number {
  const times = warm.map(each => (each.kind === 'ran' ? each.run.ms : each.kind === 'timed out' ? each.limitMs : 0));
  const [short, long] = [Math.min(...times), Math.max(...times)];
  // Nobody doubts what is twice as fast after seconds.
  if (long > longMs && short < long / 2) return warm.some(each => each.kind === 'timed out') ? 1 : 0;
  return Math.max(1, Math.min(mostRepeats, Math.floor(worthMs / Math.max(long, 0.001))));
}

type SampleRuns = { limitMs: number } | { runs: readonly Run[] };

function aggregate(samples: readonly SampleRuns[]): Measurement {
  const late = samples.find(each => 'limitMs' in each);
  const ran = samples.flatMap(each => ('runs' in each ? [each.runs] : []));
  const all = ran.flat();
  const meanOf = (value: (run: Run) => number) => mean(ran.map(runs => median(runs.map(value))));
  return {
    ms: late ? late.limitMs : meanOf(run => run.ms),
    buffers: meanOf(run => run.buffers),
    readBuffers: meanOf(run => run.readBuffers),
    tempBlocks: meanOf(run => run.tempBlocks),
    used: new Set(all.flatMap(run => [...run.used])),
    limitMs: late?.limitMs,
    // Of each sample the extreme, since samples differ by what they find and not by noise.
    fastestMs: mean(ran.map(runs => Math.min(...runs.map(run => run.ms)))),
    slowestMs: mean(ran.map(runs => Math.max(...runs.map(run => run.ms)))),
    isWrite: all.some(run => run.isWrite),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
