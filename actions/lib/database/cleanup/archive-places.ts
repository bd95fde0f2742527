import { destinationName, openDestination, openDestinations } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError, toOpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';

/** Where rows are archived, or were while a rule still said so. */
export interface ArchivePlaces {
  storages: readonly Storage[];
  /** What is old there stays; of interest only where nothing is archived now. */
  unopened: readonly { destination: string; problem: string }[];
}

/**
 * A destination is needed by a rule that archives, and then each one must take the rows. When no rule does, it is only
 * looked through for what is old: one that cannot be opened keeps no rule from being followed.
 * @throws OpsError `CONFIG_MISSING_VALUE` (exit 2) when rows are to be archived and a destination cannot be opened
 */
export function openArchivePlaces(context: OpsContext): ArchivePlaces {
  const { backup, database } = context.config;
  const { rules, keepArchives } = database.cleanup;
  if (rules.some(rule => rule.archive)) return { storages: openAll(context), unopened: [] };
  if (keepArchives === undefined) return { storages: [], unopened: [] };
  const storages: Storage[] = [];
  const unopened: { destination: string; problem: string }[] = [];
  for (const destination of backup.destinations) {
    try {
      storages.push(openDestination(destination, context));
    } catch (thrown) {
      unopened.push({ destination: destinationName(destination), problem: toOpsError(thrown).message });
    }
  }
  return { storages, unopened };
}

function openAll(context: OpsContext): Storage[] {
  try {
    return openDestinations(context);
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (context.config.backup.destinations.length > 0) throw error;
    throw new OpsError(
      error.code,
      'Rows are to be archived before they are deleted, and there is no destination for them',
      {
        hint: 'Set BACKUP_LOCAL_PATH, BACKUP_S3_BUCKET or BACKUP_FTP_URL, or archive: false for the rules whose rows may go for good. Nothing was deleted.',
        exit: 'usage',
      },
    );
  }
}
