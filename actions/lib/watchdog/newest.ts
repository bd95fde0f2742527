import { idTime, type Report, type ReportReader } from '../reports/index.ts';
import type { Sighting } from './judge.ts';

// Through the API each one is a request: a job that failed this often in a row has alerts of its own.
const mostReports = 60;

export interface Sought {
  shows: (report: Report) => boolean;
  /**
   * Whether a run of which the summary alone still tells counts when it went well: one that left nothing but samples has no
   * file of its own, and the next run takes its place as the latest.
   */
  quietCounts: boolean;
}

/** The newest run, among these kinds, that shows what is asked for. Undefined when there is none, or none of late. */
export async function newestThat(
  reader: ReportReader,
  kinds: readonly string[],
  sought: Sought,
): Promise<Sighting | undefined> {
  let newest: Sighting | undefined;
  for (const kind of kinds) newest = newer(newest, await newestOfKind(reader, kind, sought));
  return newest;
}

async function newestOfKind(
  reader: ReportReader,
  kind: string,
  { shows, quietCounts }: Sought,
): Promise<Sighting | undefined> {
  // One file when all is well, which is nearly always.
  const latest = await reader.latest(kind);
  if (latest && shows(latest)) return sighting(latest);
  const quiet = quietCounts ? await newestQuiet(reader, kind) : undefined;
  let looked = 0;
  for await (const report of reader.list(kind)) {
    if (shows(report)) return newer(quiet, sighting(report));
    if (++looked >= mostReports) break;
  }
  return quiet;
}

async function newestQuiet(reader: ReportReader, kind: string): Promise<Sighting | undefined> {
  const runs = (await reader.summary())?.history[kind]?.runs ?? [];
  const run = runs.findLast(([, status]) => status === 'ok');
  return run && { reportId: run[0], at: idTime(run[0]) };
}

function newer(a: Sighting | undefined, b: Sighting | undefined): Sighting | undefined {
  return a && b ? (b.at > a.at ? b : a) : (a ?? b);
}

function sighting(report: Report): Sighting {
  return { reportId: report.id, at: new Date(report.finishedAt) };
}
