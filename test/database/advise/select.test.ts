import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluator } from '../../../actions/lib/database/advise/evaluator.ts';
import type { SizedCandidate } from '../../../actions/lib/database/advise/index.ts';
import type { PlannedStatement } from '../../../actions/lib/database/advise/planned-statement.ts';
import { type SelectionProblem, selectIndexes } from '../../../actions/lib/database/advise/select.ts';
import { WhatIf } from '../../../actions/lib/database/advise/what-if.ts';

/** A statement on one table: its cost without an index, and with each of those that serve it. */
interface Asked {
  table: number;
  base: number;
  /** What takes a millisecond elsewhere takes so many: the planner has no idea of it. Default 1. */
  errorTimes?: number;
  /** Plans with none of these call a costly function for every row that they look at. */
  costlyWithout?: string[];
  by: Record<string, number>;
}

/** The table that the server has found in its memory so far. */
const inMemory = 9;

/** A problem, frozen, whose planner takes for each statement the cheapest index that it is offered. Sizes are in pages. */
function problemOf(
  asked: readonly Asked[],
  pages: Record<string, number>,
  budgetPages: number,
  writeMs: Record<string, number> = {},
): SelectionProblem {
  const tableOf = (name: string) => asked.find(each => name in each.by)!.table;
  const candidates = Object.keys(pages).map(name => candidate(name, tableOf(name), pages[name]! * 8192));
  const statements = asked.map(({ table, base, errorTimes = 1 }, id) => ({
    statement: statement(id, table),
    base,
    msPerCost: errorTimes,
    usualMsPerCost: 1,
  }));
  const evaluator = (): Evaluator => ({
    kind: 'hypopg',
    notes: [],
    offer: async () => [],
    rowsWhere: async () => 0,
    async explain({ id }, offered) {
      const { base, by, costlyWithout = [] } = asked[id]!;
      const [best] = offered.filter(each => by[each.id]! < base).sort((a, b) => by[a.id]! - by[b.id]!);
      const isCostly = costlyWithout.length > 0 && !(best && costlyWithout.includes(best.id));
      return {
        cost: best ? by[best.id]! : base,
        used: new Set(best ? [best.id] : []),
        filters: isCostly ? ['(costly(a) > 1)'] : ['(a > 1)'],
      };
    },
    async [Symbol.asyncDispose]() {},
  });
  const whatIf = new WhatIf(evaluator, new Set(['costly']));
  for (const { statement: each } of statements) {
    whatIf.limit(
      each,
      candidates.filter(({ id }) => id in asked[each.id]!.by),
    );
  }
  return Object.freeze({
    statements: Object.freeze(statements),
    candidates: Object.freeze(candidates),
    budgetBytes: budgetPages * 8192,
    writeMs: ({ id }: SizedCandidate) => writeMs[id] ?? 0,
    bundles: [],
    whatIf,
  });
}

/** @param id its columns, `a,b`, and one that is carried along, `a|b` */
function candidate(id: string, oid: number, bytes: number): SizedCandidate {
  const [keys, carried] = id.split('|') as [string, string?];
  const definition = {
    schema: 'public',
    table: `t${oid}`,
    method: 'btree',
    keys: keys.split(',').map(column => ({ kind: 'column', column })),
    include: carried === undefined ? [] : [carried],
  };
  return { id, definition, table: tables(oid), purpose: '', prerequisites: [], bytes, rows: 1 } as SizedCandidate;
}

function statement(id: number, oid: number): PlannedStatement {
  return { id, usage: { relations: [{ table: tables(oid) }] } } as unknown as PlannedStatement;
}

const known = new Map<number, SizedCandidate['table']>();
function tables(oid: number): SizedCandidate['table'] {
  const counters = { pagesAsked: 1000, pagesInMemory: oid === inMemory ? 1000 : 0 };
  const table = known.get(oid) ?? ({ oid, counters } as SizedCandidate['table']);
  known.set(oid, table);
  return table;
}

const chosen = async (problem: SelectionProblem) => (await selectIndexes(problem)).map(({ id }) => id).sort();

test.each<[string, Asked[], Record<string, number>, number, Record<string, number>, string[]]>([
  ['what helps is taken', [{ table: 1, base: 1000, by: { a: 10 } }], { a: 10 }, 100, {}, ['a']],
  [
    'what costs more to write than it saves is not',
    [{ table: 1, base: 1000, by: { a: 10 } }],
    { a: 10 },
    100,
    { a: 2000 },
    [],
  ],
  ['what does not fit is not', [{ table: 1, base: 1000, by: { a: 10 } }], { a: 101 }, 100, {}, []],
  [
    'of two for the same statement the better one alone',
    [{ table: 1, base: 1000, by: { a: 10, b: 500 } }],
    { a: 10, b: 9 },
    100,
    {},
    ['a'],
  ],
  [
    'a much smaller one that does nearly as well is preferred',
    [
      { table: 1, base: 100_000, by: { large: 10, small: 12 } },
      { table: 2, base: 50_000, by: {} },
    ],
    { large: 1000, small: 10 },
    10_000,
    {},
    ['small'],
  ],
  [
    'under a tight budget many small ones on other tables before a large one that leaves no room for them',
    [
      { table: 1, base: 6000, by: { large: 10 } },
      ...[2, 3, 4, 5].map(table => ({ table, base: 2000, by: { [`small${table}`]: 10 } })),
    ],
    { large: 100, small2: 25, small3: 25, small4: 25, small5: 25 },
    100,
    {},
    ['small2', 'small3', 'small4', 'small5'],
  ],
  [
    'what begins with the columns of another one is not chosen beside it, even if it serves a statement better',
    [
      { table: 1, base: 1000, by: { a: 50, 'a,b': 100 } },
      { table: 1, base: 1000, by: { 'a,b': 10 } },
    ],
    { a: 10, 'a,b': 20 },
    100,
    {},
    ['a,b'],
  ],
  [
    'nor is the one that comes in place of it, where that is too large',
    [
      { table: 1, base: 1000, by: { a: 50, 'a,b': 100 } },
      { table: 1, base: 1000, by: { 'a,b': 10 } },
    ],
    { a: 10, 'a,b': 200 },
    100,
    {},
    ['a'],
  ],
  [
    'a statement that the planner took for far too cheap does not take the storage of all others once it has an index',
    [
      { table: 1, base: 20_000, errorTimes: 100, by: { plain: 4000, covering: 3000 } },
      ...[2, 3, 4].map(table => ({ table, base: 4000, by: { [`small${table}`]: 200 } })),
    ],
    { plain: 25, covering: 100, small2: 25, small3: 25, small4: 25 },
    100,
    {},
    ['plain', 'small2', 'small3', 'small4'],
  ],
  [
    'unless what it has still calls the costly function that makes it so',
    [
      { table: 1, base: 20_000, errorTimes: 100, costlyWithout: ['gin'], by: { language: 4000, gin: 100 } },
      ...[2, 3, 4].map(table => ({ table, base: 4000, by: { [`small${table}`]: 200 } })),
    ],
    { language: 10, gin: 90, small2: 25, small3: 25, small4: 25 },
    100,
    {},
    ['gin'],
  ],
  [
    'columns that are carried along are worth their storage where the visits that they save go to disk',
    [
      { table: 1, base: 10_000, by: { a: 500, 'a|b': 100 } },
      { table: 2, base: 300, by: { small2: 100 } },
    ],
    { a: 10, 'a|b': 50, small2: 40 },
    50,
    {},
    ['a|b'],
  ],
  [
    'and not where these find everything in memory',
    [
      { table: inMemory, base: 10_000, by: { a: 500, 'a|b': 100 } },
      { table: 2, base: 300, by: { small2: 100 } },
    ],
    { a: 10, 'a|b': 50, small2: 40 },
    50,
    {},
    ['a', 'small2'],
  ],
  [
    'of two that are alike it is always the smaller, whichever of them the times speak for',
    [
      { table: 1, base: 100_000, by: { a: 10, b: 12 } },
      { table: 1, base: 100_000, by: { a: 12, b: 10 } },
      { table: 2, base: 50_000, by: {} },
    ],
    { a: 100, b: 90 },
    10_000,
    {},
    ['b'],
  ],
])('%s', async (_, asked, pages, budgetPages, writeMs, expected) => {
  expect(await chosen(problemOf(asked, pages, budgetPages, writeMs))).toEqual(expected);
});

const anyProblem = fc
  .array(fc.record({ table: fc.integer({ min: 0, max: 3 }), base: fc.integer({ min: 100, max: 100_000 }) }), {
    minLength: 1,
    maxLength: 8,
  })
  .chain(statements =>
    fc
      .tuple(
        fc.array(fc.array(fc.integer({ min: 2, max: 100 }), { minLength: 3, maxLength: 3 }), {
          minLength: statements.length,
          maxLength: statements.length,
        }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 12, maxLength: 12 }),
        fc.integer({ min: 1, max: 600 }),
      )
      .map(([shares, sizes, budgetPages]) => {
        const asked = statements.map(({ table, base }, n) => ({
          table,
          base,
          by: Object.fromEntries(shares[n]!.map((share, i) => [`t${table}_${i}`, Math.ceil((base * share) / 100)])),
        }));
        const names = [...new Set(asked.flatMap(({ by }) => Object.keys(by)))];
        return { asked, pages: Object.fromEntries(names.map((name, n) => [name, sizes[n]!])), budgetPages };
      }),
  );

test('whatever is asked: the set fits, each index in it saves something, and the same problem has the same answer', async () => {
  await fc.assert(
    fc.asyncProperty(anyProblem, async ({ asked, pages, budgetPages }) => {
      const names = await chosen(problemOf(asked, pages, budgetPages));
      expect(names.reduce((sum, name) => sum + pages[name]!, 0)).toBeLessThanOrEqual(budgetPages);
      const total = (set: readonly string[]) =>
        asked.reduce((sum, { base, by }) => sum + Math.min(base, ...set.flatMap(name => by[name] ?? [])), 0);
      for (const name of names) expect(total(names)).toBeLessThan(total(names.filter(each => each !== name)));
      expect(await chosen(problemOf(asked, pages, budgetPages))).toEqual(names);
    }),
    { numRuns: 60 },
  );
});
