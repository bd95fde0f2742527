import { describe, expect, it } from 'vitest';
import {
  createIndexSql,
  definitionSql,
  type IndexDefinition,
  indexName,
} from '../../../actions/lib/database/indexes/index.ts';

const base: IndexDefinition = {
  schema: 'public',
  table: 'orders',
  method: 'btree',
  keys: [{ kind: 'column', column: 'customer_id' }],
  include: [],
};

describe('an index definition as SQL', () => {
  it.each<[string, Partial<IndexDefinition>, string]>([
    ['a column', {}, '"public"."orders" USING btree ("customer_id")'],
    [
      'descending has nulls first by itself',
      { keys: [{ kind: 'column', column: 'a', isDescending: true, isNullsFirst: true }] },
      '"public"."orders" USING btree ("a" DESC)',
    ],
    [
      'nulls where the default would not put them',
      {
        keys: [
          { kind: 'column', column: 'a', isDescending: true, isNullsFirst: false },
          { kind: 'column', column: 'b', isNullsFirst: true },
        ],
      },
      '"public"."orders" USING btree ("a" DESC NULLS LAST, "b" NULLS FIRST)',
    ],
    [
      'an expression, a predicate and carried columns',
      { keys: [{ kind: 'expression', expression: 'lower(email)' }], include: ['id'], where: "status = 'open'" },
      `"public"."orders" USING btree ((lower(email))) INCLUDE ("id") WHERE status = 'open'`,
    ],
    [
      'an operator class',
      { method: 'gin', keys: [{ kind: 'column', column: 'title', opclass: 'gin_trgm_ops' }] },
      '"public"."orders" USING gin ("title" gin_trgm_ops)',
    ],
    ['a hostile name', { table: 'a"b; drop table x' }, '"public"."a""b; drop table x" USING btree ("customer_id")'],
  ])('%s', (_what, change, sql) => {
    expect(definitionSql({ ...base, ...change })).toBe(sql);
  });

  it('is created by name, concurrently when asked', () => {
    expect(createIndexSql({ ...base, isUnique: true }, 'x', { concurrently: true })).toBe(
      'CREATE UNIQUE INDEX CONCURRENTLY "x" ON "public"."orders" USING btree ("customer_id")',
    );
  });
});

describe('the name of an index', () => {
  it('is the same for the same definition, and another for another', () => {
    expect(indexName(base)).toMatch(/^orders_customer_id_idx_[0-9a-f]{8}$/);
    expect(indexName({ ...base })).toBe(indexName(base));
    expect(indexName({ ...base, where: 'true' })).not.toBe(indexName(base));
  });

  it('never passes 63 bytes, and cuts no character in half', () => {
    const name = indexName({ ...base, table: 'größenverzeichnis'.repeat(8) });
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
    expect(name).toMatch(/^größenverzeichnis.*_idx_[0-9a-f]{8}$/);
  });
});
