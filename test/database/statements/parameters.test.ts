import { expect, test } from 'vitest';
import { type CatalogTable, type ColumnStatistics, Statistics } from '../../../actions/lib/database/catalog/index.ts';
import { parameterSamples } from '../../../actions/lib/database/statements/index.ts';
import type { ParameterRole } from '../../../actions/lib/database/statements/usage.ts';

const table = { schema: 'public', name: 'orders' } as CatalogTable;

/** What the server keeps of a column; values in equal shares unless `frequencies` says more. */
function column(more: Partial<ColumnStatistics>): ColumnStatistics {
  return {
    nullFraction: 0,
    averageBytes: 8,
    distinct: 1000,
    commonValues: [],
    histogram: [],
    correlation: undefined,
    commonElements: [],
    ...more,
  };
}

const shares = (values: Record<string, number>) =>
  Object.entries(values).map(([value, frequency]) => ({ value, frequency }));
const numbers = (count: number, step = 1) => Array.from({ length: count }, (_, n) => String(n * step));

/** The samples of a statement with one parameter in each of these roles, all on one column. */
function samples(statistics: ColumnStatistics, roles: readonly ParameterRole[], type: string, known?: string[]) {
  const parameters = roles.map((role, n) => ({ number: n + 1, role, table, column: 'c' }));
  const all = new Statistics([[Statistics.key('public', 'orders', 'c'), statistics]]);
  return parameterSamples(
    { parameters },
    roles.map(() => type),
    all,
    known,
  );
}

test('what all rows share evenly is one sample', () => {
  const even = column({ histogram: numbers(101, 10) });
  expect(samples(even, ['equal'], 'integer')).toEqual([['500']]);
});

test('a value that many rows belong to, among thousands, is asked for as well as the average one', () => {
  const skewed = column({
    distinct: 5000,
    commonValues: shares({ 7: 0.1, 8: 0.05, 9: 0.01 }),
    histogram: numbers(101, 10),
  });
  expect(samples(skewed, ['equal'], 'integer')).toEqual([['500'], ['7']]);
});

test('the state that most rows are in is not asked for', () => {
  const states = column({ distinct: 3, commonValues: shares({ done: 0.7, open: 0.28, failed: 0.02 }) });
  expect(samples(states, ['equal'], 'text')).toEqual([['open']]);
});

test.each<[string, Record<string, number>, number, string]>([
  ['of two the other', { closed: 0.9, open: 0.1 }, 0, 'open'],
  ['of two the other, whatever has no value', { closed: 0.45, open: 0.05 }, 0.5, 'open'],
  ['of three the one nearest to the average of the rest', { closed: 0.9, open: 0.09, failed: 0.01 }, 0, 'open'],
  ['where there is no other it is all that can be asked for', { closed: 1 }, 0, 'closed'],
])('the value that most rows hold is no typical one: %s', (_, values, nullFraction, expected) => {
  const states = column({ nullFraction, distinct: Object.keys(values).length, commonValues: shares(values) });
  expect(samples(states, ['equal'], 'text')).toEqual([[expected]]);
});

test('of few values none of which most rows hold, the one nearest to the average', () => {
  const flags = column({ distinct: 2, commonValues: shares({ t: 0.5, f: 0.5 }) });
  expect(samples(flags, ['equal'], 'boolean')).toEqual([['t']]);
});

test('NULLs are no values, and a value that is popular only beside them is popular', () => {
  const sparse = column({
    nullFraction: 0.9,
    distinct: 1000,
    commonValues: shares({ 3: 0.02 }),
    histogram: numbers(101, 10),
  });
  // Of a hundred rows with a value twenty hold this one, and a tenth of one any other.
  expect(samples(sparse, ['equal'], 'integer')).toEqual([['500'], ['3']]);
});

test('a range from one side lets a twentieth through, and from both sides as much', () => {
  const even = column({ histogram: numbers(101) });
  expect(samples(even, ['lower-bound'], 'integer')).toEqual([['95']]);
  expect(samples(even, ['upper-bound'], 'integer')).toEqual([['5']]);
  expect(samples(even, ['lower-bound', 'upper-bound'], 'integer')).toEqual([['90', '95']]);
});

test('a range over few values lets a twentieth of the rows through, by number and not by text', () => {
  const quantities = column({
    distinct: 40,
    commonValues: shares(Object.fromEntries(numbers(40).map(n => [n, 0.025]))),
  });
  expect(samples(quantities, ['lower-bound'], 'integer')).toEqual([['38']]);
  expect(samples(quantities, ['upper-bound'], 'integer')).toEqual([['2']]);
  const uneven = column({ distinct: 3, commonValues: shares({ 20: 0.02, 3: 0.9, 100: 0.08 }) });
  expect(samples(uneven, ['lower-bound'], 'integer')).toEqual([['100']]);
  expect(samples(uneven, ['upper-bound'], 'integer')).toEqual([['3']]);
});

test('a piece of text is looked for short, and long enough to stand nowhere that is known', () => {
  const titles = column({ histogram: ['Ash bowl, turned', 'Oak table, restored', 'Walnut chair, waxed'] });
  const [usual, narrow, ...more] = samples(titles, ['pattern'], 'text').map(([value]) => value!);
  expect(more).toEqual([]);
  expect(usual).toBe('%restor%');
  const fragment = narrow!.slice(1, -1);
  expect(narrow).toMatch(/^%.+%$/);
  expect(fragment.startsWith('Oak table, restored')).toBe(true);
  for (const value of titles.histogram) expect(value.toLowerCase()).not.toContain(fragment.toLowerCase());
});

test('in text that is searched by words: one word, and two together', () => {
  const words = column({ commonElements: shares({ wood: 0.3, bowl: 0.1, lathe: 0.01 }) });
  expect(samples(words, ['words'], 'tsquery')).toEqual([['bowl'], ['bowl & lathe']]);
  expect(samples(words, ['words'], 'text')).toEqual([['bowl'], ['bowl lathe']]);
});

test('in a document: one member, and two that no known document has together', () => {
  const documents = ['{"k": "a", "n": 1}', '{"k": "b", "n": 2}', '{"k": "c", "n": 3}'];
  const [usual, narrow, ...more] = samples(column({ histogram: documents }), ['contains'], 'jsonb').map(([value]) =>
    JSON.parse(value!),
  );
  expect(more).toEqual([]);
  expect(usual).toEqual({ k: 'b' });
  expect(narrow).toMatchObject({ k: 'b', n: expect.not.toBeOneOf([2]) });
});

test('in an array: an element in the middle, and the rarest that is counted', () => {
  const tags = column({ commonElements: shares({ wood: 0.3, bowl: 0.1, lathe: 0.01 }) });
  expect(samples(tags, ['contains'], 'text[]')).toEqual([['{"bowl"}'], ['{"lathe"}']]);
});

test('what is known stays as it is, and what the type could not read is a value that it can', () => {
  const even = column({ histogram: numbers(101) });
  expect(samples(even, ['equal'], 'integer', ['42'])).toEqual([['42']]);
  expect(samples(column({ histogram: ['one', 'two', 'three'] }), ['equal'], 'integer')).toEqual([['1']]);
  expect(samples(column({}), ['equal', 'limit', 'offset'], 'bigint')).toEqual([['1', '20', '0']]);
});
