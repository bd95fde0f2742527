import type pg from 'pg';
import { explainPrepared, indexesInPlan, type PlanNode, planNodes, prepareStatement } from '../statements/index.ts';
import type { PlannedStatement } from './planned-statement.ts';

/** What the planner would do now, with each sample of the statement's values. Codes: SQL_REFUSED. */
export async function explainSamples(
  client: pg.Client,
  statement: PlannedStatement,
): Promise<{ cost: number; names: ReadonlySet<string>; filters: readonly string[] }> {
  const prepared = await prepareStatement(client, statement.parsed);
  const names = new Set<string>();
  const filters = new Set<string>();
  let sum = 0;
  for (const values of statement.samples) {
    const { plan } = await explainPrepared(client, prepared, { kind: 'values', values }, { verbose: false });
    sum += costOf(plan);
    for (const name of indexesInPlan(plan)) names.add(name);
    for (const filter of filtersOf(plan)) filters.add(filter);
  }
  return { cost: sum / statement.samples.length, names, filters: [...filters] };
}

/** Of what a LIMIT leaves unread, so much is reckoned to be read after all. */
const unevenShare = 0.03;

/**
 * The planner's cost; more where a LIMIT is to end early a scan that throws rows away. There the planner takes the rows
 * that match to be spread evenly over what it reads, and a single mistake of that kind costs what a hundred good guesses save.
 */
function costOf(plan: PlanNode): number {
  const limit = planNodes(plan).find(node => node['Node Type'] === 'Limit');
  const [below] = limit?.Plans ?? [];
  if (!limit || !below || !planNodes(below).some(throwsAway)) return plan['Total Cost'];
  return plan['Total Cost'] + Math.max(0, below['Total Cost'] - limit['Total Cost']) * unevenShare;
}

function filtersOf(plan: PlanNode): string[] {
  return planNodes(plan).flatMap(node =>
    [node.Filter, node['Join Filter']].filter(filter => typeof filter === 'string'),
  );
}

function throwsAway(node: PlanNode): boolean {
  const [outer] = node.Plans ?? [];
  const isJoin = node['Node Type'] === 'Nested Loop' || / Join$/.test(node['Node Type']);
  return 'Filter' in node || (isJoin && outer !== undefined && node['Plan Rows'] < outer['Plan Rows']);
}
