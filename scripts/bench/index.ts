import { ExitCode, OpsError, toOpsError } from '../../actions/lib/errors/index.ts';
import { benchAssets } from './assets.ts';
import { benchBackup } from './backup.ts';
import { benchDatabase } from './database/index.ts';
import { benchReports } from './reports.ts';
import { printResults } from './results.ts';

/** `npm run bench -- <area>`: measures side by side with the stock way, in one run, and prints ratios. */
const areas = { assets: benchAssets, backup: benchBackup, database: benchDatabase, reports: benchReports };

try {
  const [area = '', ...args] = process.argv.slice(2);
  if (!(area in areas)) {
    throw new OpsError('USAGE', `'${area}' is not an area that can be measured`, {
      hint: `npm run bench -- ${Object.keys(areas).join('|')}`,
      exit: 'usage',
    });
  }
  const isReached = printResults(await areas[area as keyof typeof areas](args));
  process.exitCode = isReached ? ExitCode.ok : ExitCode.breached;
} catch (thrown) {
  const error = isOfArguments(thrown)
    ? new OpsError('USAGE', thrown.message, {
        hint: `The options stand above scripts/bench/${process.argv[2]}.`,
        exit: 'usage',
      })
    : toOpsError(thrown);
  process.stderr.write(`${error.code} ${error.message}\n${error.hint ? `  → ${error.hint}\n` : ''}`);
  process.exitCode = error.exitCode;
}

function isOfArguments(thrown: unknown): thrown is Error {
  return thrown instanceof TypeError && String((thrown as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
}
