import type { ParsedStatement, StatementUsage, WorkloadStatement } from '../statements/index.ts';

/** A statement that can be explained, with the values it is explained with. */
export interface PlannedStatement {
  id: number;
  workload: WorkloadStatement;
  parsed: ParsedStatement;
  usage: StatementUsage;
  /** Each a value for each parameter; what it costs is the mean over them. */
  samples: readonly (readonly (string | null)[])[];
}
