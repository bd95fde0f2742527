import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TableFacts } from '../../../actions/lib/backup/database/catalog.ts';
import {
  compareSequences,
  type MeasuredTable,
  planFingerprints,
  spanSequences,
} from '../../../actions/lib/backup/database/evidence.ts';
import { matchingSlices, type PartPlan, planParts } from '../../../actions/lib/backup/database/plan.ts';
import { selectRelations } from '../../../actions/lib/backup/database/selection.ts';

const mebibyte = 1024 * 1024;

const table = (name: string, heapBlocks: number, toastBytes = 0, facts: Partial<TableFacts> = {}): TableFacts => ({
  oid: '1',
  schema: 'public',
  name,
  heapBlocks,
  tableBytes: heapBlocks * 8192 + toastBytes,
  estimatedRows: -1,
  isHeap: true,
  copyFrom: '',
  columns: [],
  signature: name,
  isVolatileText: false,
  ...facts,
});

const anyTables = fc
  .uniqueArray(
    fc.record({
      name: fc.string({ maxLength: 12 }),
      // From empty to 8 TB.
      heapBlocks: fc.oneof(
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 0, max: 50_000 }),
        fc.integer({ min: 0, max: 2 ** 30 }),
      ),
      toast: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 40 })),
      isHeap: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    }),
    { selector: t => t.name, maxLength: 30 },
  )
  .map(list => list.map(t => table(t.name, t.heapBlocks, t.toast, { isHeap: t.isHeap })));
const anyOptions = fc.record(
  { canCutByBlocks: fc.boolean(), segmentBytes: fc.integer({ min: 13, max: 26 }).map(n => 2 ** n) },
  { requiredKeys: ['canCutByBlocks'] },
);

const slicesOf = (parts: readonly PartPlan[], index: number) =>
  parts
    .flatMap(part => part.slices)
    .filter(slice => slice.table === index)
    .sort((a, b) => (a.firstBlock ?? 0) - (b.firstBlock ?? 0));

describe('the parts of a dump', () => {
  test('hold each block of each table exactly once, and the open end of each', () => {
    fc.assert(
      fc.property(anyTables, anyOptions, (tables, options) => {
        const parts = planParts(tables, options);
        for (const index of tables.keys()) {
          const slices = slicesOf(parts, index);
          expect(slices[0]!.firstBlock ?? 0).toBe(0);
          for (const [i, slice] of slices.entries()) {
            const next = slices[i + 1];
            expect(slice.endBlock).toBe(next ? next.firstBlock : null);
            if (next) expect(next.firstBlock!).toBeGreaterThan(slice.firstBlock!);
          }
        }
      }),
    );
  });

  test('are cut nowhere before PostgreSQL 14, nor in a table that is no heap', () => {
    const tables = [table('big', 100_000), table('columnar', 100_000, 0, { isHeap: false })];
    const whole = { firstBlock: null, endBlock: null };
    for (const part of planParts(tables, { canCutByBlocks: false })) expect(part.slices[0]).toMatchObject(whole);
    expect(slicesOf(planParts(tables, { canCutByBlocks: true }), 1)).toEqual([{ table: 1, ...whole }]);
  });

  test('come largest first, are at most a few hundred for a table, and small tables share', () => {
    fc.assert(
      fc.property(anyTables, tables => {
        const parts = planParts(tables, { canCutByBlocks: true });
        const sizes = parts.map(part => part.estimatedBytes);
        expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
        for (const index of tables.keys()) {
          const { tableBytes } = tables[index]!;
          // 128 by size, twice that by rounding; beyond 128 GiB segments are of a GiB.
          expect(slicesOf(parts, index).length).toBeLessThanOrEqual(Math.max(300, (2 * tableBytes) / 2 ** 30 + 2));
          const own = parts.filter(part => part.slices.some(slice => slice.table === index));
          if (tableBytes < mebibyte) expect(own).toHaveLength(1);
        }
      }),
    );
    const many = Array.from({ length: 500 }, (_, i) => table(`t${i}`, 2));
    expect(planParts(many, { canCutByBlocks: true })).toHaveLength(1);
  });

  test('an end of a table that grows moves only the last cut', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16_385, max: 32_000 }), // the same segments from 128 to 256 MB
        fc.integer({ min: 1, max: 500 }),
        (blocks, more) => {
          fc.pre(blocks + more <= 32_768);
          const cuts = (n: number) =>
            slicesOf(planParts([table('t', n)], { canCutByBlocks: true }), 0).map(s => `${s.firstBlock}-${s.endBlock}`);
          const before = cuts(blocks);
          const after = cuts(blocks + more);
          expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
        },
      ),
    );
  });

  test('other new tables move none of hundreds of small ones', () => {
    const there = Array.from({ length: 200 }, (_, i) => `table ${i}`);
    const plan = (names: readonly string[]) =>
      planParts(
        names.map(name => table(name, there.includes(name) ? 60 : 1)),
        { canCutByBlocks: true },
      ).map(part => part.slices.map(slice => names[slice.table]!));
    const before = plan(there);
    expect(before.length).toBeGreaterThan(4);
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 20 }), added => {
        const after = plan([...there, ...added.filter(name => !there.includes(name))]);
        const onlyOld = after.map(part => part.filter(name => there.includes(name)).join());
        expect(onlyOld.filter(part => part !== '').sort()).toEqual(before.map(part => part.join()).sort());
      }),
    );
  });
});

describe('whether a former part can stand for a planned one', () => {
  const tables = [table('a', 1), table('b', 1), table('text of regclass', 1, 0, { isVolatileText: true })];
  const records = ['b', 'a', 'text of regclass'].map(name => ({
    schema: 'public',
    name,
    copyFrom: '',
    rows: 1,
    signature: name,
  }));
  const slice = (index: number, firstBlock: number | null = null, endBlock: number | null = null) => ({
    table: index,
    firstBlock,
    endBlock,
  });
  const former = (index: number, firstBlock: number | null = null, endBlock: number | null = null) => ({
    ...slice(index, firstBlock, endBlock),
    rows: 1,
    offset: 0,
    plainBytes: 1,
  });
  for (const [what, planned, then, expected] of [
    ['the same whole table, listed elsewhere', [slice(0)], [former(1)], true],
    ['the same range', [slice(0, 4, 8)], [former(1, 4, 8)], true],
    ['two tables in the same order', [slice(0), slice(1)], [former(1), former(0)], true],
    ['another table', [slice(0)], [former(0)], false],
    ['one table more', [slice(0), slice(1)], [former(1)], false],
    ['one table fewer', [slice(0)], [former(1), former(0)], false],
    ['an end that was open then', [slice(0, 4, 8)], [former(1, 4, null)], false],
    ['an end that is open now', [slice(0, 4, null)], [former(1, 4, 8)], false],
    ['another begin', [slice(0, 2, 8)], [former(1, 4, 8)], false],
    ['text that depends on the catalogue', [slice(2)], [former(2)], false],
    ['a table that the former set does not list', [slice(0)], [former(9)], false],
  ] as const) {
    test(what, () => expect(matchingSlices(planned, tables, then, records)).toBe(expected));
  }
  test('a table with another signature', () => {
    expect(matchingSlices([slice(0)], [{ ...tables[0]!, signature: 'x' }], [former(1)], records)).toBe(false);
    expect(matchingSlices([slice(0)], [{ ...tables[0]!, schema: 'x' }], [former(1)], records)).toBe(false);
  });
});

describe('fingerprints', () => {
  const measured = fc.record({
    schema: fc.constant('s'),
    name: fc.string(),
    heapBlocks: fc.integer({ min: 0, max: 2 ** 28 }),
    rows: fc.integer({ min: 0, max: 2 ** 33 }),
    isHeap: fc.boolean(),
  });
  const anyMeasured = fc
    .array(measured, { maxLength: 40 })
    .map(list => list.map((t): MeasuredTable => ({ ...t, tableBytes: t.heapBlocks * 8192 })));

  test('every table has one, at level full of all its rows', () => {
    fc.assert(
      fc.property(anyMeasured, tables => {
        for (const level of ['sample', 'full'] as const) {
          const plans = planFingerprints(tables, level);
          expect(plans.map(p => p.name).sort()).toEqual(tables.map(t => t.name).sort());
          if (level === 'full') expect(plans.every(p => p.kind === 'full')).toBe(true);
          for (const plan of plans.filter(p => p.kind === 'sample')) {
            expect(plan.samplePercent).toBeGreaterThan(0);
            expect(plan.samplePercent).toBeLessThanOrEqual(100);
          }
        }
      }),
    );
  });

  test('by default read at most 8 MiB or 3 % whole; what is no heap is read whole, since it has no blocks to sample', () => {
    fc.assert(
      fc.property(anyMeasured, tables => {
        const heaps = tables.map(t => ({ ...t, isHeap: true }));
        const whole = planFingerprints(heaps, 'sample').filter(p => p.kind === 'full');
        const names = new Map(whole.map(p => [p.name, 0]));
        const total = heaps.reduce((sum, t) => sum + t.tableBytes, 0);
        const bytes = heaps.filter(t => names.has(t.name)).reduce((sum, t) => sum + t.tableBytes, 0);
        // Names may repeat in this property; then a table may be counted that was only sampled.
        fc.pre(new Set(heaps.map(t => t.name)).size === heaps.length);
        expect(bytes).toBeLessThanOrEqual(Math.max(8 * mebibyte, total * 0.03));
      }),
    );
    expect(
      planFingerprints(
        [{ schema: 's', name: 'columnar', tableBytes: 1e12, heapBlocks: 1e8, rows: 1e9, isHeap: false }],
        'sample',
      )[0]!.kind,
    ).toBe('full');
  });

  test('a sample is of some two thousand rows, or of sixteen large ones, whatever the table', () => {
    for (const [heapBlocks, rows] of [
      [100_000, 10_000_000],
      [10_000_000, 1_000_000_000],
      [100_000, 100_000],
    ] as const) {
      const [plan] = planFingerprints(
        [{ schema: 's', name: 't', tableBytes: heapBlocks * 8192, heapBlocks, rows, isHeap: true }],
        'sample',
      );
      const sampled = (plan!.samplePercent! / 100) * rows;
      expect(sampled).toBeGreaterThan(1500);
      expect(sampled).toBeLessThan(110_000); // the least that a percentage of four places can say
    }
    const never = planFingerprints(
      [{ schema: 's', name: 'never analysed', tableBytes: 1e10, heapBlocks: 1_220_703, rows: 0, isHeap: true }],
      'sample',
    )[0]!;
    expect((never.samplePercent! / 100) * 1_220_703).toBeGreaterThan(10);
  });
});

describe('a sequence that moves while a backup runs', () => {
  const of = (last: string | null) => [{ name: 's', last }];
  for (const [before, after, restored, isRight] of [
    ['5', '5', '5', true],
    ['5', '5', '6', false],
    ['5', '9', '5', true],
    ['5', '9', '7', true],
    ['5', '9', '9', true],
    ['5', '9', '10', false],
    ['5', '9', '4', false],
    ['-5', '-9', '-7', true],
    ['-5', '-9', '-10', false],
    [null, null, null, true],
    [null, null, '1', false],
    [null, '3', null, true],
    [null, '3', '2', true],
    ['3', '3', null, false],
    ['9223372036854775806', '9223372036854775807', '9223372036854775805', false],
  ] as const) {
    test(`from ${before} to ${after}, restored at ${restored}`, () => {
      const found = compareSequences(spanSequences(of(before), of(after)), of(restored));
      expect(found).toHaveLength(isRight ? 0 : 1);
    });
  }
  test('one that is gone', () => {
    expect(compareSequences(spanSequences(of('1'), of('1')), [])).toEqual(['sequence s is missing']);
    expect(spanSequences(of('1'), [])).toEqual([]);
  });
});

describe('which relations are in a set', () => {
  const relations = [
    ['1', 'app', 'events', 'p'],
    ['2', 'app', 'events_a', 'r'],
    ['3', 'app', 'events_b', 'p'],
    ['4', 'other', 'leaf', 'r'],
    ['5', 'app', 'base', 'r'],
    ['6', 'app', 'child', 'r'],
    ['7', 'app', 'orders', 'r'],
    ['8', 'app', 'v', 'v'],
    ['9', 'app', 'v_of_v', 'm'],
    ['10', 'app', 'orders_id_seq', 'S'],
    ['11', 'public', 'spatial_ref', 'r'],
  ].map(([oid, schema, name, relkind]) => ({
    oid: oid!,
    schema: schema!,
    name: name!,
    relkind: relkind!,
    is_extension: oid === '11',
  }));
  const links = {
    parents: [
      { child: '2', parent: '1', isPartition: true },
      { child: '3', parent: '1', isPartition: true },
      { child: '4', parent: '3', isPartition: true },
      { child: '6', parent: '5', isPartition: false },
    ],
    reads: [
      { view: '8', relation: '7' },
      { view: '9', relation: '8' },
    ],
  };
  const none = { includeTables: [], excludeTables: [], excludeTableData: [] };
  const names = (oids: Set<string>) => relations.filter(r => oids.has(r.oid)).map(r => r.name);
  for (const [what, patterns, leftOut, withoutRows] of [
    ['no patterns', {}, [], []],
    ['a partitioned table', { excludeTables: ['events'] }, ['events', 'events_a', 'events_b', 'leaf'], []],
    ['one partition', { excludeTables: ['app.events_a'] }, ['events_a'], []],
    [
      'rows of a partitioned table',
      { excludeTableData: ['app.events'] },
      [],
      ['events', 'events_a', 'events_b', 'leaf'],
    ],
    ['rows of a parent are not those of its children', { excludeTableData: ['base'] }, [], ['base']],
    ['a parent takes its children along', { excludeTables: ['base'] }, ['base', 'child'], []],
    ['a table takes its views along', { excludeTables: ['orders'] }, ['orders', 'v', 'v_of_v'], []],
    [
      'only a leaf brings its parents',
      { includeTables: ['leaf'] },
      ['events_a', 'base', 'child', 'orders', 'v', 'v_of_v'],
      [],
    ],
    [
      'only a child brings its parent',
      { includeTables: ['child'] },
      ['events', 'events_a', 'events_b', 'leaf', 'orders', 'v', 'v_of_v'],
      [],
    ],
    [
      'only a view without its table is not possible',
      { includeTables: ['v', 'base'] },
      ['events', 'events_a', 'events_b', 'leaf', 'child', 'orders', 'v', 'v_of_v'],
      [],
    ],
  ] as const) {
    test(what, () => {
      const selection = selectRelations(relations, links, { ...none, ...patterns });
      expect(names(selection.leftOut)).toEqual(leftOut);
      expect(names(selection.withoutRows)).toEqual(withoutRows);
    });
  }
});
