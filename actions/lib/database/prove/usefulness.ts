import type { Built } from './builds.ts';
import { judge } from './judge.ts';
import { measurePair } from './measurement.ts';
import { refOf } from './provable.ts';
import type { StatementProof } from './result.ts';
import type { Trial } from './trial.ts';

/** What the workload would take longer without one index, all the others being there. */
export interface Usefulness {
  savedMs: number;
  /** Fingerprints. */
  users: string[];
}

/**
 * Leaves out one index after the other, the one that serves least first: what the rest does as well without is not
 * offered. An index that replaces others is judged by what it does not break instead.
 */
export async function rejectUseless(trial: Trial, share: number): Promise<Map<Built, Usefulness>> {
  const useful = new Map<Built, Usefulness>();
  const queue = [...trial.set].sort((a, b) => gainOf(trial, a) - gainOf(trial, b));
  for (const each of queue) {
    trial.time.signal.throwIfAborted();
    const rejection = await tryWithout(trial, each, share, useful);
    if (rejection) await trial.reject(each, rejection, share);
  }
  return useful;
}

async function tryWithout(
  trial: Trial,
  each: Built,
  share: number,
  useful: Map<Built, Usefulness>,
): Promise<{ verdict: 'not offered' | 'unproved'; why: string } | undefined> {
  const readers = trial.proofs.filter(proof => proof.reads.includes(each.index.name));
  if (each.index.replaces.length > 0) return judgeMerge(each, readers, useful);
  if (readers.length === 0) {
    const open = trial.proofs.filter(proof => proof.outcome === 'unproved').length;
    return trial.time.budget.isOver(share) && open > 0
      ? { verdict: 'unproved', why: `${open} statements were not measured before the time of the proof was over` }
      : { verdict: 'not offered', why: 'the planner does not use it for any statement of the workload' };
  }
  const gainers = readers.filter(proof => proof.outcome === 'faster');
  if (gainers.length === 0) return { verdict: 'not offered', why: 'the statements that read it are not faster by it' };
  const use: Usefulness = { savedMs: 0, users: [] };
  let unmeasured = 0;
  for (const proof of gainers) {
    const saved = await savedBy(trial, each, proof, share);
    if (saved === 'no time') unmeasured++;
    else if (saved > 0) {
      use.savedMs += saved;
      use.users.push(proof.statement.statement.fingerprint);
    }
  }
  if (use.users.length > 0) {
    useful.set(each, use);
    return undefined;
  }
  return unmeasured > 0
    ? { verdict: 'unproved', why: 'the time of the proof was over before the workload was measured without it' }
    : { verdict: 'not offered', why: 'the other indexes of this advice do as well without it' };
}

/** Milliseconds of the workload that one statement owes to one index; 0 within what noise is. */
async function savedBy(trial: Trial, each: Built, proof: StatementProof, share: number): Promise<number | 'no time'> {
  const { statement, before, after } = proof;
  if (!before || !after) return 0;
  const share0 = (ms: number) => (statement.totalMs * Math.max(0, ms)) / Math.max(before.ms, Number.MIN_VALUE);
  // It reads no other index of the set: without it, it is where it was before.
  if (proof.reads.length === 1 && (await isBackWhereItWas(trial, each, proof))) return share0(before.ms - after.ms);
  if (trial.time.budget.isOver(share)) return 'no time';
  const pair = await measurePair(trial.session, statement, trial.states.after, trial.without([each]));
  if (pair.kind === 'unproved') return 0;
  return judge(pair.first, pair.second) === 'slower' ? share0(pair.second.ms - pair.first.ms) : 0;
}

async function isBackWhereItWas(trial: Trial, each: Built, { statement }: StatementProof): Promise<boolean> {
  for (const values of statement.samples) {
    const without = await trial.session.explain(statement.statement, values, trial.without([each]));
    const before = await trial.session.explain(statement.statement, values, trial.states.before);
    if (without.kind !== 'explained' || before.kind !== 'explained') return false;
    if (without.plan.shape !== before.plan.shape) return false;
  }
  return true;
}

function judgeMerge(
  each: Built,
  readers: readonly StatementProof[],
  useful: Map<Built, Usefulness>,
): { verdict: 'not offered' | 'unproved'; why: string } | undefined {
  const names = each.index.replaces.map(ref => ref.name).join(', ');
  if (readers.length === 0)
    return { verdict: 'not offered', why: `no statement of the workload reads it in place of ${names}` };
  const slower = readers.filter(proof => proof.outcome === 'slower').length;
  if (slower > 0) return { verdict: 'not offered', why: `${slower} statements are slower than with ${names}` };
  const users = readers
    .filter(proof => proof.outcome !== 'unproved')
    .map(proof => proof.statement.statement.fingerprint);
  useful.set(each, { savedMs: 0, users });
  return undefined;
}

function gainOf(trial: Trial, { index }: Built): number {
  return trial.proofs
    .filter(proof => proof.reads.includes(refOf(index).name) && proof.outcome === 'faster')
    .reduce(
      (sum, { statement, before, after }) => sum + statement.totalMs * (1 - after!.ms / Math.max(before!.ms, 1e-9)),
      0,
    );
}
