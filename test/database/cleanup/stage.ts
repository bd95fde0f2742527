import { cleanupOperation } from '../../../actions/lib/database/cleanup/operation.ts';
import { type CleanupData, cleanupDataSchema } from '../../../actions/lib/database/cleanup/outcome.ts';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import type { Check } from '../../../actions/lib/reports/index.ts';
import type { ConfigInput, ContextOptions, TestContext, World } from '../../backup/harness.ts';

export type CleanupConfig = NonNullable<NonNullable<ConfigInput['database']>['cleanup']>;
export type RuleConfig = NonNullable<CleanupConfig['rules']>[number];

export interface Cleaned {
  data: CleanupData;
  checks: Check[];
  context: TestContext;
}

export interface CleanupGiven extends ContextOptions {
  dryRun?: boolean;
  cleanup?: CleanupConfig;
  database?: ConfigInput['database'];
  /** Called with each line of the log, as it comes. */
  onLine?: (line: string) => void;
}

/** Follows the rules on a real database, as the command does. */
export async function clean(
  world: World,
  target: PostgresTarget,
  rules: RuleConfig[],
  given: CleanupGiven = {},
): Promise<Cleaned> {
  const { dryRun = false, cleanup, database, onLine, ...options } = given;
  const context = await world.context({
    ...options,
    env: { DATABASE_URL: target.url, ...options.env },
    config: { ...options.config, database: { ...database, cleanup: { rules, ...cleanup } } },
  });
  const log = Object.fromEntries(
    (['debug', 'info', 'warn', 'error'] as const).map(level => [
      level,
      (message: string) => {
        context.log[level](message);
        onLine?.(`${level}: ${message}`);
      },
    ]),
  ) as unknown as TestContext['log'];
  const outcome = await cleanupOperation.execute({ dryRun }, { ...context, log });
  return { data: cleanupDataSchema.parse(outcome.data), checks: outcome.checks, context };
}

/** `rows` rows, `old` of them a year old, the others of today. */
export const events = (old = 3000, rows = 5000) => `
  create table events (id bigint primary key, at timestamptz not null, level text not null, note text);
  insert into events select n, now() - case when n <= ${old} then interval '365 days' + n * interval '1 second' else interval '1 hour' end,
         case when n % 2 = 0 then 'debug' else 'info' end, 'note ' || n
    from generate_series(1, ${rows}) n;
  create index events_at on events (at);
  analyze events;`;

export const old: RuleConfig = { table: 'events', column: 'at', olderThan: '90d', archive: false };
