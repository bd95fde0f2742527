import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { definitionSql } from '../../../actions/lib/database/indexes/index.ts';
import { openStage, type Stage } from '../statements/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

describe('the catalog', () => {
  it('finds a name by the search path, and never one of the system', () => {
    expect(stage.catalog.find(undefined, 'orders')?.schema).toBe('public');
    expect(stage.catalog.find(undefined, 'pages')).toBeUndefined();
    expect(stage.catalog.find('content', 'pages')?.rows).toBe(200);
    expect(stage.catalog.find(undefined, 'pg_class')).toBeUndefined();
  });

  it('knows the type below a domain, and what sorts by bytes', () => {
    const orders = stage.catalog.find(undefined, 'orders')!;
    const column = (name: string) => orders.columns.find(each => each.name === name)!;
    expect(column('total')).toMatchObject({ type: 'amount', baseType: 'numeric', isSortable: true });
    expect(column('payload')).toMatchObject({ baseType: 'jsonb', isSortable: true });
    expect(column('tags')).toMatchObject({ baseType: '_text', category: 'A' });
    expect(column('note').isByteOrder).toBe(false);
    expect(stage.catalog.find(undefined, 'Große "Liste"')!.columns[1]).toMatchObject({
      name: 'select',
      isByteOrder: true,
    });
  });

  it('reads an index back as the definition that makes it again', async () => {
    const indexes = stage.catalog.find(undefined, 'orders')!.indexes;
    expect(indexes.map(index => index.definition && definitionSql(index.definition))).toEqual([
      '"public"."orders" USING btree ("id")',
      '"public"."orders" USING btree ("status", "placed_at" DESC NULLS LAST) INCLUDE ("total") WHERE note IS NOT NULL',
      `"public"."orders" USING btree ((payload ->> 'k'::text), (lower(note::text)) text_pattern_ops)`,
    ]);
    expect(indexes[0]).toMatchObject({ isPrimary: true, isConstraint: true, isUnique: true, isValid: true });
    expect(indexes[0]!.bytes).toBeGreaterThan(100_000);
  });

  it('an index that sorts otherwise than its column is none that a definition can say', () => {
    const index = stage.catalog.find(undefined, 'users')!.indexes.find(each => each.name === 'users_email')!;
    expect(index.definition).toBeUndefined();
    expect(index.sql).toContain('COLLATE "C"');
  });

  it('a partitioned table has the rows and the pages of its leaves', () => {
    const logs = stage.catalog.find(undefined, 'logs')!;
    expect(logs.kind).toBe('partitioned');
    expect(stage.catalog.storageOf(logs).map(leaf => leaf.name)).toEqual(['logs_2025', 'logs_2026']);
    expect(logs.rows).toBe(8000);
    expect(logs.pages).toBeGreaterThan(50);
  });

  it('has the planner statistics, absolute and with their values as text', () => {
    const orders = stage.catalog.find(undefined, 'orders')!;
    const status = stage.statistics.of(orders, 'status')!;
    expect(status.distinct).toBe(2);
    expect(status.commonValues[0]).toMatchObject({ value: 'done' });
    expect(stage.statistics.of(orders, 'id')!.distinct).toBe(20_000);
    expect(stage.statistics.of(orders, 'placed_at')!.correlation).toBeCloseTo(1, 2);
    expect(stage.statistics.of(orders, 'tags')!.commonElements.some(each => each.value === 'x')).toBe(true);
    // Of the whole, not of the empty parent.
    expect(stage.statistics.of(stage.catalog.find(undefined, 'logs')!, 'id')!.distinct).toBe(8000);
  });
});
