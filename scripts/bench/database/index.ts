import { parseArgs } from 'node:util';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import type { Result } from '../results.ts';
import { benchAnalyze } from './analyze.ts';
import { benchCapability } from './capability.ts';
import { benchHypopg } from './hypopg.ts';
import { benchSearch } from './search.ts';
import { openPlatformStage } from './stage.ts';
import { benchWorkload } from './workload.ts';

/** On the reference platform, without any secondary index. */
const onPlatform = { workload: benchWorkload, search: benchSearch, hypopg: benchHypopg };
const parts = [...Object.keys(onPlatform), 'capability', 'analyze'];

/**
 * The database area: advice against a hand-made set of indexes (`workload`), against Extend (`search`), with HypoPG in time
 * (`hypopg`), for each kind of statement (`capability`); and the analysis of a large database (`analyze`).
 * Options: `--part workload`, `--rows 2e6` of the platform, `--tables 5000` of the analysis and as many statements.
 */
export async function benchDatabase(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: 'string', multiple: true, default: parts },
      rows: { type: 'string', default: '2e6' },
      tables: { type: 'string', default: '5000' },
    },
  });
  const unknown = values.part.find(part => !parts.includes(part));
  if (unknown !== undefined)
    throw new OpsError('USAGE', `--part is '${unknown}', and must be one of ${parts.join(', ')}`, { exit: 'usage' });
  const results: Result[] = [];
  const wanted = Object.entries(onPlatform).filter(([part]) => values.part.includes(part));
  if (wanted.length > 0) {
    await using stage = await openPlatformStage(Number(values.rows));
    for (const [, bench] of wanted) results.push(...(await bench(stage)));
  }
  if (values.part.includes('capability')) results.push(...(await benchCapability()));
  if (values.part.includes('analyze')) results.push(...(await benchAnalyze(Number(values.tables))));
  return results;
}
