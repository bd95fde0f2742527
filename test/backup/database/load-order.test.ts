import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LoadOrder } from '../../../actions/lib/backup/database/load-order.ts';
import type { Part } from '../../../actions/lib/backup/sets/manifest.ts';

const hash = '0'.repeat(64);

const part = (tables: number | readonly number[], firstBlock: number | null, plainBytes: number): Part => ({
  key: `${[tables].flat().join('+')}-${firstBlock}`,
  role: 'rows',
  plainBytes,
  plainSha256: hash,
  storedBytes: plainBytes,
  storedSha256: hash,
  isEncrypted: false,
  isCompressed: false,
  isReused: false,
  slices: [tables].flat().map(table => ({ table, firstBlock, endBlock: null, offset: 0, plainBytes: 1, rows: 1 })),
});

interface Round {
  loads: string[][];
  complete: number[];
}

/**
 * What `connections` load that take turns, a part each: a round ends when all of its loads have. A load is listed as the
 * parts it took, and `whole`.
 */
function rounds(parts: readonly Part[], connections: number): Round[] {
  const order = new LoadOrder(parts, connections);
  const result: Round[] = [];
  for (;;) {
    const taken = Array.from({ length: connections }, () => order.next()).filter(next => next !== undefined);
    if (taken.length === 0) return result;
    const loads = taken.map(({ load }) => ({ load, keys: load.isWhole ? ['whole'] : [] }));
    for (let isMore = true; isMore; ) {
      isMore = false;
      for (const { load, keys } of loads) {
        const part = load.take();
        if (part) keys.push(part.key);
        isMore ||= part !== undefined;
      }
    }
    result.push({ loads: loads.map(({ keys }) => keys), complete: taken.flatMap(({ done }) => done()) });
  }
}

describe('the order in which rows are loaded', () => {
  test('each table by one connection, the largest first, and its parts in the order of their blocks', () => {
    const parts = [part(1, 64, 8), part(1, 0, 4), part(2, 0, 8), part(2, 64, 3), part([3, 4], null, 2)];
    expect(rounds(parts, 2)).toEqual([
      {
        loads: [
          ['whole', '1-0', '1-64'],
          ['whole', '2-0', '2-64'],
        ],
        complete: [1, 2],
      },
      { loads: [['whole', '3+4-null']], complete: [3, 4] },
    ]);
  });

  test('a table that would leave the others without work is shared, when nothing else is left for them', () => {
    const parts = [part(1, 0, 8), part(1, 64, 8), part(1, 128, 8), part(1, 192, 8), part(2, 0, 4)];
    const order = new LoadOrder(parts, 2);
    const [first, second] = [order.next()!, order.next()!];
    expect([first.load.tables, first.load.isWhole]).toEqual([new Set([1]), false]);
    expect([second.load.tables, second.load.isWhole]).toEqual([new Set([2]), true]);
    expect([first.load.take()?.key, second.load.take()?.key, second.load.take()]).toEqual(['1-0', '2-0', undefined]);
    expect(second.done()).toEqual([2]);
    const third = order.next()!;
    const takes = [third, first, third, first, third].map(({ load }) => load.take()?.key);
    expect(takes).toEqual(['1-64', '1-128', '1-192', undefined, undefined]);
    expect([first.done(), third.done(), order.next()]).toEqual([[], [1], undefined]);
  });

  test('one connection loads every table whole', () => {
    expect(rounds([part(1, 0, 100), part(1, 64, 100), part(2, 0, 1)], 1).map(({ loads }) => loads)).toEqual([
      [['whole', '1-0', '1-64']],
      [['whole', '2-0']],
    ]);
  });

  test('a table is complete when the last connection that loads it is done, however the others stand', () => {
    const order = new LoadOrder([part(1, 0, 8), part(1, 64, 8)], 2);
    const [first, second] = [order.next()!, order.next()!];
    expect(order.isLoading).toBe(true);
    for (const { load } of [first, second]) while (load.take());
    expect([order.isLoading, second.done(), order.isLoading, first.done(), order.isLoading]).toEqual([
      true,
      [],
      true,
      [1],
      false,
    ]);
  });

  test('every part comes once, every table is complete once, and none is in two loads that are whole', () => {
    const anyParts = fc.uniqueArray(fc.record({ table: fc.nat(5), block: fc.nat(30), bytes: fc.nat(100) }), {
      selector: ({ table, block }) => `${table}-${block}`,
      maxLength: 60,
    });
    fc.assert(
      fc.property(anyParts, fc.integer({ min: 1, max: 6 }), (specs, connections) => {
        const parts = specs.map(({ table, block, bytes }) => part(table, block, bytes));
        const all = rounds(parts, connections);
        const loads = all.flatMap(round => round.loads);
        expect(
          loads
            .flat()
            .filter(key => key !== 'whole')
            .sort(),
        ).toEqual(parts.map(({ key }) => key).sort());
        const complete = all.flatMap(round => round.complete);
        expect(complete.sort()).toEqual([...new Set(specs.map(({ table }) => table))].sort());
        const whole = loads.filter(load => load[0] === 'whole').map(load => load[1]!.split('-')[0]);
        for (const table of whole) {
          expect(loads.filter(load => load.some(key => key.startsWith(`${table}-`)))).toHaveLength(1);
        }
      }),
    );
  });
});
