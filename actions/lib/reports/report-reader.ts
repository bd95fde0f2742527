import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { type GitHub, listFolder, readText } from '../github/index.ts';
import { type Report, reportSchema } from './report.ts';
import { parseRollup, type Rollup } from './rollup.ts';
import { parseSummary, type Summary } from './summary.ts';

/** The stored reports, to be read. */
export interface ReportReader {
  /** Where they are, for a message. */
  readonly place: string;
  /** The kinds that have a report. */
  kinds(): Promise<string[]>;
  latest(kind: string): Promise<Report | undefined>;
  /** Newest first. */
  list(kind: string): AsyncIterable<Report>;
  summary(): Promise<Summary | undefined>;
  /** What was measured on each day from that year on, by day. The open day is not in it. */
  daily(fromYear: number): Promise<Rollup['days']>;
}

/** @param folder where `createDirectoryStore` keeps them. What is asked of it throws OpsError `REPORT_STORE` when it cannot be read */
export function createDirectoryReader(folder: string): ReportReader {
  return readerOf(folder, {
    async list(path) {
      const entries = await readdir(join(folder, path), { withFileTypes: true }).catch(ifMissing([], path));
      return entries.map(entry => ({ name: entry.name, isFolder: entry.isDirectory() }));
    },
    read: path => readFile(join(folder, path), 'utf8').catch(ifMissing(undefined, path)),
  });
}

/** @param folder `reports.path` @param branch `reports.branch`; undefined: the default branch */
export function createGitHubReader(github: GitHub, folder: string, branch: string | undefined): ReportReader {
  const root = folder.replace(/^(\.?\/)+|\/+$/g, '');
  return readerOf(`${root}/ on ${branch === undefined ? 'the default branch' : `the branch ${branch}`}`, {
    async list(path) {
      const entries = await listFolder(github, `${root}/${path}`, branch);
      return entries.map(entry => ({ name: entry.name, isFolder: entry.type === 'dir' }));
    },
    read: path => readText(github, `${root}/${path}`, branch),
  });
}

/** Those of every run, of the repository, where there is one; else of the folder. */
export function createReportReader(
  github: GitHub | undefined,
  { config: { reports }, cwd }: Pick<OpsContext, 'config' | 'cwd'>,
): ReportReader {
  if (github) return createGitHubReader(github, reports.path, reports.branch);
  return createDirectoryReader(resolve(cwd, reports.path));
}

interface Files {
  list(path: string): Promise<{ name: string; isFolder: boolean }[]>;
  read(path: string): Promise<string | undefined>;
}

function readerOf(place: string, files: Files): ReportReader {
  const latest = new Map<string, Promise<Report | undefined>>();
  let summary: Promise<Summary | undefined> | undefined;
  const readSummary = async () => {
    const text = await files.read('summary.json');
    return text === undefined ? undefined : parseSummary(text);
  };
  const read = async (path: string) => parseReport(await files.read(path));
  const names = async (path: string, isFolder: boolean) =>
    (await files.list(path))
      .filter(entry => entry.isFolder === isFolder)
      .map(entry => entry.name)
      .sort()
      .reverse();
  return {
    place,
    kinds: async () => (await names('latest', false)).flatMap(name => /^(.+)\.json$/.exec(name)?.[1] ?? []).sort(),
    latest(kind) {
      const known = latest.get(kind) ?? read(`latest/${kind}.json`);
      latest.set(kind, known);
      return known;
    },
    summary() {
      summary ??= readSummary();
      return summary;
    },
    async daily(fromYear) {
      const days: Rollup['days'] = {};
      for (const name of (await names('rollup/daily', false)).reverse()) {
        if (!/^\d{4}[-\d]*\.json$/.test(name) || Number(name.slice(0, 4)) < fromYear) continue;
        const text = await files.read(`rollup/daily/${name}`);
        if (text !== undefined) Object.assign(days, parseRollup(text, `rollup/daily/${name}`).days);
      }
      return days;
    },
    async *list(kind) {
      for (const year of await names(kind, true)) {
        for (const month of await names(`${kind}/${year}`, true)) {
          // Ids sort by time.
          for (const name of await names(`${kind}/${year}/${month}`, false)) {
            const report = await read(`${kind}/${year}/${month}/${name}`);
            if (report) yield report;
          }
        }
      }
    },
  };
}

/** A file that is no report proves nothing: it is passed over, and what it should have shown stays missing. */
function parseReport(text: string | undefined): Report | undefined {
  if (text === undefined) return undefined;
  try {
    return reportSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function ifMissing<T>(value: T, path: string): (error: NodeJS.ErrnoException) => T {
  return error => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw new OpsError('REPORT_STORE', `Could not read ${path} of the reports: ${error.message}`, {
      hint: 'Check that the reports folder (reports.path) is readable.',
      cause: error,
    });
  };
}
