import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatHistogram, parseHistogram } from '../../actions/lib/reports/histogram.ts';
import { type Histogram, histogramOf, mergeHistograms, quantileOf } from '../../actions/lib/reports/index.ts';
import { cellOf, cellQuantile, mergeCells, readCell, writeCell } from '../../actions/lib/reports/rollup.ts';

/** What is measured: seconds, bytes, ratios, counts; below zero too. */
const value = fc.oneof(
  fc.double({ min: 1e-6, max: 1e15, noNaN: true }),
  fc.double({ min: -1e9, max: -1e-6, noNaN: true }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.constant(0),
);
const values = fc.array(value, { maxLength: 60 });
const someValues = fc.array(value, { minLength: 1, maxLength: 60 });

/** Equal whatever the order of the maps. */
const plain = (histogram: Histogram) => formatHistogram(histogram);

describe('a histogram', () => {
  test('tells every quantile within 2 %', () => {
    fc.assert(
      fc.property(someValues, fc.double({ min: 0, max: 1, noNaN: true }), (list, quantile) => {
        const exact = [...list].sort((a, b) => a - b)[Math.floor(quantile * (list.length - 1))]!;
        const told = quantileOf(histogramOf(list), quantile);
        expect(Math.abs(told - exact)).toBeLessThanOrEqual(0.02 * Math.abs(exact) + 1e-12);
      }),
      { numRuns: 2000 },
    );
  });

  test('merged is the histogram of all, in whatever order and however grouped', () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const [ha, hb, hc] = [histogramOf(a), histogramOf(b), histogramOf(c)];
        const all = plain(histogramOf([...a, ...b, ...c]));
        expect(plain(mergeHistograms(mergeHistograms(ha, hb), hc))).toBe(all);
        expect(plain(mergeHistograms(ha, mergeHistograms(hb, hc)))).toBe(all);
        expect(plain(mergeHistograms(hc, mergeHistograms(hb, ha)))).toBe(all);
      }),
    );
  });

  test('is not changed by a merge', () => {
    const one = histogramOf([1, 2, 3]);
    const before = plain(one);
    mergeHistograms(one, histogramOf([1, 1, 1]));
    expect(plain(one)).toBe(before);
  });

  test('is read back as it was written', () => {
    fc.assert(
      fc.property(values, list => {
        const text = plain(histogramOf(list));
        expect(plain(parseHistogram(text))).toBe(text);
        expect(text).toMatch(/^[pnz\d,: -]*$/);
      }),
    );
  });

  test.each(['x', 'p1', 'p1:a', 'z', 'p1:1 q2:1', '1:1'])('that somebody else wrote is refused: %s', text => {
    expect(() => parseHistogram(text)).toThrow();
  });

  test('of nothing has no quantile', () => expect(quantileOf(histogramOf([]), 0.5)).toBeNaN());
});

describe('a cell', () => {
  test('merged is the cell of all', () => {
    // Eighths add up exactly, so that sums can be compared.
    const eighths = fc.array(
      fc.integer({ min: -80_000, max: 80_000 }).map(number => number / 8),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(eighths, eighths, eighths, (a, b, c) => {
        const all = cellOf([...a, ...b, ...c]);
        const left = mergeCells(mergeCells(cellOf(a), cellOf(b)), cellOf(c));
        const right = mergeCells(cellOf(c), mergeCells(cellOf(b), cellOf(a)));
        for (const merged of [left, right]) {
          expect({ ...merged, histogram: plain(merged.histogram) }).toEqual({
            ...all,
            histogram: plain(all.histogram),
          });
        }
      }),
    );
  });

  test('never tells a quantile outside of what was measured', () => {
    fc.assert(
      fc.property(someValues, fc.double({ min: 0, max: 1, noNaN: true }), (list, quantile) => {
        const cell = readCell(writeCell(cellOf(list)));
        const told = cellQuantile(cell, quantile);
        expect(told).toBeGreaterThanOrEqual(Math.min(...list));
        expect(told).toBeLessThanOrEqual(Math.max(...list));
      }),
    );
  });
});
