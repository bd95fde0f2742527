import { z } from 'zod';
import { sourceDatabase } from '../../backup/index.ts';
import type { DatabaseConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Operation } from '../../reports/index.ts';
import { applyChanges } from './apply-changes.ts';
import { type OfferedChange, reindexChange } from './change.ts';
import { checksOf } from './checks.ts';
import { choose, readAdvice } from './choose.ts';
import { declaredChanges } from './declared.ts';
import { leftoverSchema, mendedSchema } from './leftovers.ts';
import { type ApplyOptions, defaultApplyOptions } from './options.ts';
import { changeOutcomeSchema } from './outcome.ts';
import { lines, summary } from './text.ts';

export interface ApplyInput {
  /** `latest`, or the path of a report. */
  report: string;
  /** Of the changes that a person chose. Nothing is applied that is not in it. */
  ids: readonly string[];
  /** `schema.index`: rebuilt, without an advice. */
  reindex: readonly string[];
  /** What `database.indexes` declares and is not there. */
  declared: boolean;
  /** Without a choice: only put right what an earlier run has left. */
  mend: boolean;
  dryRun: boolean;
  /** Who chose, for the report: a login. */
  chosenBy?: string | undefined;
}

const applyDataSchema = z.strictObject({
  isDryRun: z.boolean(),
  database: z.string(),
  /** The report that offered what was chosen; null when none was needed. */
  adviceId: z.string().nullable(),
  chosenBy: z.string().nullable(),
  /** The declared indexes were asked for; what of them differed is in `changes`. */
  isDeclared: z.boolean(),
  changes: z.array(changeOutcomeSchema),
  /** Of earlier runs. */
  mended: z.array(mendedSchema),
  /** Half-made indexes of the database, whosever they are. */
  leftovers: z.array(leftoverSchema),
  /** What could not be watched while it was changed, and why. */
  notGuarded: z.array(z.string()),
  /** What is in progress was recorded in production_ops.index_changes. */
  isRecorded: z.boolean(),
});
export type ApplyData = z.infer<typeof applyDataSchema>;

/** Applies what a person chose of an advice or declared, and nothing else. */
export const applyOperation: Operation<ApplyInput, ApplyData> = {
  kind: 'database.apply',
  dataSchema: applyDataSchema,
  async execute(input, context) {
    assertOneChoice(input);
    const target = sourceDatabase(context);
    const advice = input.ids.length > 0 ? await readAdvice(input.report, context) : undefined;
    const changes = [
      ...(advice ? choose(advice, input.ids) : []),
      ...input.reindex.map(reindexOf),
      ...(input.declared ? await declaredChanges(context, target) : []),
    ];
    const applied = await applyChanges(context, target, changes, applyOptions(context.config.database), input.dryRun);
    const { outcomes, ...rest } = applied;
    return {
      data: {
        isDryRun: input.dryRun,
        database: target.database,
        adviceId: advice?.id ?? null,
        chosenBy: input.chosenBy ?? null,
        isDeclared: input.declared,
        changes: outcomes,
        ...rest,
      },
      checks: checksOf(applied, target.database),
      isDryRun: input.dryRun,
    };
  },
  lines,
  summary,
};

export function applyOptions({ apply, machine }: DatabaseConfig): ApplyOptions {
  return {
    ...defaultApplyOptions,
    lockTimeoutSeconds: apply.lockTimeout,
    buildTimeoutSeconds: apply.buildTimeout,
    patienceSeconds: apply.patience,
    oldTransactionSeconds: apply.oldTransaction,
    attempts: apply.attempts,
    maxIndexBytes: apply.maxIndexBytes,
    reserveBytes: apply.reserveBytes,
    diskBytes: machine.diskBytes,
    replicaLagSeconds: apply.replicaLag,
    stopReplicaLagSeconds: apply.stopReplicaLag,
    slotRetainedBytes: apply.slotRetainedBytes,
  };
}

/** A rebuild changes nothing that a query could see, so it needs no advice: only a name. */
function reindexOf(text: string): OfferedChange {
  const [name = '', schema = 'public'] = text.split('.').reverse();
  if (name === '' || text.split('.').length > 2) {
    throw new OpsError('USAGE', `'${text}' does not name an index`, {
      hint: 'Give it as index, or schema.index.',
      exit: 'usage',
    });
  }
  return reindexChange({ schema, name, table: '?' });
}

/** @throws OpsError `USAGE` (exit 2) */
function assertOneChoice({ ids, reindex, declared, mend }: ApplyInput): void {
  const isChosen = ids.length > 0 || reindex.length > 0 || declared;
  if (isChosen !== mend) return;
  if (mend) {
    throw new OpsError('USAGE', 'Changes were chosen, and only mending as well', {
      hint: 'Leave out either --mend or the changes: whatever is applied, what an earlier run left is put right before it.',
      exit: 'usage',
    });
  }
  throw new OpsError('USAGE', 'Nothing was chosen', {
    hint: 'Choose changes of the latest advice by their ids with --index create-…,drop-… (see them with: ops database advise), or what database.indexes declares with --declared.',
    exit: 'usage',
  });
}
