export { type AdviseOptions, Advisor, advise } from './advise.ts';
export { type Candidate, type SizedCandidate, serves } from './candidate.ts';
export { findHypopg } from './hypopg.ts';
export type { Advice, AdvisedStatement, ChosenIndex, EvaluatorKind, UnansweredStatement } from './result.ts';
export type { SelectionProblem } from './select.ts';
export { estimateBytes } from './size.ts';
export { msAt, type WeightedStatement } from './weigh.ts';
export type { WhatIf } from './what-if.ts';
