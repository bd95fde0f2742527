import type { PlannedStatement } from './planned-statement.ts';
import type { WeightedStatement } from './select.ts';

/**
 * What a unit of planner cost is worth in each statement. @param base costs by the id of the statement: those without one
 * could not be explained, and are left out
 */
export function weigh(planned: readonly PlannedStatement[], base: ReadonlyMap<number, number>): WeightedStatement[] {
  const known = planned.filter(({ id, workload }) => base.has(id) && workload.totalMs > 0);
  const costs = known.reduce((sum, { id, workload }) => sum + base.get(id)! * workload.calls, 0);
  const times = known.reduce((sum, { workload }) => sum + workload.totalMs, 0);
  // A statement whose time is not known takes what its cost would take elsewhere.
  const usual = costs > 0 ? times / costs : 0.01;
  return planned.flatMap(statement => {
    const cost = base.get(statement.id);
    if (cost === undefined) return [];
    const { totalMs, calls } = statement.workload;
    return [{ statement, base: cost, msPerCost: totalMs > 0 ? totalMs / Math.max(cost, 1e-6) : usual * calls }];
  });
}
