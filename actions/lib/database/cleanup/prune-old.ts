import { type ArchiveOwner, pruneArchives } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import type { ArchivePlaces } from './archive-places.ts';
import type { CleanupData, RuleOutcome } from './outcome.ts';

/**
 * What earlier runs archived goes when it is older than `database.cleanup.keepArchives`; without that nothing does, and
 * nothing does in a run in which a rule failed: as with backups, what went wrong must not cost what is left. A
 * destination that refuses is a problem of its own, and not of the rules.
 */
export async function pruneOld(
  { config, log, signal }: OpsContext,
  { storages, unopened }: ArchivePlaces,
  owner: ArchiveOwner,
  { rules, started, isDryRun }: { rules: readonly RuleOutcome[]; started: Date; isDryRun: boolean },
): Promise<CleanupData['pruned']> {
  const { keepArchives } = config.database.cleanup;
  if (keepArchives === undefined || rules.some(({ status }) => status === 'failed')) return [];
  const before = new Date(started.getTime() - keepArchives * 1000);
  const pruned = unopened.map(({ destination, problem }) => ({ destination, runs: 0, bytes: 0, problems: [problem] }));
  for (const storage of storages) {
    pruned.push({
      destination: storage.name,
      ...(await pruneArchives(storage, owner, before, { isDryRun, signal })),
    });
  }
  return pruned.map(({ problems, ...each }) => {
    const problem = listed(problems);
    if (problem !== null) log.warn(`Old archives in ${each.destination} were not all removed: ${problem}`);
    return { ...each, problem };
  });
}

const mostListed = 3;

function listed(problems: readonly string[]): string | null {
  if (problems.length === 0) return null;
  const more = problems.length - mostListed;
  return [...problems.slice(0, mostListed), ...(more > 0 ? [`${more} more`] : [])].join('; ');
}
