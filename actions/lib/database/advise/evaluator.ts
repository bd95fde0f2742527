import type { SizedCandidate } from './candidate.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { EvaluatorKind } from './result.ts';

/** Answers what the planner would do if some indexes existed. */
export interface Evaluator extends AsyncDisposable {
  readonly kind: EvaluatorKind;
  readonly notes: readonly string[];
  /** Makes candidates known, and returns those that it can judge; the reason for others is the server's. */
  offer(candidates: readonly SizedCandidate[]): Promise<Refusal[]>;
  /** Rows that a condition on a table lets through, by the planner's estimate. */
  rowsWhere(table: { schema: string; name: string }, where: string): Promise<number>;
  /** The plan with exactly these candidates beside the indexes that exist. Codes: SQL_REFUSED. */
  explain(statement: PlannedStatement, candidates: readonly SizedCandidate[]): Promise<Evaluation>;
}

export interface Refusal {
  id: string;
  reason: string;
}

export interface Evaluation {
  /** The mean over the samples of the statement. */
  cost: number;
  /** Ids of the candidates that a plan reads. */
  used: ReadonlySet<string>;
  /** Conditions that the plan asks of rows that no index chose by them. */
  filters: readonly string[];
}
