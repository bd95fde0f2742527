import { type LibraryOptions, libraryContext } from '../../reports/index.ts';
import { type ApplyData, type ApplyInput, applyOperation } from './operation.ts';

/**
 * Applies chosen changes of an advice, as a library: `optimizeDatabase({ ids: ['create-938b48244ba6'] })`, or what is
 * declared: `optimizeDatabase({ declared: true })`. A change that is put off, refused or failed does not throw; its outcome
 * says so.
 * @throws OpsError as the command does, e.g. `APPLY_RUNNING`, `APPLY_READ_ONLY`, `PG_POOLER`, `APPLY_UNKNOWN_ID`
 */
export async function optimizeDatabase(input: Partial<ApplyInput>, options: LibraryOptions = {}): Promise<ApplyData> {
  const chosen: ApplyInput = {
    report: 'latest',
    ids: [],
    reindex: [],
    mend: false,
    declared: false,
    dryRun: false,
    ...input,
  };
  return (await applyOperation.execute(chosen, libraryContext(options))).data;
}
