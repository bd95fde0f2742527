import { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import {
  formatHistogram,
  type Histogram,
  histogramOf,
  mergeHistograms,
  parseHistogram,
  quantileOf,
  relativeError,
} from './histogram.ts';
import { compare, type Measured, measuredIn, rounded, type SampleLine, sortedKeys } from './samples.ts';

/**
 * What is known of one series in one hour or day. Cells merge into longer spans without loss of meaning: a percentile of
 * a month comes from the merged histogram, never from an average of percentiles.
 */
export interface Cell {
  count: number;
  sum: number;
  min: number;
  max: number;
  histogram: Histogram;
}

/** @throws RangeError of nothing */
export function cellOf(values: readonly number[]): Cell {
  if (values.length === 0) throw new RangeError('a cell of no values');
  return {
    count: values.length,
    sum: values.reduce((sum, value) => sum + value, 0),
    min: values.reduce((a, b) => Math.min(a, b)),
    max: values.reduce((a, b) => Math.max(a, b)),
    histogram: histogramOf(values),
  };
}

export function mergeCells(one: Cell, other: Cell): Cell {
  return {
    count: one.count + other.count,
    sum: one.sum + other.sum,
    min: Math.min(one.min, other.min),
    max: Math.max(one.max, other.max),
    histogram: mergeHistograms(one.histogram, other.histogram),
  };
}

/** Within 2 % of the true value, and never outside what was measured. */
export function cellQuantile({ histogram, min, max }: Cell, quantile: number): number {
  return Math.min(max, Math.max(min, quantileOf(histogram, quantile)));
}

export type Resolution = 'hourly' | 'daily';

/** As it stands in the file: count, sum, min, max, histogram. */
export type WrittenCell = z.infer<typeof cellSchema>;
/** Of one day. Hourly: by series, then by hour (`"00"` to `"23"`, UTC). Daily: by series. */
export type HourlyDay = Record<string, Record<string, WrittenCell>>;
export type DailyDay = Record<string, WrittenCell>;

export interface Rollup {
  resolution: Resolution;
  /** By day, `2026-11-23`. */
  days: Record<string, HourlyDay | DailyDay>;
}

export const rollupSchemaName = 'production-ops/rollup/1';

const cellSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.string()]);
const seriesCells = z.record(z.string(), cellSchema);
const fields = { schema: z.literal(rollupSchemaName), relativeError: z.literal(relativeError) };
const rollupSchema = z.discriminatedUnion('resolution', [
  z.strictObject({ ...fields, resolution: z.literal('daily'), days: z.record(z.string(), seriesCells) }),
  z.strictObject({
    ...fields,
    resolution: z.literal('hourly'),
    days: z.record(z.string(), z.record(z.string(), seriesCells)),
  }),
]);

/** A day's cells, from its samples alone. */
export function hourlyDay(lines: readonly SampleLine[]): HourlyDay {
  const byHour = Map.groupBy(measuredIn(lines), ({ at }) => at.toISOString().slice(11, 13));
  const day: Record<string, Record<string, WrittenCell>> = {};
  for (const [hour, of] of [...byHour].sort(([a], [b]) => compare(a, b))) {
    for (const [series, cell] of Object.entries(cellsOf(of))) {
      day[series] ??= {};
      day[series][hour] = cell;
    }
  }
  return sortedKeys(day);
}

export function dailyDay(lines: readonly SampleLine[]): DailyDay {
  return cellsOf([...measuredIn(lines)]);
}

function cellsOf(measured: readonly Measured[]): DailyDay {
  const bySeries = Map.groupBy(measured, ({ series }) => series);
  const cells = [...bySeries].map(([series, of]) => [series, writeCell(cellOf(of.map(({ value }) => value)))]);
  return sortedKeys(Object.fromEntries(cells));
}

export function writeCell({ count, sum, min, max, histogram }: Cell): WrittenCell {
  return [count, rounded(sum), min, max, formatHistogram(histogram)];
}

export function readCell([count, sum, min, max, histogram]: WrittenCell): Cell {
  return { count, sum, min, max, histogram: parseHistogram(histogram) };
}

/** A day after the other, a series a line: what a new day adds to the file is added at its end. */
export function formatRollup({ resolution, days }: Rollup): string {
  const head = JSON.stringify({ schema: rollupSchemaName, resolution, relativeError }).slice(0, -1);
  const written = Object.entries(sortedKeys(days)).map(([day, series]) => {
    const lines = Object.entries(series).map(([name, cells]) => `${JSON.stringify(name)}:${JSON.stringify(cells)}`);
    return `${JSON.stringify(day)}:{\n${lines.join(',\n')}\n}`;
  });
  return `${head},"days":{\n${written.join(',\n')}\n}}\n`;
}

/** @throws OpsError `REPORT_STORE` when the file is not one of ours, e.g. after a wrong merge */
export function parseRollup(text: string, path: string): Rollup {
  try {
    const { resolution, days } = rollupSchema.parse(JSON.parse(text));
    return { resolution, days };
  } catch (cause) {
    throw new OpsError('REPORT_STORE', `${path} is damaged`, {
      hint: `Restore the file with git: git log -- ${path}`,
      cause,
    });
  }
}

/**
 * Which file of its folder keeps a day: a file for each month (hourly) or year (daily). When it
 * is full the span goes on in a file that is named by its first day, `2026-11-16.json`. The summary names them all.
 *
 * @param names of the files that are there
 */
export function rollupFile(resolution: Resolution, day: string, names: readonly string[]): string {
  const span = day.slice(0, resolution === 'hourly' ? 7 : 4);
  const starts = names
    .filter(name => name.startsWith(span) && /^\d{4}-\d\d-\d\d\.json$/.test(name) && name.slice(0, 10) <= day)
    .sort(compare);
  return starts.at(-1) ?? `${span}.json`;
}

/**
 * Each day is written by sending its whole file again: this bounds what a day costs, in whatever year. And it is far enough
 * below the limit of a file that a late report for an earlier day still finds room.
 */
const fullBytes = 128 * 1024;

/**
 * Puts days into the files of one resolution; gives back each changed file by its name.
 *
 * @param read of a file that is there
 */
export async function withDays(
  resolution: Resolution,
  days: Readonly<Record<string, HourlyDay | DailyDay>>,
  names: readonly string[],
  read: (name: string) => Promise<Rollup>,
): Promise<Map<string, string>> {
  const known = [...names];
  const rollups = new Map<string, Rollup>();
  const written = new Map<string, string>();
  for (const [day, cells] of Object.entries(sortedKeys({ ...days }))) {
    const name = rollupFile(resolution, day, known);
    const rollup = rollups.get(name) ?? (known.includes(name) ? await read(name) : { resolution, days: {} });
    const next = { resolution, days: { ...rollup.days, [day]: cells } };
    const text = formatRollup(next);
    const isNewest = Object.keys(rollup.days).every(other => other < day);
    const isSplit = Buffer.byteLength(text) > fullBytes && isNewest && Object.keys(rollup.days).length > 0;
    const file = isSplit ? `${day}.json` : name;
    const kept = isSplit ? { resolution, days: { [day]: cells } } : next;
    rollups.set(file, kept);
    written.set(file, isSplit ? formatRollup(kept) : text);
    if (!known.includes(file)) known.push(file);
  }
  return written;
}
