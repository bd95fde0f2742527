import { z } from 'zod';
import { checkSchema, idTime, type Report, statusSchema, worstStatus } from './report.ts';
import { compare, measuredIn, rounded, samplesOf, sortedKeys } from './samples.ts';

export const summarySchemaName = 'production-ops/summary/1';
/** What a reader loads first, often over a phone. */
export const mostSummaryBytes = 100_000;

const factSchema = z.union([z.string(), z.number(), z.boolean()]);

const latestSchema = z.strictObject({
  kind: z.string(),
  id: z.string().describe('Names the report, `<kind>/YYYY/MM/<id>.json`, and says when the run began'),
  status: statusSchema,
  finishedAt: z.iso.datetime(),
  runUrl: z.string().nullable(),
  error: z.string().nullable().describe('Code and message, when the work failed'),
  facts: z.record(z.string(), factSchema).describe('The plain values at the top of the report’s data'),
  checks: z.array(checkSchema).describe('The gravest first'),
  checksLeftOut: z.int().describe('How many more the report has'),
});

const historySchema = z.strictObject({
  series: z.array(z.string()).describe('What the values of a run are of, e.g. `drill.rto@shop`'),
  runs: z
    .array(z.tuple([z.string(), statusSchema, z.string().nullable(), z.array(z.number().nullable())]))
    .describe('Oldest first: id, status, verdict, and of each series the mean that the run measured'),
});

/** What a first screen needs, without reading another file. It holds nothing that is not derived from the reports. */
export const summarySchema = z.strictObject({
  schema: z.literal(summarySchemaName),
  platform: z.string(),
  status: statusSchema.describe('The gravest of the latest report of each kind'),
  updatedAt: z.iso.datetime().describe('When the newest report was finished; judge staleness by it'),
  openDay: z.iso.date().nullable().describe('The newest day with samples; rollups hold the days before it'),
  rollups: z
    .strictObject({ hourly: z.array(z.string()), daily: z.array(z.string()) })
    .describe('The newest files of `rollup/hourly/` and `rollup/daily/`: a reader may not be able to list a folder'),
  latest: z.array(latestSchema).describe('The latest report of each kind, by kind'),
  history: z.record(z.string(), historySchema).describe('The latest runs, by kind'),
});
export type Summary = z.infer<typeof summarySchema>;
type History = z.infer<typeof historySchema>;

/** Of each resolution; three years and more. */
const mostRollups = 120;
/** A day of an hourly run, half a year of a weekly one. All of it is sent with each report. */
const mostRuns = 24;
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
    openDay: null,
    rollups: { hourly: [], daily: [] },
    latest: [],
    history: {},
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

/** A field a line and a run a line, so that two versions differ in few lines and git stores little. */
export function formatSummary({ latest, history, ...head }: Summary): string {
  const kinds = Object.entries(history).map(([kind, { series, runs }]) => {
    const lines = runs.map(run => JSON.stringify(run)).join(',\n');
    return `${JSON.stringify(kind)}:{"series":${JSON.stringify(series)},"runs":[\n${lines}\n]}`;
  });
  const lines = [
    ...Object.entries(head).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`),
    `"latest":[\n${latest.map(entry => JSON.stringify(entry)).join(',\n')}\n]`,
    `"history":{\n${kinds.join(',\n')}\n}`,
  ];
  return padded(`{\n${lines.join(',\n')}\n}`);
}

/** @param written paths that are there now; those of rollups, `rollup/hourly/2026-11.json`, are named in the summary */
export function withRollups(summary: Summary, written: Iterable<string>): Summary {
  const paths = [...written];
  const of = (resolution: keyof Summary['rollups']) => {
    const folder = `rollup/${resolution}/`;
    const added = paths.filter(path => path.startsWith(folder)).map(path => path.slice(folder.length));
    return [...new Set([...summary.rollups[resolution], ...added])].sort(compareFiles).slice(-mostRollups);
  };
  return { ...summary, rollups: { hourly: of('hourly'), daily: of('daily') } };
}

/** By the time they begin: `2026-11.json` before `2026-11-16.json`. */
function compareFiles(a: string, b: string): number {
  return compare(a.replace('.json', ''), b.replace('.json', ''));
}

/**
 * Filled up with spaces to a multiple of 2 KiB: git looks for a version to store the difference to among those of like
 * size, so that of one size the neighbours in time are found. An eighth less to store.
 */
function padded(text: string): string {
  const rest = (Buffer.byteLength(text) + 1) % paddingBytes;
  return `${text}${' '.repeat(rest === 0 ? 0 : paddingBytes - rest)}\n`;
}

const paddingBytes = 2048;

/** The summary with one more report in it. In whatever order reports come, and however often, the result is the same. */
export function withReport(summary: Summary, report: Report, openDay: string | null): Summary {
  const { kind, id } = report;
  const known = summary.latest.find(entry => entry.kind === kind);
  const others = summary.latest.filter(entry => entry.kind !== kind);
  const latest = [...others, known && known.id > id ? known : entryOf(report)].sort((a, b) => compare(a.kind, b.kind));
  const newest = latest.reduce((a, b) => (a.finishedAt > b.finishedAt ? a : b));
  return capped({
    ...summary,
    platform: newest.id === id ? report.platform : summary.platform,
    status: worstStatus(latest.map(entry => entry.status)),
    updatedAt: newest.finishedAt,
    openDay,
    latest,
    history: sortedKeys({ ...summary.history, [kind]: withRun(summary.history[kind], report) }),
  });
}

/**
 * What the latest runs of a kind measured of one series, oldest first: seconds since 1970 and value.
 * @param series as `seriesOf` names it
 * @param before the id of a run: it and later ones are left out
 */
export function recentValues(summary: Summary, kind: string, series: string, before: string): [number, number][] {
  const history = summary.history[kind];
  const at = history?.series.indexOf(series) ?? -1;
  if (!history || at < 0) return [];
  return history.runs.flatMap(([id, , , values]) => {
    const value = values[at] ?? null;
    return value === null || id >= before
      ? []
      : [[Math.floor(idTime(id).getTime() / 1000), value] satisfies [number, number]];
  });
}

function entryOf(report: Report): Summary['latest'][number] {
  const gravity = (status: string) => ['critical', 'unknown', 'warning', 'ok'].indexOf(status);
  const checks = [...report.checks].sort((a, b) => gravity(a.status) - gravity(b.status));
  return {
    kind: report.kind,
    id: report.id,
    status: report.status,
    finishedAt: report.finishedAt,
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

function withRun(history: History | undefined, report: Report): History {
  const measured = Map.groupBy(measuredIn(samplesOf(report).values()), ({ series }) => series);
  const means = new Map([...measured].map(([series, of]) => [series, meanOf(of.map(({ value }) => value))]));
  const runs = (history?.runs ?? []).filter(([id]) => id !== report.id);
  const valuesOf = new Map(
    runs.map(([id, , , values]) => [id, new Map(values.map((value, at) => [history?.series[at], value]))]),
  );
  valuesOf.set(report.id, means);

  const kept = [...runs, [report.id, report.status, verdictOf(report), []] satisfies History['runs'][number]]
    .sort(([a], [b]) => compare(a, b))
    .slice(-mostRuns);
  const all = new Set(
    kept.flatMap(([id]) =>
      [...(valuesOf.get(id) ?? [])].flatMap(([name, value]) => (name === undefined || value === null ? [] : [name])),
    ),
  );
  const series = [...all].sort(compare);
  return {
    series,
    runs: kept.map(([id, status, verdict]) => [
      id,
      status,
      verdict,
      series.map(name => valuesOf.get(id)?.get(name) ?? null),
    ]),
  };
}

function verdictOf({ data }: Report): string | null {
  const verdict = (data as { verdict?: unknown } | null | undefined)?.verdict;
  return typeof verdict === 'string' ? cut(verdict) : null;
}

function meanOf(values: readonly number[]): number {
  return rounded(values.reduce((sum, value) => sum + value, 0) / values.length);
}

/** Under the cap whatever was measured: fewer runs, then no values, then fewer checks. */
function capped(summary: Summary): Summary {
  let fitted = summary;
  const isTooLarge = () => Buffer.byteLength(formatSummary(fitted)) > mostSummaryBytes;
  const eachHistory = (change: (history: History) => History) => {
    const history = Object.entries(fitted.history).map(([kind, of]) => [kind, change(of)]);
    fitted = { ...fitted, history: Object.fromEntries(history) };
  };
  for (const most of [16, 8]) {
    if (isTooLarge()) eachHistory(({ series, runs }) => ({ series, runs: runs.slice(-most) }));
  }
  if (isTooLarge())
    eachHistory(({ runs }) => ({ series: [], runs: runs.map(([id, status, verdict]) => [id, status, verdict, []]) }));
  for (const most of [10, 5, 2, 0]) {
    if (!isTooLarge()) break;
    const latest = fitted.latest.map(({ facts, checks, checksLeftOut, ...entry }) => ({
      ...entry,
      facts: most > 5 ? facts : {},
      checks: checks.slice(0, most),
      checksLeftOut: checksLeftOut + Math.max(0, checks.length - most),
    }));
    fitted = { ...fitted, latest };
  }
  return fitted;
}

function cut(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}
