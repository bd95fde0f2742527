import type { Budget } from './budget.ts';
import type { CopySession } from './copy-session.ts';
import { judge } from './judge.ts';
import { measurePair } from './measurement.ts';
import { type IndexRef, type ProvableStatement, refKey } from './provable.ts';
import type { StatementProof } from './result.ts';

/** Two states of the database: what is hidden in each. */
export interface States {
  before: readonly IndexRef[];
  after: readonly IndexRef[];
}

/**
 * One statement in both states. What is planned alike in both, with every sample, is not executed: it cannot have
 * become slower. A change is executed all the same, for it writes to the indexes.
 */
export async function compareStatement(
  session: CopySession,
  statement: ProvableStatement,
  { before, after }: States,
  proposed: readonly IndexRef[],
): Promise<StatementProof> {
  const planned = await isPlannedAlike(session, statement, { before, after });
  if ('why' in planned) return unproved(statement, planned.why);
  if (planned.isAlike) {
    return { ...unproved(statement, 'its plan stays as it is'), outcome: 'same' };
  }
  const pair = await measurePair(session, statement, before, after);
  if (pair.kind === 'unproved') return unproved(statement, pair.why);
  const reads = proposed.filter(ref => pair.second.used.has(refKey(ref))).map(ref => ref.name);
  return {
    statement,
    outcome: judge(pair.first, pair.second),
    why: undefined,
    before: pair.first,
    after: pair.second,
    reads,
  };
}

/** All of them, what weighs most first; what the time does not suffice for is unproved. */
export async function compareStatements(
  session: CopySession,
  statements: readonly ProvableStatement[],
  states: States,
  proposed: readonly IndexRef[],
  time: { budget: Budget; share: number; signal: AbortSignal; done?: () => void },
): Promise<StatementProof[]> {
  const proofs = new Map<ProvableStatement, StatementProof>();
  for (const statement of [...statements].sort((a, b) => b.totalMs - a.totalMs)) {
    time.signal.throwIfAborted();
    proofs.set(
      statement,
      time.budget.isOver(time.share)
        ? unproved(statement, 'the time of the proof was over before it was its turn')
        : await compareStatement(session, statement, states, proposed),
    );
    time.done?.();
  }
  return statements.map(statement => proofs.get(statement)!);
}

async function isPlannedAlike(
  session: CopySession,
  { statement, samples }: ProvableStatement,
  { before, after }: States,
): Promise<{ isAlike: boolean } | { why: string }> {
  const prepared = await session.prepare(statement);
  if ('why' in prepared) return prepared;
  if (samples.length === 0) return { why: 'values for its parameters are not known' };
  let isAlike = true;
  for (const values of samples) {
    const plans = [
      await session.explain(statement, values, before),
      await session.explain(statement, values, after),
    ] as const;
    for (const each of plans) {
      if (each.kind === 'refused') return { why: each.why };
      if (each.kind === 'timed out') return { why: 'it could not even be planned within the time limit' };
      if (each.plan.isForeign) return { why: 'it reaches out of the copy, to a foreign server' };
      if (each.plan.isWrite) isAlike = false;
    }
    const [first, second] = plans;
    if (first.kind === 'explained' && second.kind === 'explained' && first.plan.shape !== second.plan.shape)
      isAlike = false;
  }
  return { isAlike };
}

function unproved(statement: ProvableStatement, why: string): StatementProof {
  return { statement, outcome: 'unproved', why, before: undefined, after: undefined, reads: [] };
}
