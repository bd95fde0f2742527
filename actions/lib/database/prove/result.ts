import type { Measurement } from './measurement.ts';
import type { IndexRef, ProposedIndex, ProvableStatement } from './provable.ts';
import type { WriteCost } from './write-cost.ts';

/** What was measured on the copy. Milliseconds of the workload are production's: of the window that was read there. */
export interface Proof {
  /** In the order they were proposed. */
  indexes: IndexProof[];
  removals: RemovalProof[];
  statements: StatementProof[];
  /** What is left of the workload's time with all that is offered. */
  totalMsBefore: number;
  totalMsAfter: number;
  /** What limits the proof. */
  notes: string[];
  seconds: number;
}

export interface IndexProof {
  index: ProposedIndex;
  /** Only what is `offered` may be built in production. */
  verdict: 'offered' | 'not offered' | 'unproved';
  /** One sentence for a person. */
  why: string;
  build: Build | undefined;
  /** Fingerprints of the statements that read it and are faster by it. */
  users: string[];
  /** What the workload would take longer without it, all the others being there. */
  savedMs: number;
  write: WriteCost | undefined;
}

export interface Build {
  seconds: number;
  bytes: number;
}

/** An index of today, and what the workload does without it. */
export interface RemovalProof {
  index: IndexRef;
  verdict: 'offered' | 'not offered' | 'unproved';
  why: string;
  /** Fingerprints of the statements that read it as long as it is there. */
  users: string[];
}

export interface StatementProof {
  statement: ProvableStatement;
  outcome: 'faster' | 'same' | 'slower' | 'unproved';
  /** Why it is unproved, or that its plan stays as it is. */
  why: string | undefined;
  /** Undefined where it was not executed. */
  before: Measurement | undefined;
  after: Measurement | undefined;
  /** Names of the proposed indexes that it reads. */
  reads: string[];
}
