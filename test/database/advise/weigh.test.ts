import { expect, test } from 'vitest';
import type { PlannedStatement } from '../../../actions/lib/database/advise/planned-statement.ts';
import { msAt, type WeightedStatement, weigh } from '../../../actions/lib/database/advise/weigh.ts';

/** One call of a statement, of ten. */
interface Call {
  ms: number;
  cost: number;
}

function weighted(...asked: Call[]) {
  const planned = asked.map(({ ms }, id) => ({ id, workload: { calls: 10, totalMs: ms * 10 } }) as PlannedStatement);
  return weigh(planned, new Map(asked.map(({ cost }, id) => [id, cost])));
}

/** Of a plan that calls nothing that takes long. */
const ms = (each: WeightedStatement, cost: number) => msAt(each, { cost, filtersCostly: false });

const usual = { ms: 4, cost: 1000 };

test('at the cost of today a statement takes the time that was measured', () => {
  for (const each of weighted(usual, usual, { ms: 0.1, cost: 1000 }, { ms: 4000, cost: 1000 }))
    expect(ms(each, 1000)).toBeCloseTo(each.statement.workload.totalMs);
});

test('half of the cost is half of the time, where a cost is worth what it is worth in most statements', () => {
  const [first, , quick] = weighted(usual, usual, { ms: 0.1, cost: 1000 });
  expect(ms(first!, 500)).toBeCloseTo(20);
  expect(ms(quick!, 500)).toBeCloseTo(0.5);
});

test('the error of the planner goes with the plan that it was made for, and a larger cost is worth as much as today', () => {
  const [wrong] = weighted({ ms: 4000, cost: 1000 }, usual, usual, usual);
  // In proportion a tenth of the cost would be 4,000 ms; at what it is worth elsewhere, 4 ms.
  expect(ms(wrong!, 100)).toBeLessThan(50);
  expect(ms(wrong!, 100)).toBeGreaterThan(4);
  expect(ms(wrong!, 2000)).toBeCloseTo(80_000);
});

test('what a costly function takes stays in proportion in every plan that calls it', () => {
  const [wrong] = weighted({ ms: 4000, cost: 1000 }, usual, usual, usual);
  expect(msAt(wrong!, { cost: 300, filtersCostly: true })).toBeCloseTo(12_000);
});

test('less cost is less time, whatever the error', () => {
  for (const each of weighted({ ms: 4000, cost: 1000 }, usual, usual, { ms: 0.01, cost: 1000 })) {
    const times = Array.from({ length: 21 }, (_, n) => ms(each, n * 50));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  }
});

test('a bad moment of one statement, and what costs next to nothing, do not say what a cost is worth', () => {
  const usualOf = (...asked: Call[]) => weighted(usual, ...asked)[0]!.usualMsPerCost;
  const quiet = usualOf(usual, { ms: 3, cost: 1000 });
  expect(usualOf(usual, { ms: 300, cost: 1000 })).toBe(quiet);
  expect(usualOf(usual, { ms: 3, cost: 1000 }, { ms: 5, cost: 1 }, { ms: 6, cost: 2 }, { ms: 7, cost: 3 })).toBe(quiet);
});

test('a statement whose time is not known takes what its cost takes elsewhere', () => {
  const [unknown] = weighted({ ms: 0, cost: 500 }, usual, usual);
  expect(ms(unknown!, 500)).toBeCloseTo(20);
});
