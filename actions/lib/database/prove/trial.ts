import type { Budget } from './budget.ts';
import { type Built, dropIndex } from './builds.ts';
import { compareStatements, type States } from './compare.ts';
import type { CopySession } from './copy-session.ts';
import { type IndexRef, type ProvableStatement, refKey, refOf } from './provable.ts';
import type { StatementProof } from './result.ts';

export interface TrialTime {
  budget: Budget;
  signal: AbortSignal;
}

export type Rejection = { verdict: 'not offered' | 'unproved'; why: string };

/**
 * The set of indexes that is on trial, each of them built, and what the workload does with and without all of it. An
 * index that is rejected leaves the set and the copy, and what it touched is measured again.
 */
export class Trial {
  readonly session: CopySession;
  readonly time: TrialTime;
  /** By `refKey`. */
  readonly rejected = new Map<string, Rejection>();
  #set: readonly Built[];
  readonly #proofs = new Map<ProvableStatement, StatementProof>();

  constructor(session: CopySession, built: readonly Built[], time: TrialTime) {
    this.session = session;
    this.time = time;
    this.#set = [...built];
  }

  get set(): readonly Built[] {
    return this.#set;
  }

  get refs(): IndexRef[] {
    return this.#set.map(({ index }) => refOf(index));
  }

  get proofs(): readonly StatementProof[] {
    return [...this.#proofs.values()];
  }

  /** Today, and with the set: what an index replaces is then not there. */
  get states(): States {
    return { before: this.refs, after: replacedBy(this.#set) };
  }

  /** What to hide for the state with the set, but without `left`. */
  without(left: readonly Built[]): IndexRef[] {
    return [...left.map(({ index }) => refOf(index)), ...replacedBy(this.#set.filter(each => !left.includes(each)))];
  }

  /** @param share of the time: what it does not suffice for is unproved */
  async measure(statements: readonly ProvableStatement[], share: number, done?: () => void): Promise<void> {
    const time = { ...this.time, share, ...(done && { done }) };
    for (const proof of await compareStatements(this.session, statements, this.states, this.refs, time)) {
      this.#proofs.set(proof.statement, proof);
    }
  }

  /** A second measurement of the same, which decides where the first was noise. */
  amend(proof: StatementProof): void {
    this.#proofs.set(proof.statement, proof);
  }

  async reject(rejected: Built, rejection: Rejection, share: number): Promise<void> {
    const ref = refOf(rejected.index);
    const touched = this.proofs.filter(proof => isTouched(proof, rejected)).map(({ statement }) => statement);
    this.rejected.set(refKey(ref), rejection);
    this.#set = this.#set.filter(each => each !== rejected);
    await dropIndex(this.session, ref);
    await this.measure(touched, share);
  }
}

/** Whether the statement reads the index, or one that it replaces, or pays for writing it. */
export function isTouched(proof: StatementProof, { index }: Built): boolean {
  if (proof.reads.includes(index.name)) return true;
  if (index.replaces.some(ref => proof.before?.used.has(refKey(ref)))) return true;
  return proof.outcome === 'slower' && proof.after?.isWrite === true;
}

function replacedBy(built: readonly Built[]): IndexRef[] {
  return [...new Map(built.flatMap(({ index }) => index.replaces).map(ref => [refKey(ref), ref])).values()];
}
