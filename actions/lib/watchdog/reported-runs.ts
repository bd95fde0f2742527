import { idTime, type Report, type ReportReader } from '../reports/index.ts';
import type { ScheduledRun } from './scheduler.ts';

// Each one is a request, and this many reports of one kind since one run are those of a button pressed again and again.
const mostReports = 60;

/**
 * Which of these runs left a report that says what went wrong. Not the latest reports alone: a run that somebody started
 * after it takes their place.
 *
 * @returns ids of runs
 */
export async function runsThatSaidWhy(
  reader: ReportReader,
  kinds: readonly string[],
  failed: readonly ScheduledRun[],
): Promise<Set<string>> {
  const found = new Set<string>();
  for (const run of failed) {
    for (const kind of kinds) {
      if (found.has(run.id)) break;
      if (await saidWhy(reader, kind, run)) found.add(run.id);
    }
  }
  return found;
}

async function saidWhy(reader: ReportReader, kind: string, run: ScheduledRun): Promise<boolean> {
  const latest = await reader.latest(kind);
  if (!latest || new Date(latest.finishedAt) < run.createdAt) return false;
  if (isOf(run, latest)) return true;
  let looked = 0;
  for await (const report of reader.list(kind)) {
    if (idTime(report.id) < run.createdAt || ++looked > mostReports) return false;
    if (isOf(run, report)) return true;
  }
  return false;
}

function isOf({ id }: ScheduledRun, { run, error, status }: Report): boolean {
  return run?.id === id && (error !== null || status !== 'ok');
}
