import { pruneArchives } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { toOpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';
import type { CleanupData, RuleOutcome } from './outcome.ts';

/**
 * What earlier runs archived goes when it is older than `database.cleanup.keepArchives`; without that nothing does, and
 * nothing does in a run in which a rule failed: as with backups, what went wrong must not cost what is left. A
 * destination that refuses is a problem of its own, and not of the rules.
 */
export async function pruneOld(
  { config, log, signal }: OpsContext,
  storages: readonly Storage[],
  database: string,
  { rules, started, isDryRun }: { rules: readonly RuleOutcome[]; started: Date; isDryRun: boolean },
): Promise<CleanupData['pruned']> {
  const { keepArchives } = config.database.cleanup;
  if (keepArchives === undefined || rules.some(({ status }) => status === 'failed')) return [];
  const before = new Date(started.getTime() - keepArchives * 1000);
  const pruned: CleanupData['pruned'] = [];
  for (const storage of storages) {
    try {
      const runs = await pruneArchives(storage, database, before, { isDryRun, signal });
      const bytes = runs.reduce((sum, run) => sum + run.bytes, 0);
      pruned.push({ destination: storage.name, runs: runs.length, bytes, problem: null });
    } catch (thrown) {
      signal.throwIfAborted();
      const problem = toOpsError(thrown).message;
      log.warn(`Old archives in ${storage.name} were not all removed: ${problem}`);
      pruned.push({ destination: storage.name, runs: 0, bytes: 0, problem });
    }
  }
  return pruned;
}
