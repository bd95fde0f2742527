import { resolve } from 'node:path';
import type { OpsContext } from '../../context/index.ts';
import { OpsError, toOpsError } from '../../errors/index.ts';
import { githubOf } from '../../github/index.ts';
import {
  type Cell,
  createDirectoryReader,
  createGitHubReader,
  idTime,
  type Report,
  type ReportReader,
  readCell,
  seriesOf,
} from '../../reports/index.ts';
import type { Point } from './trend.ts';

/** What earlier reports say: those of the working tree, and with a token those on GitHub. */
export interface DatabaseHistory {
  /** The newest report of this kind that measured this database. */
  latest(kind: string, database: string): Promise<Report | undefined>;
  /** A check's value over time, oldest first: the mean, or the highest, of each day, and of the latest runs. */
  points(check: string, database: string, days: number, of?: 'mean' | 'max'): Promise<Point[]>;
}

const dayMs = 86_400_000;
/** Reports of failed runs in between are passed over. */
const mostReports = 10;

/** A history that cannot be read is a warning, not a failure: what is wrong now is known without it. */
export function openHistory(context: OpsContext): DatabaseHistory {
  const readers = openReaders(context);
  const attempt = async <T>(reading: (reader: ReportReader) => Promise<T>): Promise<T[]> => {
    const found: T[] = [];
    for (const reader of readers) {
      try {
        found.push(await reading(reader));
      } catch (thrown) {
        const error = toOpsError(thrown);
        if (context.signal.aborted || !(thrown instanceof OpsError)) throw error;
        context.log.warn(`Earlier reports in ${reader.place} were not read: ${error.message}`);
      }
    }
    return found;
  };
  return {
    async latest(kind, database) {
      const found = (await attempt(reader => latestOf(reader, kind, database))).filter(report => report !== undefined);
      return found.sort((a, b) => (a.id < b.id ? 1 : -1))[0];
    },
    async points(check, database, days, of = 'mean') {
      const since = new Date(context.now().getTime() - days * dayMs);
      const series = seriesOf(check, database);
      const all = (await attempt(reader => pointsOf(reader, series, since, of))).flat();
      // The same run is known in both places.
      const unique = new Map(all.filter(({ at }) => at >= since).map(point => [point.at.getTime(), point]));
      return [...unique.values()].sort((a, b) => a.at.getTime() - b.at.getTime());
    },
  };
}

function openReaders(context: OpsContext): ReportReader[] {
  const { path, branch } = context.config.reports;
  const directory = createDirectoryReader(resolve(context.cwd, path));
  const github = githubOf(context);
  return github ? [directory, createGitHubReader(github, path, branch)] : [directory];
}

async function latestOf(reader: ReportReader, kind: string, database: string): Promise<Report | undefined> {
  const isOf = (report: Report) => (report.data as { database?: unknown } | null)?.database === database;
  const latest = await reader.latest(kind);
  if (latest === undefined || isOf(latest)) return latest;
  let looked = 0;
  for await (const report of reader.list(kind)) {
    if (isOf(report)) return report;
    if (++looked >= mostReports) break;
  }
  return undefined;
}

async function pointsOf(reader: ReportReader, series: string, since: Date, of: 'mean' | 'max'): Promise<Point[]> {
  const value = (cell: Cell) => (of === 'max' ? cell.max : cell.sum / cell.count);
  const days = Object.entries(await reader.daily(since.getUTCFullYear())).flatMap(([day, cells]) => {
    const cell = cells[series];
    // A cell of a day is a tuple; that of an hourly file would be a record of hours.
    if (!Array.isArray(cell)) return [];
    return [{ at: new Date(`${day}T12:00:00Z`), value: value(readCell(cell as Parameters<typeof readCell>[0])) }];
  });
  const known = new Set(days.map(({ at }) => at.toISOString().slice(0, 10)));
  const runs = Object.values((await reader.summary())?.history ?? {}).flatMap(({ series: names, runs: all }) => {
    const column = names.indexOf(series);
    if (column < 0) return [];
    return all.flatMap(([id, , , values]): Point[] => {
      const measured = values[column];
      return typeof measured === 'number' ? [{ at: idTime(id), value: measured }] : [];
    });
  });
  return [...days, ...runs.filter(({ at }) => !known.has(at.toISOString().slice(0, 10)))];
}
