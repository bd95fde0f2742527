import { describe, expect, test } from 'vitest';
import { dailyGrowth, type Point, saturation, theilSen } from '../../../actions/lib/database/history/index.ts';

const day = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 86_400_000);
const line = (days: number, value: (n: number) => number): Point[] =>
  Array.from({ length: days }, (_, n) => ({ at: day(n), value: value(n) }));

describe('a trend', () => {
  test('is that of most points, whatever some of them are', () => {
    const points = line(30, n => 100 + 2 * n);
    for (const n of [3, 11, 12, 20, 27]) points[n]!.value = 100_000;
    expect(theilSen(points)?.perDay).toBeCloseTo(2, 1);
    expect(theilSen(points)?.valueAt(day(40))).toBeCloseTo(180, -1);
  });

  test.each([
    ['nothing', [], undefined],
    ['one point', line(1, () => 5), undefined],
    ['two days', line(3, n => n), undefined],
    [
      'two points a week apart',
      [
        { at: day(0), value: 10 },
        { at: day(7), value: 24 },
      ],
      2,
    ],
    ['a month', line(30, n => 3 * n), 3],
  ])('of %s', (_what, points, perDay) => {
    if (perDay === undefined) expect(dailyGrowth(points)).toBeUndefined();
    else expect(dailyGrowth(points)).toBeCloseTo(perDay);
  });

  test('ten thousand points are no trouble', () => {
    expect(theilSen(line(10_000, n => n / 10))?.perDay).toBeCloseTo(0.1);
  });
});

describe('saturation', () => {
  test('says when', () => {
    const at = saturation(
      line(20, n => 20 + 2 * n),
      100,
    );
    expect(at).toMatchObject({ kind: 'full', days: expect.closeTo(21) });
    expect(at.kind === 'full' && at.at.toISOString().slice(0, 10)).toBe('2026-02-10');
  });

  test.each([
    ['too short when there are few points', line(5, n => n), 'too short'],
    [
      'too short when they are of one day',
      line(20, n => n).map((p, n) => ({ ...p, at: new Date(day(0).getTime() + n * 60_000) })),
      'too short',
    ],
    ['never when it falls', line(20, n => 50 - n), 'not growing'],
    ['never when it stands', line(20, () => 50), 'not growing'],
    ['never when it is years away', line(20, n => 10 + n / 1000), 'not growing'],
  ])('is %s', (_what, points, kind) => {
    expect(saturation(points, 100).kind).toBe(kind);
  });

  test('that is past is now', () => {
    expect(
      saturation(
        line(20, n => 90 + n),
        100,
      ),
    ).toMatchObject({ kind: 'full', days: 0 });
  });
});
