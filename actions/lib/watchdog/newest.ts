import type { Report, ReportReader } from '../reports/index.ts';
import type { Sighting } from './judge.ts';

// Through the API each one is a request: a job that failed this often in a row has alerts of its own.
const mostReports = 60;

/** The newest report, among these kinds, that shows what is asked for. Undefined when there is none, or none of late. */
export async function newestThat(
  reader: ReportReader,
  kinds: readonly string[],
  shows: (report: Report) => boolean,
): Promise<Sighting | undefined> {
  let newest: Sighting | undefined;
  for (const kind of kinds) {
    const found = await newestOfKind(reader, kind, shows);
    if (found && (!newest || found.at > newest.at)) newest = found;
  }
  return newest;
}

async function newestOfKind(
  reader: ReportReader,
  kind: string,
  shows: (report: Report) => boolean,
): Promise<Sighting | undefined> {
  // One file when all is well, which is nearly always.
  const latest = await reader.latest(kind);
  if (latest && shows(latest)) return sighting(latest);
  let looked = 0;
  for await (const report of reader.list(kind)) {
    if (shows(report)) return sighting(report);
    if (++looked >= mostReports) return undefined;
  }
  return undefined;
}

function sighting(report: Report): Sighting {
  return { reportId: report.id, at: new Date(report.finishedAt) };
}
