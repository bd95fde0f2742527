import { type LibraryOptions, libraryContext } from '../../reports/index.ts';
import { type MaintainInput, maintainOperation } from './operation.ts';
import type { MaintainData } from './outcome.ts';

/** Analyses what is stale and gives advice, as a library. @throws OpsError as the command does */
export async function maintainDatabase(
  input: Partial<MaintainInput> = {},
  options: LibraryOptions = {},
): Promise<MaintainData> {
  return (await maintainOperation.execute({ dryRun: false, ...input }, libraryContext(options))).data;
}
