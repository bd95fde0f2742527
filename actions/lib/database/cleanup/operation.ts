import type { DatabaseConfig } from '../../config/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { type PostgresTarget, parsePostgresUrl } from '../../postgres/index.ts';
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
    const target = targetOf(context);
    assertRules(context.config.database);
    const data = await cleanUp(context, target, dryRun);
    return { data, checks: checksOf(data), isDryRun: dryRun };
  },
  lines,
  summary,
};

function targetOf({ secrets }: Pick<OpsContext, 'secrets'>): PostgresTarget {
  if (secrets.databaseUrl) return parsePostgresUrl(secrets.databaseUrl);
  throw new OpsError('CONFIG_MISSING_VALUE', 'DATABASE_URL is not set', {
    hint: 'Set DATABASE_URL in the environment: postgres://user:password@host:5432/database.',
    exit: 'usage',
  });
}

function assertRules({ cleanup }: DatabaseConfig): void {
  if (cleanup.rules.length > 0) return;
  throw new OpsError('CONFIG_MISSING_VALUE', 'No retention rule is declared', {
    hint: 'Declare database.cleanup.rules in .github/ops.yml: { table: audit_log, column: created_at, olderThan: 90d }.',
    exit: 'usage',
  });
}
