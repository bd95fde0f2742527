import { z } from 'zod';
import { checkSchema, type Report, statusSchema, worstStatus } from './report.ts';
import { compare, type SampleLine, significant, sortedKeys } from './samples.ts';

export const summarySchemaName = 'production-ops/summary/1';
/** What a reader loads first, often over a phone. */
export const mostSummaryBytes = 100 * 1024;

const factSchema = z.union([z.string(), z.number(), z.boolean()]);

const latestSchema = z.strictObject({
  kind: z.string(),
  id: z.string(),
  status: statusSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  /** Relative to the reports folder. */
  path: z.string(),
  runUrl: z.string().nullable(),
  error: z.string().nullable().describe('Code and message, when the work failed'),
  facts: z.record(z.string(), factSchema).describe('The plain values at the top of the report’s data'),
  checks: z.array(checkSchema).describe('The gravest first'),
  checksLeftOut: z.int().describe('How many more the report has'),
});

const pastSchema = z.strictObject({ id: z.string(), status: statusSchema, verdict: z.string().optional() });

/** What a first screen needs, without reading another file. It holds nothing that is not derived from the reports. */
export const summarySchema = z.strictObject({
  schema: z.literal(summarySchemaName),
  platform: z.string(),
  status: statusSchema.describe('The gravest of the latest report of each kind'),
  updatedAt: z.iso.datetime().describe('When the newest report was finished; judge staleness by it'),
  latest: z.array(latestSchema).describe('The latest report of each kind, by kind'),
  history: z.record(z.string(), z.array(pastSchema)).describe('By kind, the latest results, oldest first'),
  series: z
    .record(z.string(), z.array(z.tuple([z.int(), z.number()])))
    .describe('By series, recent means of an hour, oldest first: seconds since 1970 of its start, and the value'),
  openDay: z.iso.date().nullable().describe('The newest day with samples; rollups hold the days before it'),
});
export type Summary = z.infer<typeof summarySchema>;

const mostPast = 60;
const mostPoints = 48;
const mostFacts = 16;
const mostChecks = 20;
const longestText = 300;

/** A summary of nothing yet; undefined fields come with the first report. */
export function emptySummary(platform: string): Summary {
  return {
    schema: summarySchemaName,
    platform,
    status: 'ok',
    updatedAt: new Date(0).toISOString(),
    latest: [],
    history: {},
    series: {},
    openDay: null,
  };
}

/** @returns undefined for a text that is not a summary: it is derived, so it is made anew rather than repaired */
export function parseSummary(text: string): Summary | undefined {
  try {
    return summarySchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** One field a line, so that two versions differ in few lines and git stores little. */
export function formatSummary({ latest, history, series, ...head }: Summary): string {
  const lines = [
    ...Object.entries(head).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`),
    `"latest":[\n${latest.map(entry => JSON.stringify(entry)).join(',\n')}\n]`,
    `"history":{\n${entryLines(history)}\n}`,
    `"series":{\n${entryLines(series)}\n}`,
  ];
  return `{\n${lines.join(',\n')}\n}\n`;
}

/**
 * The summary with one more report in it. In whatever order reports come, and however often, the result is the same.
 *
 * @param path of the report, relative to the reports folder
 * @param days every sample of the days that the report touched
 */
export function withReport(
  summary: Summary,
  report: Report,
  path: string,
  { days, openDay }: { days: ReadonlyMap<string, readonly SampleLine[]>; openDay: string | null },
): Summary {
  const { kind, id } = report;
  const known = summary.latest.find(entry => entry.kind === kind);
  const others = summary.latest.filter(entry => entry.kind !== kind);
  const latest = [...others, known && known.id > id ? known : entryOf(report, path)].sort((a, b) =>
    compare(a.kind, b.kind),
  );
  const past = (summary.history[kind] ?? []).filter(entry => entry.id !== id);
  const history = [...past, pastOf(report)].sort((a, b) => compare(a.id, b.id)).slice(-mostPast);
  const newest = latest.reduce((a, b) => (a.finishedAt > b.finishedAt ? a : b));
  return capped({
    ...summary,
    platform: newest.id === id ? report.platform : summary.platform,
    status: worstStatus(latest.map(entry => entry.status)),
    updatedAt: newest.finishedAt,
    latest,
    history: sortedKeys({ ...summary.history, [kind]: history }),
    series: withPoints(summary.series, days),
    openDay,
  });
}

function entryLines(record: Record<string, unknown>): string {
  return Object.entries(record)
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
    .join(',\n');
}

function entryOf(report: Report, path: string): Summary['latest'][number] {
  const gravity = (status: string) => ['critical', 'unknown', 'warning', 'ok'].indexOf(status);
  const checks = [...report.checks].sort((a, b) => gravity(a.status) - gravity(b.status));
  return {
    kind: report.kind,
    id: report.id,
    status: report.status,
    startedAt: report.startedAt,
    finishedAt: report.finishedAt,
    path,
    runUrl: report.run?.url ?? null,
    error: report.error ? cut(`${report.error.code}: ${report.error.message}`) : null,
    facts: factsOf(report.data),
    checks: checks.slice(0, mostChecks).map(check => ({ ...check, message: cut(check.message) })),
    checksLeftOut: Math.max(0, checks.length - mostChecks),
  };
}

/** Numbers, flags and short words at the top of the data: `verdict`, `rtoSeconds`, `storedBytes`. */
function factsOf(data: unknown): Record<string, z.infer<typeof factSchema>> {
  if (typeof data !== 'object' || data === null) return {};
  const facts = Object.entries(data).filter(
    (entry): entry is [string, z.infer<typeof factSchema>] =>
      ['number', 'boolean'].includes(typeof entry[1]) || (typeof entry[1] === 'string' && entry[1].length <= 100),
  );
  return Object.fromEntries(facts.slice(0, mostFacts));
}

function pastOf({ id, status, data }: Report): z.infer<typeof pastSchema> {
  const verdict = (data as { verdict?: unknown } | null | undefined)?.verdict;
  return { id, status, ...(typeof verdict === 'string' && { verdict: cut(verdict) }) };
}

/** The hours of the days that are given are made anew; the others stay. */
function withPoints(series: Summary['series'], days: ReadonlyMap<string, readonly SampleLine[]>): Summary['series'] {
  const points = new Map(Object.entries(series).map(([name, list]) => [name, new Map(list)]));
  for (const lines of days.values()) {
    for (const [hour, of] of Map.groupBy(lines, line => line.at.slice(0, 13))) {
      const start = Date.parse(`${hour}:00:00Z`) / 1000;
      const values = new Map<string, number[]>();
      for (const line of of) {
        for (const [name, value] of Object.entries(line.values)) values.set(name, [...(values.get(name) ?? []), value]);
      }
      for (const [name, list] of values) {
        const mean = significant(list.reduce((sum, value) => sum + value, 0) / list.length, 4);
        points.set(name, (points.get(name) ?? new Map()).set(start, mean));
      }
    }
  }
  const newest = [...points].map(([name, of]): [string, [number, number][]] => [
    name,
    [...of].sort(([a], [b]) => a - b).slice(-mostPoints),
  ]);
  return sortedKeys(Object.fromEntries(newest));
}

/** Under the cap whatever was measured: shorter lines first, then fewer of them, those that stopped long ago first. */
function capped(summary: Summary): Summary {
  let fitted = summary;
  const isTooLarge = () => Buffer.byteLength(formatSummary(fitted)) > mostSummaryBytes;
  for (let points = mostPoints / 2; isTooLarge() && points >= 6; points /= 2) {
    const series = Object.entries(fitted.series).map(([name, list]) => [name, list.slice(-Math.floor(points))]);
    fitted = { ...fitted, series: Object.fromEntries(series) };
  }
  for (let past = mostPast / 2; isTooLarge() && past >= 7; past /= 2) {
    const history = Object.entries(fitted.history).map(([kind, list]) => [kind, list.slice(-Math.floor(past))]);
    fitted = { ...fitted, history: Object.fromEntries(history) };
  }
  while (isTooLarge() && Object.keys(fitted.series).length > 0) {
    const byAge = Object.entries(fitted.series).sort(
      ([a, one], [b, other]) => (one.at(-1)?.[0] ?? 0) - (other.at(-1)?.[0] ?? 0) || compare(b, a),
    );
    const kept = byAge.slice(Math.max(1, Math.floor(byAge.length / 4)));
    fitted = { ...fitted, series: sortedKeys(Object.fromEntries(kept)) };
  }
  for (let checks = mostChecks / 2; isTooLarge() && checks >= 1; checks /= 2) {
    const most = Math.floor(checks);
    const latest = fitted.latest.map(entry => ({
      ...entry,
      facts: most > 2 ? entry.facts : {},
      checks: entry.checks.slice(0, most),
      checksLeftOut: entry.checksLeftOut + Math.max(0, entry.checks.length - most),
    }));
    fitted = { ...fitted, latest };
  }
  return fitted;
}

function cut(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}
