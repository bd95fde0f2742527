import type pg from 'pg';
import { quoteLiteral } from '../../postgres/index.ts';
import type { ExpectedUser } from './change.ts';
import { single } from './single.ts';

export interface PlannerAnswer {
  fingerprint: string;
  /** Null: the plan could not be asked for. */
  isUsed: boolean | null;
  problem: string | null;
}

/**
 * Whether the planner uses one of `indexNames` for each statement, asked with EXPLAIN in a transaction that only reads:
 * nothing is executed. With the parameters of the advice where it had real ones, else for the generic plan.
 */
export async function askPlanner(
  client: pg.Client,
  users: readonly ExpectedUser[],
  indexNames: ReadonlySet<string>,
): Promise<PlannerAnswer[]> {
  const answers: PlannerAnswer[] = [];
  for (const { fingerprint, text, parameters } of users) {
    await client.query('begin read only');
    try {
      const names = await indexesOfPlan(client, text, parameters);
      answers.push({ fingerprint, isUsed: names.some(name => indexNames.has(name)), problem: null });
    } catch (thrown) {
      answers.push({ fingerprint, isUsed: null, problem: (thrown as Error).message });
    } finally {
      await client.query('rollback');
    }
  }
  return answers;
}

async function indexesOfPlan(
  client: pg.Client,
  text: string,
  parameters: readonly (string | null)[] | undefined,
): Promise<string[]> {
  await client.query("set local statement_timeout = '10s'");
  // GENERIC_PLAN came with 16; this does the same on every version.
  if (parameters === undefined) await client.query("set local plan_cache_mode = 'force_generic_plan'");
  else await client.query("set local plan_cache_mode = 'force_custom_plan'");
  await client.query(single(`prepare production_ops_verify as ${text}`));
  try {
    const { rows: types } = await client.query<{ count: number }>(
      `select pg_catalog.cardinality(parameter_types) as count from pg_catalog.pg_prepared_statements
        where name = 'production_ops_verify'`,
    );
    const count = types[0]?.count ?? 0;
    const values = Array.from({ length: count }, (_, i) => literal(parameters?.[i] ?? null));
    const list = count > 0 ? ` (${values.join(', ')})` : '';
    const { rows } = await client.query<{ 'QUERY PLAN': unknown }>(
      single(`explain (format json) execute production_ops_verify${list}`),
    );
    return indexNamesIn(rows[0]?.['QUERY PLAN']);
  } finally {
    // A failed transaction has dropped nothing: prepared statements are not part of it.
    await client.query('rollback');
    await client.query('deallocate production_ops_verify').catch(() => {});
    await client.query('begin');
  }
}

function literal(value: string | null): string {
  return value === null ? 'null' : quoteLiteral(value);
}

function indexNamesIn(plan: unknown): string[] {
  if (Array.isArray(plan)) return plan.flatMap(indexNamesIn);
  if (typeof plan !== 'object' || plan === null) return [];
  return Object.entries(plan).flatMap(([key, value]) =>
    key === 'Index Name' && typeof value === 'string' ? [value] : indexNamesIn(value),
  );
}
