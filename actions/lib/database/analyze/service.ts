import { type LibraryOptions, libraryContext } from '../../reports/index.ts';
import { analyzeOperation } from './analyze.ts';
import type { AnalyzeData } from './data.ts';

/**
 * What the database's statements cost and why, and its health, as a library. Reads only; keeps no report.
 * @throws OpsError as the command does: `CONFIG_MISSING_VALUE`, `PG_AUTH`, `PG_UNREACHABLE`, `PG_POOLER`, …
 */
export async function analyzeQueryPerformance(options: LibraryOptions = {}): Promise<AnalyzeData> {
  return (await analyzeOperation.execute({}, libraryContext(options))).data;
}
