import type { PlannedStatement } from './planned-statement.ts';

/** A statement, and what its planner cost is worth in time. */
export interface WeightedStatement {
  statement: PlannedStatement;
  /** Cost without any candidate. */
  base: number;
  /** Milliseconds of the window for one unit of that cost, all calls together. */
  msPerCost: number;
  /** The same as most statements of the workload take it for their plans; never more than `msPerCost`. */
  usualMsPerCost: number;
}

/** What the planner says of a plan. */
export interface PlanCost {
  cost: number;
  /** It calls a function that takes long for every row that no index chose by it. */
  filtersCostly: boolean;
}

/** The planner is asked about statements from this cost on; below it a ratio says nothing. */
const leastKnownCost = 40;
/** How soon the error of a plan goes with the plan: of half the cost an eighth of it is left. */
const errorVanishes = 3;

/**
 * Milliseconds of the window at another cost of the statement. Not in proportion where its time is far from what its cost is
 * worth elsewhere: there the planner took the plan of today for cheaper than it is, and of another plan it is not as
 * wrong again. In proportion, what is left of such a statement would look like the largest part of the workload, and the
 * storage would go to whatever makes a good plan of it a little better. But the calls of a costly function, of which the
 * planner knows only a rough cost, stay an error of every plan that makes them: there it is in proportion.
 */
export function msAt(
  { base, msPerCost, usualMsPerCost }: WeightedStatement,
  { cost, filtersCostly }: PlanCost,
): number {
  if (cost >= base || filtersCostly) return cost * msPerCost;
  const error = (msPerCost - usualMsPerCost) * base;
  return cost * usualMsPerCost + error * (cost / base) ** errorVanishes;
}

/**
 * What a unit of planner cost is worth in each statement. @param base costs by the id of the statement: those without one
 * could not be explained, and are left out
 */
export function weigh(planned: readonly PlannedStatement[], base: ReadonlyMap<number, number>): WeightedStatement[] {
  const known = planned.filter(({ id, workload }) => base.has(id) && workload.totalMs > 0);
  const costs = known.reduce((sum, { id, workload }) => sum + base.get(id)! * workload.calls, 0);
  const times = known.reduce((sum, { workload }) => sum + workload.totalMs, 0);
  // A statement whose time is not known takes what its cost would take elsewhere.
  const mean = costs > 0 ? times / costs : 0.01;
  const usual = usualOf(known, base) ?? mean;
  return planned.flatMap(statement => {
    const cost = base.get(statement.id);
    if (cost === undefined) return [];
    const { totalMs, calls } = statement.workload;
    const msPerCost = totalMs > 0 ? totalMs / Math.max(cost, 1e-6) : mean * calls;
    return [{ statement, base: cost, msPerCost, usualMsPerCost: Math.min(msPerCost, usual * calls) }];
  });
}

/** The median, of one call: neither the one statement that takes most of the time nor a bad moment of a few moves it. */
function usualOf(known: readonly PlannedStatement[], base: ReadonlyMap<number, number>): number | undefined {
  const rates = known
    .filter(({ id, workload }) => workload.calls > 0 && base.get(id)! >= leastKnownCost)
    .map(({ id, workload }) => workload.totalMs / workload.calls / base.get(id)!)
    .sort((a, b) => a - b);
  return rates[rates.length >> 1];
}
