import { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import type { Report } from './report.ts';

/**
 * One line of `metrics/YYYY/MM/DD.ndjson`: what one report measured on that day. Everything that is counted or charted is
 * derived from these lines, and since each names its report, adding a report twice is adding it once. Values stand in
 * columns: the name of a series costs more than what was measured.
 */
export interface SampleLine {
  report: string;
  at: string;
  /** When each column was measured, in seconds after `at`. */
  after: number[];
  /** By series, a value for each column; null where it was not measured. */
  values: Record<string, (number | null)[]>;
}

/** One value of one series. */
export interface Measured {
  at: Date;
  series: string;
  value: number;
}

/** Every value of some lines, in no particular order. */
export function* measuredIn(lines: Iterable<SampleLine>): Generator<Measured> {
  for (const { at, after, values } of lines) {
    const start = Date.parse(at);
    const times = after.map(seconds => new Date(start + seconds * 1000));
    for (const [series, column] of Object.entries(values)) {
      for (const [index, value] of column.entries()) {
        const time = times[index];
        if (value !== null && time) yield { at: time, series, value };
      }
    }
  }
}

/** A series is a metric, or a metric on a target: `drill.rto`, `monitor.http.totalSeconds@home`. */
export function seriesOf(metric: string, target: string | undefined): string {
  return target === undefined ? metric : `${metric}@${target}`;
}

export function splitSeries(series: string): { metric: string; target: string | undefined } {
  const at = series.indexOf('@');
  return at < 0 ? { metric: series, target: undefined } : { metric: series.slice(0, at), target: series.slice(at + 1) };
}

/**
 * The line that a report adds to each day (`2026-11-23`, UTC): its samples, and each check that has a number, at the time
 * the report was finished.
 *
 * @throws OpsError `REPORT_INVALID` for a sample from long before the run, or after it
 */
export function samplesOf(report: Report): Map<string, SampleLine> {
  const byTime = new Map<string, Map<string, number>>();
  const put = (at: string, series: string, value: number) => {
    const time = secondOf(at);
    byTime.set(time, (byTime.get(time) ?? new Map()).set(series, rounded(value)));
  };
  const finishedAt = Date.parse(report.finishedAt);
  for (const { at, target, values } of report.samples ?? []) {
    const age = finishedAt - Date.parse(at);
    if (age > oldestSampleMs || age < -newestSampleMs) {
      throw new OpsError(
        'REPORT_INVALID',
        `${report.kind} has a sample of ${at}, and finished at ${report.finishedAt}`,
        {
          hint: 'Samples may be up to 35 days old. Check the clock of the machine that measured.',
        },
      );
    }
    for (const [metric, value] of Object.entries(values)) put(at, seriesOf(metric, target), value);
  }
  for (const { id, target, value } of report.checks) {
    if (value !== null) put(report.finishedAt, seriesOf(id, target), value);
  }
  const times = [...byTime.keys()].sort(compare);
  const days = Map.groupBy(times, time => time.slice(0, 10));
  return new Map([...days].map(([day, of]) => [day, lineOf(report.id, of, byTime)]));
}

function lineOf(
  report: string,
  times: readonly string[],
  byTime: ReadonlyMap<string, ReadonlyMap<string, number>>,
): SampleLine {
  const columns = times.map(time => byTime.get(time) ?? new Map<string, number>());
  const series = [...new Set(columns.flatMap(column => [...column.keys()]))].sort(compare);
  const at = times[0] ?? '';
  return {
    report,
    at,
    after: times.map(time => (Date.parse(time) - Date.parse(at)) / 1000),
    values: Object.fromEntries(series.map(name => [name, columns.map(column => column.get(name) ?? null)])),
  };
}

// Older ones would touch files without number; a clock that is a little ahead is nothing to lose a report for.
const oldestSampleMs = 35 * 86_400_000;
const newestSampleMs = 3_600_000;

/** `2026-11-23` → `metrics/2026/11/23.ndjson` */
export function samplesPath(day: string): string {
  return `metrics/${day.replaceAll('-', '/')}.ndjson`;
}

/** The lines of a day with that of one report put in, or put in anew. The order does not depend on who came first. */
export function mergeSamples(existing: readonly SampleLine[], added: SampleLine): SampleLine[] {
  const kept = existing.filter(line => line.report !== added.report);
  return [...kept, added].sort((a, b) => compare(a.at, b.at) || compare(a.report, b.report));
}

export function formatSamples(lines: readonly SampleLine[]): string {
  return lines.map(line => `${JSON.stringify(line)}\n`).join('');
}

/** @throws OpsError `REPORT_STORE` when a line is not one of ours, e.g. after a wrong merge */
export function parseSamples(text: string, path: string): SampleLine[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map((line, index) => {
      try {
        return lineSchema.parse(JSON.parse(line));
      } catch (cause) {
        throw new OpsError('REPORT_STORE', `Line ${index + 1} of ${path} is damaged`, {
          hint: `Restore the file with git (git log -- ${path}), or remove that line.`,
          cause,
        });
      }
    });
}

const lineSchema = z.strictObject({
  report: z.string(),
  at: z.iso.datetime(),
  after: z.array(z.int()),
  values: z.record(z.string(), z.array(z.number().nullable())),
});

/**
 * Whole numbers as they are, others to three digits, and a ratio near one to three digits of what it lacks: 0.99873 is
 * another story than 0.999. A trend needs no more, and noise does not compress.
 */
export function rounded(value: number): number {
  if (Number.isInteger(value)) return value;
  const lacking = 1 - value;
  if (lacking <= 0 || lacking > 0.1) return Number(value.toPrecision(3));
  return Number(value.toFixed(2 - Math.floor(Math.log10(lacking))));
}

function secondOf(at: string): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

export function sortedKeys<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => compare(a, b)));
}

/** By code unit: the same on every machine. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
