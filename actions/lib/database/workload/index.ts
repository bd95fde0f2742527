export { type Deltas, deltasOf, type Reading, readingOf, readingSchema, type StatementDelta } from './delta.ts';
export { type MeasuredStatement, measureStatements } from './group.ts';
export { type RawStatement, type RawStatements, readStatements, type StatementsProblem } from './read-statements.ts';
export { hasLiteral, redactStatement } from './redact.ts';
export { readWorkloadStatements } from './workload.ts';
