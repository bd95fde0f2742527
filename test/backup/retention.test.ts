import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planRetention, type RetentionSet } from '../../actions/lib/backup/retention.ts';

const policy = { daily: 7, weekly: 5, monthly: 12, yearly: 3, proved: 2 };
const nothing = { daily: 0, weekly: 0, monthly: 0, yearly: 0, proved: 1 };

/** `2026-12-31T23:59:59` → the set that was begun then. */
const set = (at: string, isProved = false): RetentionSet => ({
  id: `${at.replace(/[-:]/g, '').padEnd(15, 'T000000').slice(0, 15)}Z-0000`,
  source: 'shop',
  isProved,
});
const keptDays = (sets: RetentionSet[], rules: typeof policy) =>
  planRetention(sets, rules).keep.map(k => k.id.slice(0, 8));

describe('which sets stay', () => {
  test('none of none', () => expect(planRetention([], policy)).toEqual({ keep: [], remove: [] }));

  test('the newest, always', () => {
    const sets = [set('2026-01-01'), set('2026-03-01'), set('2026-02-01')];
    expect(planRetention(sets, nothing)).toEqual({
      keep: [{ id: sets[1]!.id, reasons: ['newest'] }],
      remove: [sets[2]!.id, sets[0]!.id],
    });
  });

  test('the newest of each of the last days that have one, however long ago', () => {
    const sets = [
      set('2026-05-01T02:00:00'),
      set('2026-05-01T23:59:59'),
      set('2026-05-02T00:00:00'),
      set('2019-01-01'),
      set('2018-01-01'),
    ];
    const plan = planRetention(sets, { ...nothing, daily: 3 });
    expect(plan.keep.map(k => k.id)).toEqual([sets[2]!.id, sets[1]!.id, sets[3]!.id]);
  });

  test.each([
    // Thursday decides: 2026-01-01 is one, so Monday 29 December is already week 1 of 2026.
    ['Sunday and the Monday after it', ['2025-12-28', '2025-12-29'], ['20251229', '20251228']],
    ['two days of one week in two years', ['2025-12-29', '2026-01-04'], ['20260104']],
    // 1 January 2027 is a Friday: it still belongs to week 53 of 2026.
    ['the last week of a year with 53', ['2026-12-28', '2027-01-03'], ['20270103']],
    ['week 53 and week 1', ['2027-01-03', '2027-01-04'], ['20270104', '20270103']],
    ['the same week number of two years', ['2025-06-04', '2026-06-03'], ['20260603', '20250604']],
  ])('weeks as ISO 8601 has them: %s', (_what, days, expected) => {
    expect(
      keptDays(
        days.map(day => set(day)),
        { ...nothing, weekly: 10 },
      ),
    ).toEqual(expected);
  });

  test('months and years in UTC, of two borders', () => {
    const sets = ['2025-12-31T23:59:59', '2026-01-01T00:00:00', '2026-01-31T23:59:59', '2026-02-01T00:00:00'].map(at =>
      set(at),
    );
    expect(keptDays(sets, { ...nothing, monthly: 9 })).toEqual(['20260201', '20260131', '20251231']);
    expect(keptDays(sets, { ...nothing, yearly: 9 })).toEqual(['20260201', '20251231']);
  });

  test('a floor of proved sets beside everything else', () => {
    const sets = [
      set('2020-01-01', true),
      set('2020-01-02', true),
      set('2020-01-03', true),
      set('2026-01-01'),
      set('2026-01-02'),
    ];
    const plan = planRetention(sets, { ...nothing, proved: 2 });
    expect(plan.keep).toEqual([
      { id: sets[4]!.id, reasons: ['newest'] },
      { id: sets[2]!.id, reasons: ['proved'] },
      { id: sets[1]!.id, reasons: ['proved'] },
    ]);
  });

  test('a year of daily sets comes to the sum of the policy', () => {
    const sets = Array.from({ length: 365 }, (_, i) => set(new Date(Date.UTC(2026, 0, 1 + i, 2)).toISOString()));
    const plan = planRetention(sets, policy);
    // Seven days, four more weeks, eleven more months, and no second year.
    expect(plan.keep).toHaveLength(7 + 4 + 11 - 1);
    expect(plan.keep.flatMap(k => k.reasons).filter(r => r.startsWith('monthly'))).toHaveLength(12);
  });
});

const anySets = fc.uniqueArray(
  fc.record({
    day: fc.integer({ min: 0, max: 4000 }),
    second: fc.integer({ min: 0, max: 86_399 }),
    isProved: fc.boolean(),
  }),
  { maxLength: 60, selector: s => `${s.day} ${s.second}` },
);
const anyPolicy = fc.record({
  daily: fc.nat(10),
  weekly: fc.nat(10),
  monthly: fc.nat(14),
  yearly: fc.nat(5),
  proved: fc.integer({ min: 1, max: 4 }),
});

describe('whatever sets there are and whatever the policy', () => {
  const toSets = (list: { day: number; second: number; isProved: boolean }[]) =>
    list.map(s => set(new Date(Date.UTC(2016, 0, 1 + s.day) + s.second * 1000).toISOString(), s.isProved));

  test('each set is kept or removed, the newest and the floor of proved ones are kept, and each for a reason', () => {
    fc.assert(
      fc.property(anySets, anyPolicy, (list, rules) => {
        const sets = toSets(list);
        const { keep, remove } = planRetention(sets, rules);
        expect([...keep.map(k => k.id), ...remove].sort()).toEqual(sets.map(s => s.id).sort());
        const kept = new Set(keep.map(k => k.id));
        const newestFirst = [...sets].sort((a, b) => (a.id < b.id ? 1 : -1));
        if (newestFirst[0]) expect(kept.has(newestFirst[0].id)).toBe(true);
        for (const proved of newestFirst.filter(s => s.isProved).slice(0, rules.proved))
          expect(kept.has(proved.id)).toBe(true);
        expect(keep.every(k => k.reasons.length > 0)).toBe(true);
        expect(keep.length).toBeLessThanOrEqual(
          1 + rules.daily + rules.weekly + rules.monthly + rules.yearly + rules.proved,
        );
      }),
    );
  });

  test('pruning again right away removes nothing, and the order in which sets are listed does not matter', () => {
    fc.assert(
      fc.property(anySets, anyPolicy, (list, rules) => {
        const sets = toSets(list);
        const plan = planRetention(sets, rules);
        expect(planRetention([...sets].reverse(), rules)).toEqual(plan);
        const kept = sets.filter(s => plan.keep.some(k => k.id === s.id));
        expect(planRetention(kept, rules).remove).toEqual([]);
      }),
    );
  });
});
