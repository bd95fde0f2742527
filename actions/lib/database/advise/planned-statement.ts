import type { ParsedStatement, StatementUsage, WorkloadStatement } from '../statements/index.ts';

/** A statement that can be explained, with the values it is explained with. */
export interface PlannedStatement {
  id: number;
  workload: WorkloadStatement;
  parsed: ParsedStatement;
  usage: StatementUsage;
  values: readonly (string | null)[];
}
