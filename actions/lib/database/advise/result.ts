import type { IndexDefinition } from '../indexes/index.ts';

/** What the advisor decided, by planner cost. Nothing of it is measured yet: see `prove`. */
export interface Advice {
  /** Best first: by what each saves of the workload when all the others are there. */
  chosen: ChosenIndex[];
  /** To be proved as well, although no planner could be asked about them. */
  unjudged: ChosenIndex[];
  /** Statements that nothing could be said about, or nothing helped. */
  unanswered: UnansweredStatement[];
  /** EXPLAINs that were asked for; a repeated question is answered from memory and not counted. */
  whatIfCalls: number;
  /** Milliseconds of the workload as measured, and as the planner's costs say it would be. */
  totalMsBefore: number;
  totalMsAfter: number;
  /** The sum over all statements of planner cost × calls. */
  totalCostBefore: number;
  totalCostAfter: number;
  budgetBytes: number;
  chosenBytes: number;
  /** Candidates that were looked at, and those that helped a statement on their own. */
  candidates: number;
  usefulCandidates: number;
  evaluator: EvaluatorKind;
  /** What limits the advice: an extension that is missing, tables that could not be copied. */
  notes: string[];
}

export type EvaluatorKind = 'hypopg' | 'planner copy';

export interface ChosenIndex {
  definition: IndexDefinition;
  /** `indexName(definition)`. */
  name: string;
  estimatedBytes: number;
  /** SQL that must have run before, such as `CREATE EXTENSION IF NOT EXISTS pg_trgm`. */
  prerequisites: string[];
  /** The statements whose plan uses it in the chosen set, the most relieved first. */
  statements: AdvisedStatement[];
  /** Milliseconds of the workload's window that go away with it, and those that writing it costs. */
  savedMs: number;
  writeMs: number;
  /** One sentence for a person. */
  reason: string;
}

export interface AdvisedStatement {
  fingerprint: string;
  costBefore: number;
  /** With the whole chosen set. */
  costAfter: number;
}

export interface UnansweredStatement {
  fingerprint: string;
  /** `not-explained`: the server refused it; `no-candidate`: nothing to index; `fast-enough`; `no-gain`; `utility`. */
  kind: 'not-explained' | 'no-candidate' | 'fast-enough' | 'no-gain' | 'utility' | 'not-parsed';
  why: string;
}
