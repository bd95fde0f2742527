import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type IndexDefinition, indexName } from '../../../actions/lib/database/indexes/index.ts';
import { quoteIdent } from '../../../actions/lib/postgres/index.ts';
import { ApplyStage, column, create, orders } from './stage.ts';

let stage: ApplyStage;
beforeAll(async () => {
  stage = await ApplyStage.open();
});
afterAll(() => stage?.close());

const byCustomer = column('orders', 'customer_id');
const name = indexName(byCustomer);

describe('an index that was chosen', () => {
  test('is built, valid, used by the planner, and can be taken back by its rollback', async () => {
    const target = await stage.database(orders);
    const seen: number[] = [];
    const { outcomes, leftovers, isRecorded } = await stage.apply(
      target,
      [
        create(byCustomer, [
          { fingerprint: 'aa', text: 'select * from orders where customer_id = $1' },
          { fingerprint: 'bb', text: 'select * from orders where customer_id = $1', parameters: ['7'] },
          { fingerprint: 'cc', text: 'select * from orders where total > $1', parameters: ['3'] },
          { fingerprint: 'dd', text: 'select * from dropped_since' },
          { fingerprint: 'ee', text: 'select 1; drop table orders' },
        ]),
      ],
      { progress: { start: () => ({ advance: by => void seen.push(by), done() {} }) } },
    );
    expect(outcomes).toEqual([
      expect.objectContaining({ status: 'done', index: name, table: 'public.orders', attempts: 1 }),
    ]);
    expect(outcomes[0]!.planner).toEqual({
      used: 2,
      asked: 3,
      notUsedBy: ['cc'],
      notAsked: [expect.stringContaining('dropped_since'), expect.stringMatching(/^ee: .*multiple commands/)],
    });
    expect(outcomes[0]!.statements).toEqual([
      `CREATE INDEX CONCURRENTLY "${name}" ON "public"."orders" USING btree ("customer_id")`,
    ]);
    expect(await stage.index(target, name)).toMatchObject({ valid: true });
    expect({ leftovers, isRecorded }).toEqual({ leftovers: [], isRecorded: true });
    expect(await stage.query(target, 'select * from production_ops.index_changes')).toEqual([]);

    await stage.query(target, outcomes[0]!.rollback[0]!);
    expect(await stage.index(target, name)).toBe(undefined);
  });

  test('is not built twice, also when it is there under another name', async () => {
    const target = await stage.database(`${orders} create index by_hand on orders (customer_id);`);
    const { outcomes } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'nothing to do', message: expect.stringContaining('by_hand') });
    expect(await stage.index(target, name)).toBe(undefined);
  });

  test.each<[string, string, Partial<IndexDefinition>]>([
    ['another order', 'orders (customer_id desc)', {}],
    ['a predicate', "orders (customer_id) where status = 'open'", {}],
    ['carried columns', 'orders (customer_id) include (total)', {}],
    ['uniqueness', 'orders (id)', { keys: [{ kind: 'column', column: 'id' }], where: 'id > 5' }],
    ['an operator class', 'orders (email text_pattern_ops)', { keys: [{ kind: 'column', column: 'email' }] }],
  ])('one that differs in %s is another one', async (_what, there, change) => {
    const target = await stage.database(`${orders} create index by_hand on ${there};`);
    const { outcomes } = await stage.apply(target, [create({ ...byCustomer, ...change })]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
  });

  test('on an expression with a predicate and a descending key is what was asked for, and its values are analysed', async () => {
    const target = await stage.database(orders);
    const definition: IndexDefinition = {
      ...byCustomer,
      keys: [
        { kind: 'expression', expression: 'lower(email)' },
        { kind: 'column', column: 'id', isDescending: true, isNullsFirst: false },
      ],
      include: ['total'],
      where: "status = 'open'",
    };
    const { outcomes } = await stage.apply(target, [create(definition)]);
    expect(outcomes[0]!.statements.at(-1)).toBe('ANALYZE "public"."orders"');
    const made = await stage.index(target, indexName(definition));
    expect(made?.definition).toContain(
      "(lower(email), id DESC NULLS LAST) INCLUDE (total) WHERE (status = 'open'::text)",
    );
    expect(await stage.query(target, `select from pg_stats where tablename = '${indexName(definition)}'`)).toHaveLength(
      1,
    );
  });

  test('on names that were chosen to do harm is built on the right table', async () => {
    const evil = `o"; drop table orders; --`;
    const target = await stage.database(`${orders} create table ${quoteIdent(evil)} ("a'b\\c;" int, "ü ""x" text);`);
    const definition = column(evil, "a'b\\c;", 'ü "x');
    const { outcomes } = await stage.apply(target, [create(definition)]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    expect(await stage.index(target, indexName(definition))).toMatchObject({ valid: true });
    expect(await stage.query(target, 'select from orders limit 1')).toHaveLength(1);
  });

  test('cannot carry a second statement in its expression', async () => {
    const target = await stage.database(orders);
    const definition: IndexDefinition = { ...byCustomer, where: 'true); drop table orders; select (1' };
    const { outcomes } = await stage.apply(target, [create(definition)]);
    expect(outcomes[0]).toMatchObject({ status: 'refused' });
    expect(await stage.query(target, 'select from orders limit 1')).toHaveLength(1);
  });
});

describe('one that cannot be built does not keep the others from their turn', () => {
  test.each<[string, string, IndexDefinition, RegExp]>([
    ['a column that is gone', '', column('orders', 'gone'), /column "gone" does not exist/],
    ['a table that is gone', '', column('nothing', 'id'), /no table public\.nothing/],
    ['a view', 'create view v as select * from orders;', column('v', 'id'), /is a view/],
    [
      'an expression that is not immutable',
      '',
      { ...byCustomer, keys: [{ kind: 'expression', expression: 'now()' }] },
      /IMMUTABLE/,
    ],
    [
      'an operator class of an extension that is not there',
      '',
      { ...byCustomer, method: 'gin', keys: [{ kind: 'column', column: 'email', opclass: 'gin_trgm_ops' }] },
      /gin_trgm_ops/,
    ],
    [
      'its name taken by a table',
      `create table ${name} ();`,
      byCustomer,
      new RegExp(`the name ${name} is taken by a table`),
    ],
    [
      'its name taken by another index',
      `create index ${name} on orders (total);`,
      byCustomer,
      /with another definition is there/,
    ],
  ])('%s', async (_what, sql, definition, reason) => {
    const target = await stage.database(orders + sql);
    const other = column('orders', 'status', 'id');
    const { outcomes, leftovers } = await stage.apply(target, [create(definition), create(other)]);
    expect(outcomes[0]).toMatchObject({ status: 'refused', message: expect.stringMatching(reason), statements: [] });
    expect(outcomes[1]).toMatchObject({ status: 'done' });
    expect(leftovers).toEqual([]);
  });

  test('rows that are not unique', async () => {
    const target = await stage.database(orders);
    const { outcomes, leftovers } = await stage.apply(target, [
      create({ ...byCustomer, isUnique: true }),
      create(column('orders', 'total')),
    ]);
    expect(outcomes[0]).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('could not create unique'),
    });
    expect(outcomes[1]).toMatchObject({ status: 'done' });
    expect(leftovers).toEqual([]);
    expect(await stage.query(target, 'select * from production_ops.index_changes')).toEqual([]);
  });

  test('more than the size that is allowed', async () => {
    const target = await stage.database(orders);
    const { outcomes } = await stage.apply(target, [create(byCustomer)], { options: { maxIndexBytes: 1000 } });
    expect(outcomes[0]).toMatchObject({ status: 'refused', message: expect.stringContaining('maxIndexBytes') });
  });

  test('less free disk than it needs, where that is measured', async () => {
    const target = await stage.database(orders);
    const { outcomes } = await stage.apply(target, [create(byCustomer)], { options: { reserveBytes: 2 ** 52 } });
    expect(outcomes[0]).toMatchObject({ status: 'refused', message: expect.stringContaining('free on the disk') });
  });
});

describe('rights', () => {
  test('a role that does not own the table is told which grant it needs', async () => {
    const target = await stage.database(orders);
    const reader = await stage.role(target, 'reader', 'grant select on orders to reader; grant pg_monitor to reader');
    const { outcomes, notGuarded } = await stage.apply(reader, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({
      status: 'refused',
      message: expect.stringMatching(/only the owner of public\.orders.*TO "reader"/),
    });
    expect(notGuarded).toContainEqual(expect.stringContaining('not recorded'));
  });

  test('an owner that may not create a schema and sees no other session builds all the same, and says what it could not watch', async () => {
    const target = await stage.database(orders);
    const owner = await stage.role(
      target,
      'owner_only',
      'grant create on schema public to owner_only; alter table orders owner to owner_only',
    );
    const { outcomes, notGuarded, isRecorded } = await stage.apply(owner, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    expect(isRecorded).toBe(false);
    expect(notGuarded).toEqual([
      expect.stringContaining('may not create the schema production_ops'),
      expect.stringContaining('database.machine.diskBytes'),
      expect.stringContaining('pg_read_all_stats'),
    ]);
  });

  test('a table of records that belongs to somebody else is not written to', async () => {
    const target = await stage.database(orders);
    const shop = await stage.role(
      target,
      'shop',
      `create role mallory;
      create schema production_ops authorization mallory;
      create table production_ops.index_changes (index_schema text);
      alter table production_ops.index_changes owner to mallory;
      grant all on production_ops.index_changes to public; grant usage on schema production_ops to public;
      grant create on schema public to shop; alter table orders owner to shop;`,
    );
    const { outcomes, notGuarded } = await stage.apply(shop, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    expect(notGuarded).toContainEqual(expect.stringContaining('belongs to another role'));
  });
});
