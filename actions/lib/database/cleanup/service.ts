import { type LibraryOptions, libraryContext } from '../../reports/index.ts';
import { type CleanupInput, cleanupOperation } from './operation.ts';
import type { CleanupData } from './outcome.ts';

/**
 * Follows the declared retention rules, as a library. A rule that is put off or fails does not throw; its outcome says so.
 * @throws OpsError as the command does, e.g. `CLEANUP_RULE`, `CLEANUP_RUNNING`, `CONFIG_MISSING_VALUE`
 */
export async function cleanDatabase(
  input: Partial<CleanupInput> = {},
  options: LibraryOptions = {},
): Promise<CleanupData> {
  return (await cleanupOperation.execute({ dryRun: false, ...input }, libraryContext(options))).data;
}
