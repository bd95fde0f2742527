import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { quoteLiteral } from '../../postgres/index.ts';
import type { ParsedStatement } from './parser.ts';
import { type PreparedStatement, prepareStatement } from './prepare.ts';

/** One node of a plan, as `EXPLAIN (FORMAT JSON)` writes it; fields that are not named here are there as well. */
export interface PlanNode {
  'Node Type': string;
  'Startup Cost': number;
  'Total Cost': number;
  'Plan Rows': number;
  'Plan Width': number;
  'Relation Name'?: string;
  Schema?: string;
  Alias?: string;
  'Index Name'?: string;
  Plans?: PlanNode[];
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Actual Total Time'?: number;
  [field: string]: unknown;
}

export interface Explained {
  plan: PlanNode;
  planningMs: number | undefined;
  /** With `analyze` only. */
  executionMs: number | undefined;
}

export type ExplainMode =
  /** One plan for all values, as a prepared statement ends up with. */
  | { kind: 'generic' }
  /** Values by position as text. */
  | { kind: 'values'; values: readonly (string | null)[] };

export interface ExplainOptions {
  analyze?: boolean;
  buffers?: boolean;
  /** Needed with `analyze` for a statement that writes: it is executed, and rolled back. */
  mayExecuteWrites?: boolean;
  settings?: boolean;
  /** Schemas and output columns in the plan. Default true; a search that asks thousands of times leaves it out. */
  verbose?: boolean;
}

/**
 * The plan of a statement, on PostgreSQL 13 to 18. The statement is PREPAREd, so that values are read by the types that
 * the server inferred; a generic plan is asked for by `plan_cache_mode`, which is the same plan that GENERIC_PLAN of 16
 * and later shows. Executed only with `analyze`, and then in a transaction that is rolled back.
 * Codes: SQL_REFUSED; SQL_WRITES when a statement that writes was to be executed without leave.
 */
export async function explainStatement(
  client: pg.Client,
  statement: ParsedStatement,
  mode: ExplainMode,
  options: ExplainOptions = {},
): Promise<Explained> {
  const writes = writesRows(statement);
  if (options.analyze && writes && !options.mayExecuteWrites) {
    throw new OpsError('SQL_WRITES', 'A statement that writes is executed only where that was allowed', {
      hint: 'Measure it on a restored copy.',
    });
  }
  const prepared = await prepareStatement(client, statement);
  if (!options.analyze) return explainPrepared(client, prepared, mode, options);
  await client.query('BEGIN');
  try {
    return await explainPrepared(client, prepared, mode, options);
  } finally {
    await client.query('ROLLBACK').catch(() => {});
  }
}

/** The same for a statement that is prepared already: one round trip, for a search that asks thousands of times. */
export async function explainPrepared(
  client: pg.Client,
  prepared: PreparedStatement,
  mode: ExplainMode,
  options: ExplainOptions = {},
): Promise<Explained> {
  const words = ['FORMAT JSON', ...(options.analyze ? ['ANALYZE'] : [])];
  if (options.verbose !== false) words.push('VERBOSE');
  if (options.buffers) words.push('BUFFERS');
  if (options.settings) words.push('SETTINGS');
  // Without parameters there is no custom plan: the first plan would be kept, whatever index comes or goes.
  const what = prepared.types.length === 0 ? prepared.sql : `EXECUTE ${prepared.name}${argumentList(prepared, mode)}`;
  const before =
    mode.kind === 'generic'
      ? 'DISCARD PLANS; SET LOCAL plan_cache_mode = force_generic_plan'
      : 'SET LOCAL plan_cache_mode = force_custom_plan';
  // One simple query of two statements. The setting lasts as long as the transaction, or as this message.
  const results = (await client.query(
    `${before}; EXPLAIN (${words.join(', ')}) ${what}`,
  )) as unknown as pg.QueryResult<{ 'QUERY PLAN': ExplainRow[] }>[];
  const row = results.at(-1)!.rows[0]!['QUERY PLAN'][0]!;
  return { plan: row.Plan, planningMs: row['Planning Time'], executionMs: row['Execution Time'] };
}

interface ExplainRow {
  Plan: PlanNode;
  'Planning Time'?: number;
  'Execution Time'?: number;
}

function argumentList(prepared: PreparedStatement, mode: ExplainMode): string {
  const values = prepared.types.map((_, n) => (mode.kind === 'values' ? (mode.values[n] ?? null) : null));
  return `(${values.map(value => (value === null ? 'NULL' : quoteLiteral(value))).join(', ')})`;
}

/** Also a SELECT with a writing CTE, or one that calls for locks, which need the right to update. */
export function writesRows(statement: ParsedStatement): boolean {
  if (statement.kind !== 'select') return true;
  const text = JSON.stringify(statement.node);
  return /"(InsertStmt|UpdateStmt|DeleteStmt|MergeStmt|lockingClause)"/.test(text);
}

/** Every node of the plan, from the top down. */
export function planNodes(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(planNodes)];
}

/** Names of the indexes that the plan reads. */
export function indexesInPlan(plan: PlanNode): Set<string> {
  return new Set(planNodes(plan).flatMap(node => node['Index Name'] ?? []));
}
