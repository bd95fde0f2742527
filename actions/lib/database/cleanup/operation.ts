import { sourceDatabase } from '../../backup/index.ts';
import type { DatabaseConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Operation } from '../../reports/index.ts';
import { checksOf } from './checks.ts';
import { cleanUp } from './clean-up.ts';
import { type CleanupData, cleanupDataSchema } from './outcome.ts';
import { lines, summary } from './text.ts';

export interface CleanupInput {
  dryRun: boolean;
}

/** Deletes what the declared retention rules say, archived first. */
export const cleanupOperation: Operation<CleanupInput, CleanupData> = {
  kind: 'database.cleanup',
  dataSchema: cleanupDataSchema,
  async execute({ dryRun }, context) {
    const target = sourceDatabase(context);
    assertRules(context.config.database);
    const data = await cleanUp(context, target, dryRun);
    return { data, checks: checksOf(data), isDryRun: dryRun };
  },
  lines,
  summary,
};

function assertRules({ cleanup }: DatabaseConfig): void {
  if (cleanup.rules.length > 0) return;
  throw new OpsError('CONFIG_MISSING_VALUE', 'No retention rule is declared', {
    hint: 'Declare database.cleanup.rules in .github/ops.yml: { table: audit_log, column: created_at, olderThan: 90d }.',
    exit: 'usage',
  });
}
