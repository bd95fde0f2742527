import { compareStatements } from './compare.ts';
import type { CopySession } from './copy-session.ts';
import { type IndexRef, type ProvableStatement, refKey } from './provable.ts';
import { label, slowdown } from './regressions.ts';
import type { RemovalProof, StatementProof } from './result.ts';
import type { TrialTime } from './trial.ts';

/**
 * Leaves out an index of today, with everything there that is offered: only what makes no statement of the workload
 * slower may go. Those that pass are left out together from then on, since two may cover for each other.
 *
 * @param hidden what an offered index replaces, and so is not there any more
 */
export async function proveRemovals(
  session: CopySession,
  removals: readonly IndexRef[],
  statements: readonly ProvableStatement[],
  hidden: readonly IndexRef[],
  time: TrialTime & { share: number },
): Promise<RemovalProof[]> {
  const proofs: RemovalProof[] = [];
  let gone = [...hidden];
  for (const index of removals) {
    time.signal.throwIfAborted();
    if (!session.knows(index)) {
      proofs.push({ index, verdict: 'unproved', why: 'it is not on the copy, which is older', users: [] });
      continue;
    }
    const name = refKey(index);
    const without = [...gone, index];
    const compared = await compareStatements(session, statements, { before: gone, after: without }, [], time);
    const users = compared.filter(proof => proof.before?.used.has(name) && !proof.before.isWrite);
    const slower = compared.find(
      proof => proof.outcome === 'slower' && !(proof.after?.isWrite && !proof.before?.used.has(name)),
    );
    // One that could not be measured, and reads it as far as its plan says, speaks for the index.
    const late = [];
    for (const proof of compared) {
      if (
        proof.outcome === 'unproved' &&
        (isOutOfTime(proof.why) || (await isPlannedWith(session, proof, index, gone)))
      )
        late.push(proof);
    }
    const verdict = slower ? 'not offered' : late.length > 0 ? 'unproved' : 'offered';
    proofs.push({
      index,
      verdict,
      why: slower
        ? `without it a statement of the workload is slower (${slowdown(slower)}): ${label(slower)}`
        : verdict === 'unproved'
          ? `${late.length} statements that may read it could not be measured without it`
          : users.length > 0
            ? `${users.length} statements read it, and none is slower without it`
            : 'no statement of the workload reads it',
      users: users.map(proof => proof.statement.statement.fingerprint),
    });
    if (verdict === 'offered') gone = without;
  }
  return proofs;
}

function isOutOfTime(why: string | undefined): boolean {
  return why?.startsWith('the time of the proof') === true;
}

async function isPlannedWith(
  session: CopySession,
  { statement }: StatementProof,
  index: IndexRef,
  hidden: readonly IndexRef[],
): Promise<boolean> {
  for (const values of statement.samples) {
    const explained = await session.explain(statement.statement, values, hidden);
    if (explained.kind === 'explained' && explained.plan.indexes.has(index.name)) return true;
  }
  return false;
}
