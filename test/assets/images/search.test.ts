import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { searchQuality } from '../../../actions/lib/assets/images/search.ts';

const plan = { target: 80, lowest: 5, highest: 98, start: 69, slope: 0.6, budget: 5 };

/** Runs the search over a made-up encoder; tells what it looked at. */
async function searched(scoreAt: (quality: number) => number, changes: Partial<typeof plan> = {}) {
  const asked: number[] = [];
  const result = await searchQuality({ ...plan, ...changes }, async quality => {
    asked.push(quality);
    return { quality, score: scoreAt(quality), encoded: `encoded at ${quality}` };
  });
  return { ...result, asked };
}

/** As encoders behave: flat at the top, steeper below, with some unevenness. */
const curve = fc
  .record({
    at50: fc.double({ min: 40, max: 78, noNaN: true }),
    at98: fc.double({ min: 82, max: 95, noNaN: true }),
    bend: fc.double({ min: 0.5, max: 1.1, noNaN: true }),
    wobble: fc.double({ min: 0, max: 0.15, noNaN: true }),
  })
  .map(({ at50, at98, bend, wobble }) => {
    return (quality: number) =>
      at50 +
      (at98 - at50) * Math.sign(quality - 50) * Math.abs((quality - 50) / 48) ** bend +
      wobble * Math.sin(quality * 7);
  });

describe('the search for a quality', () => {
  test('ends on what it encoded and measured at or above the target', async () => {
    await fc.assert(
      fc.asyncProperty(curve, fc.integer({ min: 20, max: 98 }), async (scoreAt, start) => {
        const { best, asked, encodes } = await searched(scoreAt, { start });
        expect(best!.score).toBe(scoreAt(best!.quality));
        expect(best!.score).toBeGreaterThanOrEqual(80);
        expect(best!.encoded).toBe(`encoded at ${best!.quality}`);
        expect(asked).toContain(best!.quality);
        expect(encodes).toBe(asked.length);
        expect(new Set(asked).size).toBe(asked.length);
      }),
      { numRuns: 500 },
    );
  });

  test('takes less than 4 encodes on the whole, and gives away less than half a point', async () => {
    let [encodes, excess, runs] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(curve, async scoreAt => {
        const result = await searched(scoreAt);
        encodes += result.encodes;
        runs++;
        excess += result.best!.score - 80;
        expect(result.encodes).toBeLessThanOrEqual(8);
      }),
      { numRuns: 500 },
    );
    expect(encodes / runs).toBeLessThan(4);
    expect(excess / runs).toBeLessThan(0.5);
  });

  test('says so when not even the highest quality reaches the target', async () => {
    const { best, asked } = await searched(quality => quality * 0.6);
    expect(best).toBeUndefined();
    expect(asked).toContain(98);
  });

  test('goes down to the lowest quality when everything is good enough', async () => {
    const { best } = await searched(() => 99, { budget: 50 });
    expect(best!.quality).toBe(5);
  });

  test('does not end on a pass below a failure, and does not run for ever', async () => {
    const { best, encodes } = await searched(quality => (quality === 75 ? 79 : quality >= 72 ? 82 : 70));
    expect(best!.score).toBeGreaterThanOrEqual(80);
    expect(encodes).toBeLessThanOrEqual(8);
  });
});
