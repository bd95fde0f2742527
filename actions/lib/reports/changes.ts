import { dirname } from 'node:path/posix';
import { OpsError } from '../errors/index.ts';
import { type Report, reportSchema } from './report.ts';
import {
  type DailyDay,
  dailyDay,
  type HourlyDay,
  hourlyDay,
  parseRollup,
  type Resolution,
  withDays,
} from './rollup.ts';
import {
  compare,
  formatSamples,
  mergeSamples,
  parseSamples,
  type SampleLine,
  samplesOf,
  samplesPath,
} from './samples.ts';
import { guardSizes } from './size-guard.ts';
import { emptySummary, formatSummary, parseSummary, type Summary, withReport, withRollups } from './summary.ts';

/** What is kept now; paths are relative to the reports folder, with `/`. */
export interface Shelf {
  /** The text of a file, undefined when there is none. */
  read(path: string): Promise<string | undefined>;
  /** What is directly in a folder; nothing when there is none. */
  list(folder: string): Promise<readonly ShelfEntry[]>;
}

export interface ShelfEntry {
  name: string;
  isFolder: boolean;
}

/** `<kind>/YYYY/MM/<id>.json`, relative to the reports folder. */
export function reportPath(report: Pick<Report, 'kind' | 'id'>): string {
  return `${report.kind}/${report.id.slice(0, 4)}/${report.id.slice(4, 6)}/${report.id}.json`;
}

/**
 * Where a report is kept. A quiet one — nothing but samples, and all of them fine — leaves its samples and is the latest
 * of its kind until the next; a file for each would be one every few minutes, more than a folder should hold.
 */
export function keptPath(report: Report): string {
  return isQuiet(report) ? latestPath(report.kind) : reportPath(report);
}

/**
 * The files that a report changes, with their whole new text, the report itself last; none when it is kept already. All
 * that is derived comes from the day's samples, where each line names its report: the order of reports, and a report that
 * comes twice, make no difference. A day is rolled up when a later one begins, since a file that holds a month would
 * otherwise be written anew each hour; the newest day is read from its samples.
 *
 * @param warn told what comes near a limit
 * @throws OpsError `REPORT_INVALID` (a defect: the report breaks its schema), `REPORT_EXISTS` (another one has its id),
 * `REPORT_SIZE` (a limit would be passed), `REPORT_STORE` (a file that is there is damaged)
 */
export async function changedFiles(
  report: Report,
  shelf: Shelf,
  warn: (text: string) => void = () => {},
): Promise<Map<string, string>> {
  const text = textOf(report);
  const added = samplesOf(report);
  if (await isKept(report, text, added, shelf)) return new Map();

  const summary = await readSummary(shelf, report.platform);
  const days = new Map<string, SampleLine[]>();
  for (const [day, line] of added) days.set(day, mergeSamples(await readSamples(day, shelf), line));
  const formerDay = days.size > 0 ? await newestDay(shelf) : summary.openDay;
  const openDay = [...days.keys(), ...(formerDay === null ? [] : [formerDay])].sort(compare).at(-1) ?? null;

  const files = new Map<string, string>();
  for (const [day, lines] of days) files.set(samplesPath(day), formatSamples(lines));
  for (const [name, rollup] of await closedDays(days, formerDay, openDay, shelf)) files.set(name, rollup);
  files.set('summary.json', formatSummary(withReport(withRollups(summary, files.keys()), report, openDay)));
  const known = summary.latest.find(entry => entry.kind === report.kind);
  if (!known || known.id <= report.id) files.set(latestPath(report.kind), text);
  if (!isQuiet(report)) files.set(reportPath(report), text);
  for (const text of guardSizes(files, isQuiet(report) ? undefined : await grownFolder(report, shelf))) warn(text);
  return files;
}

/** The one folder that grows with each run; the others do by the day, or by the kind of report. */
async function grownFolder(report: Report, shelf: Shelf): Promise<{ path: string; entries: number }> {
  const path = dirname(reportPath(report));
  return { path, entries: (await shelf.list(path)).length + 1 };
}

function isQuiet({ status, samples = [] }: Report): boolean {
  return status === 'ok' && samples.length > 0;
}

function latestPath(kind: string): string {
  return `latest/${kind}.json`;
}

async function isKept(
  report: Report,
  text: string,
  added: ReadonlyMap<string, SampleLine>,
  shelf: Shelf,
): Promise<boolean> {
  if (isQuiet(report)) {
    const [day = ''] = added.keys();
    return (await readSamples(day, shelf)).some(line => line.report === report.id);
  }
  const existing = await shelf.read(reportPath(report));
  if (existing === undefined) return false;
  if (existing === text) return true;
  throw new OpsError('REPORT_EXISTS', `${reportPath(report)} is kept already, with another content`, {
    hint: 'A report is never rewritten; run it again, which makes a report of its own.',
  });
}

/** The report as it is kept: without the samples, which have a place of their own. */
function textOf(report: Report): string {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new OpsError('REPORT_INVALID', `The report breaks its schema: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { samples: _, ...kept } = report;
  return `${JSON.stringify(kept, null, 2)}\n`;
}

/** A summary that is missing or damaged is made anew from the latest report of each kind. */
async function readSummary(shelf: Shelf, platform: string): Promise<Summary> {
  const text = await shelf.read('summary.json');
  const summary = text === undefined ? undefined : parseSummary(text);
  if (summary) return summary;
  let remade = emptySummary(platform);
  for (const { name } of await shelf.list('latest')) {
    const latest = reportSchema.safeParse(parseJson((await shelf.read(`latest/${name}`)) ?? ''));
    if (latest.success) remade = withReport(remade, latest.data, null);
  }
  for (const resolution of ['hourly', 'daily'] as const) {
    const files = await names(shelf, `rollup/${resolution}`);
    remade = withRollups(
      remade,
      files.map(name => `rollup/${resolution}/${name}`),
    );
  }
  return { ...remade, openDay: await newestDay(shelf) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readSamples(day: string, shelf: Shelf): Promise<SampleLine[]> {
  const path = samplesPath(day);
  return parseSamples((await shelf.read(path)) ?? '', path);
}

/** The newest day that has samples. */
async function newestDay(shelf: Shelf): Promise<string | null> {
  const newest = async (folder: string, pattern: RegExp) => {
    const names = (await shelf.list(folder)).map(({ name }) => name).filter(name => pattern.test(name));
    return names.sort(compare).at(-1);
  };
  const year = await newest('metrics', /^\d{4}$/);
  const month = year && (await newest(`metrics/${year}`, /^\d\d$/));
  const day = month && (await newest(`metrics/${year}/${month}`, /^\d\d\.ndjson$/));
  return day ? `${year}-${month}-${day.slice(0, 2)}` : null;
}

/**
 * The rollups of the days that are closed now: those the report adds to that are not the newest, the one that was the
 * newest until now, and any of the same months that for some reason was never rolled up.
 */
async function closedDays(
  touched: ReadonlyMap<string, readonly SampleLine[]>,
  formerDay: string | null,
  openDay: string | null,
  shelf: Shelf,
): Promise<Map<string, string>> {
  const closing = [...touched.keys(), ...(formerDay === null ? [] : [formerDay])].filter(day => day !== openDay);
  if (openDay === null || closing.length === 0) return new Map();
  const months = new Set(closing.map(day => day.slice(0, 7)));
  const hourlyNames = await names(shelf, 'rollup/hourly');
  const rolledUp = await daysIn(hourlyNames, months, shelf);
  const missing = (await sampledDays(months, shelf)).filter(day => day < openDay && !rolledUp.has(day));

  const hourly: Record<string, HourlyDay> = {};
  const daily: Record<string, DailyDay> = {};
  for (const day of new Set([...closing, ...missing])) {
    const lines = touched.get(day) ?? (await readSamples(day, shelf));
    hourly[day] = hourlyDay(lines);
    daily[day] = dailyDay(lines);
  }
  return new Map([
    ...(await rolledUpFiles('hourly', hourly, hourlyNames, shelf)),
    ...(await rolledUpFiles('daily', daily, await names(shelf, 'rollup/daily'), shelf)),
  ]);
}

async function names(shelf: Shelf, folder: string): Promise<string[]> {
  return (await shelf.list(folder)).filter(({ name }) => name.endsWith('.json')).map(({ name }) => name);
}

async function daysIn(fileNames: readonly string[], months: ReadonlySet<string>, shelf: Shelf): Promise<Set<string>> {
  const days = new Set<string>();
  for (const name of fileNames.filter(of => months.has(of.slice(0, 7)))) {
    for (const day of Object.keys((await readRollup('hourly', name, shelf)).days)) days.add(day);
  }
  return days;
}

async function sampledDays(months: ReadonlySet<string>, shelf: Shelf): Promise<string[]> {
  const days: string[] = [];
  for (const month of months) {
    for (const { name } of await shelf.list(`metrics/${month.replace('-', '/')}`)) {
      if (/^\d\d\.ndjson$/.test(name)) days.push(`${month}-${name.slice(0, 2)}`);
    }
  }
  return days;
}

async function rolledUpFiles(
  resolution: Resolution,
  days: Readonly<Record<string, HourlyDay | DailyDay>>,
  fileNames: readonly string[],
  shelf: Shelf,
): Promise<[string, string][]> {
  const files = await withDays(resolution, days, fileNames, name => readRollup(resolution, name, shelf));
  return [...files].map(([name, text]) => [`rollup/${resolution}/${name}`, text]);
}

async function readRollup(resolution: Resolution, name: string, shelf: Shelf) {
  const path = `rollup/${resolution}/${name}`;
  return parseRollup((await shelf.read(path)) ?? '', path);
}
