export {
  type Explained,
  type ExplainMode,
  type ExplainOptions,
  explainPrepared,
  explainStatement,
  indexesInPlan,
  type PlanNode,
  planNodes,
  writesRows,
} from './explain.ts';
export { explainableSql } from './explainable.ts';
export { parameterSamples, parameterValues, typicalValue } from './parameters.ts';
export { loadParser, type ParsedStatement, parseStatement, type StatementKind } from './parser.ts';
export { type PreparedStatement, prepareStatement } from './prepare.ts';
export { resolveUsage } from './resolve.ts';
export type { WorkloadStatement } from './statement.ts';
export { columnsOf, isSameSubject, subjectSql } from './subject.ts';
export type {
  JoinUse,
  Operand,
  OrderKey,
  OrderUse,
  ParameterUse,
  PatternShape,
  Predicate,
  RelationUse,
  StatementUsage,
  Subject,
  Test,
  WrittenTable,
} from './usage.ts';
