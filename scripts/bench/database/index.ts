import { parseArgs } from 'node:util';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import { referenceIndexes } from '../../workload/platform/index.ts';
import { wholesaleIndexes } from '../../workload/wholesale/index.ts';
import type { Result } from '../results.ts';
import { benchAnalyze } from './analyze.ts';
import { benchCapability } from './capability.ts';
import { benchHypopg } from './hypopg.ts';
import { benchSearch } from './search.ts';
import { type BenchStage, openPlatformStage, openWholesaleStage } from './stage.ts';
import { benchWorkload } from './workload.ts';

/** On the reference platform, without any secondary index. */
const onPlatform = {
  workload: (stage: BenchStage) => benchWorkload(stage, referenceIndexes),
  search: benchSearch,
  hypopg: benchHypopg,
};
const parts = [...Object.keys(onPlatform), 'wholesale', 'capability', 'analyze'];

/**
 * The database area: advice against a hand-made set of indexes (`workload`), against Extend (`search`), with HypoPG in time
 * (`hypopg`), for each kind of statement (`capability`); against a hand-made set for another application, which the rules of
 * the search were not made by (`wholesale`); and the analysis of a large database (`analyze`).
 * Options: `--part workload`, `--rows 2e6` of the platform, `--wholesale-rows 2e5`, `--tables 5000` of the analysis and as
 * many statements.
 */
export async function benchDatabase(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: 'string', multiple: true, default: parts },
      rows: { type: 'string', default: '2e6' },
      'wholesale-rows': { type: 'string', default: '2e5' },
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
  if (values.part.includes('wholesale')) {
    await using stage = await openWholesaleStage(Number(values['wholesale-rows']));
    const found = await benchWorkload(stage, wholesaleIndexes);
    results.push(...found.map(each => ({ ...each, name: `wholesale: ${each.name}` })));
  }
  if (values.part.includes('capability')) results.push(...(await benchCapability()));
  if (values.part.includes('analyze')) results.push(...(await benchAnalyze(Number(values.tables))));
  return results;
}
