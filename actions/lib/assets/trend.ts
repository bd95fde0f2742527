import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OpsContext } from '../context/index.ts';
import { idTime, parseSummary } from '../reports/index.ts';
import type { AssetsData } from './data.ts';

const mostRuns = 12;

/**
 * What earlier reports of a kind measured, from the summary in the reports folder. Without one (a first run, reports on a
 * branch of their own that is not checked out) there is no trend, and that is no error.
 */
export async function trendOf(kind: string, { config, cwd }: OpsContext): Promise<AssetsData['trend']> {
  const text = await readFile(join(resolve(cwd, config.reports.path), 'summary.json'), 'utf8').catch(() => '');
  const history = parseSummary(text)?.history[kind];
  if (!history) return [];
  const at = history.series.indexOf('assets.bytes');
  if (at < 0) return [];
  return history.runs
    .flatMap(([id, , , values]) => {
      const bytes = values[at];
      return bytes === null || bytes === undefined ? [] : [{ at: idTime(id).toISOString(), bytes: Math.round(bytes) }];
    })
    .slice(-mostRuns);
}
