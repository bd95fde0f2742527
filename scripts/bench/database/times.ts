import type { CopySession, IndexRef } from '../../../actions/lib/database/advisor.ts';
import type { StagedStatement } from './stage.ts';

/** Milliseconds of one call of a statement in each state. */
export interface Times<State extends string> {
  of: StagedStatement;
  ms: Record<State, number>;
}

const repeats = 3;

/**
 * Runs every statement with all of its values in each state, by turns, so that noise falls on all of them: the mean over
 * the values of the median of the repeats. The first run warms the cache and does not count.
 * @param hidden what is not there in the state
 */
export async function measureStates<State extends string>(
  session: CopySession,
  statements: readonly StagedStatement[],
  hidden: Readonly<Record<State, readonly IndexRef[]>>,
): Promise<Times<State>[]> {
  const states = Object.keys(hidden) as State[];
  const found: Times<State>[] = [];
  for (const of of statements) {
    const ms = Object.fromEntries(states.map(state => [state, 0])) as Record<State, number>;
    for (const values of of.samples) {
      const runs = new Map<State, number[]>(states.map(state => [state, []]));
      for (let repeat = -1; repeat < repeats; repeat++) {
        for (const state of states) {
          const ran = await session.run(of.statement, values, hidden[state]);
          if (ran.kind !== 'ran')
            throw new Error(`'${of.name}': ${ran.kind === 'refused' ? ran.why : 'it took too long'}`);
          if (repeat >= 0) runs.get(state)!.push(ran.run.ms);
        }
      }
      for (const state of states) ms[state] += median(runs.get(state)!) / of.samples.length;
    }
    found.push({ of, ms });
  }
  return found;
}

/** Of a day. */
export function totalMs<State extends string>(times: readonly Times<State>[], state: State): number {
  return times.reduce((sum, { of, ms }) => sum + ms[state] * of.calls, 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
