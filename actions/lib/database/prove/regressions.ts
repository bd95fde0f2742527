import type { Built } from './builds.ts';
import { compareStatement } from './compare.ts';
import { judge } from './judge.ts';
import { measurePair } from './measurement.ts';
import { refKey, refOf } from './provable.ts';
import type { StatementProof } from './result.ts';
import { isTouched, type Trial } from './trial.ts';

/**
 * Takes out of the set what makes another statement slower. Whose fault it is, is tried: without which index alone is it
 * not slower any more? A change that only pays for keeping an index is no regression; that is weighed later.
 */
export async function rejectRegressions(trial: Trial, share: number): Promise<void> {
  const settled = new Set<unknown>();
  for (;;) {
    trial.time.signal.throwIfAborted();
    const slower = trial.proofs.find(
      proof => proof.outcome === 'slower' && !settled.has(proof.statement) && suspectsOf(proof, trial).length > 0,
    );
    if (!slower) return;
    settled.add(slower.statement);
    // One measurement in twenty is unlucky: an index is not thrown away for that.
    const again = await compareStatement(trial.session, slower.statement, trial.states, trial.refs);
    trial.amend(again);
    if (again.outcome !== 'slower') continue;
    const blamed = await blame(trial, again);
    for (const each of blamed) {
      const factor = slowdown(again);
      await trial.reject(
        each,
        { verdict: 'not offered', why: `it makes a statement of the workload slower (${factor}): ${label(again)}` },
        share,
      );
    }
  }
}

/** The index without which alone the statement is as fast as before; else all that it reads together. */
async function blame(trial: Trial, proof: StatementProof): Promise<Built[]> {
  const suspects = suspectsOf(proof, trial);
  for (const suspect of suspects) if (await isHealedWithout(trial, proof, [suspect])) return [suspect];
  return suspects.length > 1 && (await isHealedWithout(trial, proof, suspects)) ? suspects : [];
}

async function isHealedWithout(trial: Trial, { statement }: StatementProof, left: readonly Built[]): Promise<boolean> {
  const pair = await measurePair(trial.session, statement, trial.states.before, trial.without(left));
  return pair.kind === 'measured' && judge(pair.first, pair.second) !== 'slower';
}

/** The least useful first: what has to go should not be what others need. */
function suspectsOf(proof: StatementProof, trial: Trial): Built[] {
  const useOf = (each: Built) =>
    trial.proofs
      .filter(other => other.outcome === 'faster' && other.reads.includes(each.index.name))
      .reduce((sum, other) => sum + other.statement.totalMs, 0);
  return trial.set
    .filter(each => proof.reads.includes(each.index.name) || isReplacing(proof, each))
    .sort((a, b) => useOf(a) - useOf(b));
}

function isReplacing(proof: StatementProof, each: Built): boolean {
  return each.index.replaces.length > 0 && isTouched(proof, each) && !proof.after?.used.has(refKey(refOf(each.index)));
}

export function slowdown({ before, after }: StatementProof): string {
  if (!before || !after) return 'slower';
  if (after.limitMs !== undefined) return `over ${after.limitMs / 1000} s instead of ${before.ms.toFixed(1)} ms`;
  return `${after.ms.toFixed(2)} ms instead of ${before.ms.toFixed(2)} ms`;
}

/** Fingerprints are safe to show wherever the report goes; the text is looked up by them. */
export function label({ statement }: StatementProof): string {
  return `statement ${statement.statement.fingerprint}`;
}
