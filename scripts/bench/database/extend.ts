import {
  msAt,
  type SizedCandidate,
  type WeightedStatement,
  type WhatIf,
} from '../../../actions/lib/database/advisor.ts';

/**
 * Extend, as its authors describe it (Schlosser, Kossmann, Boissier: Efficient Scalable Multi-Attribute Index Selection
 * Using Recursive Strategies, ICDE 2019): from nothing, in each step either a new index of one attribute or an index that
 * is there made longer by one, whichever takes most cost away for the bytes that it adds; until the budget is used up or
 * nothing gets cheaper. What an attribute is here, are the keys, conditions, methods and carried columns of the given
 * candidates, so that both searches choose from the same; a candidate with no shorter one below it may be added at once.
 */
export async function extend(problem: {
  statements: readonly WeightedStatement[];
  candidates: readonly SizedCandidate[];
  budgetBytes: number;
  whatIf: WhatIf;
}): Promise<SizedCandidate[][]> {
  const { statements, candidates, budgetBytes, whatIf } = problem;
  const shorter = new Map(candidates.map(each => [each, candidates.filter(other => isOneLonger(other, each))]));
  const starts = candidates.filter(each => shorter.get(each)!.length === 0);
  const cost = async (set: readonly SizedCandidate[]) => {
    let sum = 0;
    for (const each of statements) sum += msAt(each, await whatIf.cost(each.statement, set));
    return sum;
  };
  const steps: SizedCandidate[][] = [[]];
  let current: SizedCandidate[] = [];
  let currentCost = await cost(current);
  for (;;) {
    const moves = [
      ...starts.filter(each => !current.includes(each)).map(each => [...current, each]),
      ...candidates.flatMap(longer =>
        current.includes(longer)
          ? []
          : current
              .filter(each => shorter.get(longer)!.includes(each))
              .map(each => [...current.filter(other => other !== each), longer]),
      ),
    ];
    let best: { set: SizedCandidate[]; cost: number; rate: number } | undefined;
    for (const set of moves) {
      if (bytes(set) > budgetBytes) continue;
      const next = await cost(set);
      const rate = (currentCost - next) / Math.max(8192, bytes(set) - bytes(current));
      if (next < currentCost * leastImprovement && (!best || rate > best.rate)) best = { set, cost: next, rate };
    }
    if (!best) return steps;
    current = best.set;
    currentCost = best.cost;
    steps.push(current);
  }
}

/** Steps that change nothing but the last digits of a cost would not end. */
const leastImprovement = 0.99999;

/** Whether `long` is `short` and one more key, or the same keys and columns carried along. */
function isOneLonger(short: SizedCandidate, long: SizedCandidate): boolean {
  const [a, b] = [short.definition, long.definition];
  if (a.schema !== b.schema || a.table !== b.table || a.method !== b.method || a.where !== b.where) return false;
  if (a.include.length > 0) return false;
  const isPrefix = a.keys.every((key, n) => JSON.stringify(key) === JSON.stringify(b.keys[n]));
  const more = b.keys.length - a.keys.length;
  return isPrefix && (b.include.length > 0 ? more === 0 : more === 1);
}

function bytes(set: readonly SizedCandidate[]): number {
  return set.reduce((sum, each) => sum + each.bytes, 0);
}
