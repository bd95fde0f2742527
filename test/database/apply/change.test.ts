import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checksOf } from '../../../actions/lib/database/apply/checks.ts';
import { indexName } from '../../../actions/lib/database/indexes/index.ts';
import { whenTrue } from '../../backup/failures/stage.ts';
import { ApplyStage, column, create, drop, merge, orders, rebuild } from './stage.ts';

let stage: ApplyStage;
beforeAll(async () => {
  stage = await ApplyStage.open();
});
afterAll(() => stage?.close());

const byCustomer = column('orders', 'customer_id');
const name = indexName(byCustomer);

describe('a leftover', () => {
  test('of ours, by its name and its definition, is dropped and built again', async () => {
    const target = await stage.database(`${orders} create index ${name} on orders (customer_id);`);
    await stage.breakIndex(target, name);
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({
      status: 'done',
      statements: [expect.stringContaining('DROP INDEX CONCURRENTLY'), expect.stringContaining('CREATE INDEX')],
    });
    expect(leftovers).toEqual([]);
  });

  test('of somebody else is never touched: ours is built beside it, and it is reported', async () => {
    const target = await stage.database(`${orders} create index theirs on orders (customer_id);`);
    await stage.breakIndex(target, 'theirs');
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    expect(leftovers).toEqual([
      expect.objectContaining({
        index: 'theirs',
        origin: 'not ours',
        statement: 'DROP INDEX CONCURRENTLY "public"."theirs";',
      }),
    ]);
    expect(await stage.index(target, 'theirs')).toMatchObject({ valid: false });
  });

  test('that another session works on is left alone', async () => {
    const target = await stage.database(`${orders} create index ${name} on orders (customer_id);`);
    await stage.breakIndex(target, name);
    // A real drop, which waits for a reader, shows no progress and is known by its lock on the index.
    const reader = await stage.session(target);
    await reader.query('begin; select from orders limit 1');
    const other = await stage.session(target);
    const dropping = other.query(`drop index concurrently ${name}`);
    const waits = "select from pg_locks where not granted and locktype = 'virtualxid'";
    await whenTrue(async () => (await stage.query(target, waits)).length > 0);
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'deferred', statements: [] });
    expect(leftovers).toEqual([expect.objectContaining({ index: name, origin: 'in work' })]);
    await reader.query('rollback');
    await dropping;
  });

  test('that another session builds is in work, also for a role that sees nothing of others', async () => {
    const target = await stage.database(orders);
    const reader = await stage.session(target);
    await reader.query('begin isolation level repeatable read; select 1');
    const other = await stage.session(target);
    const building = other.query('create index concurrently theirs on orders (total)');
    const waits = "select from pg_stat_progress_create_index where phase = 'waiting for old snapshots'";
    await whenTrue(async () => (await stage.query(target, waits)).length > 0);
    const anybody = await stage.role(target, 'anybody');
    const { leftovers } = await stage.apply(anybody, []);
    expect(leftovers).toEqual([expect.objectContaining({ index: 'theirs', origin: 'in work' })]);
    await reader.query('rollback');
    await building;
  });

  test.each([
    ['vacuum', 'vacuum orders'],
    ['analyze', 'analyze orders'],
  ])('is none the less one while %s runs on its table', async (work, sql) => {
    const target = await stage.database(`${orders} create index theirs on orders (total);`);
    await stage.breakIndex(target, 'theirs');
    const other = await stage.session(target);
    await other.query('set vacuum_cost_delay = 100; set vacuum_cost_limit = 1');
    const busy = other.query(sql).catch((error: Error) => error.message);
    const runs = async () =>
      (await stage.query<{ pid: number }>(target, `select pid from pg_stat_progress_${work}`))[0];
    await whenTrue(async () => (await runs()) !== undefined);
    const applied = await stage.apply(target, []);
    const { pid } = (await runs())!;
    expect(applied.leftovers).toEqual([expect.objectContaining({ index: 'theirs', origin: 'not ours' })]);
    expect(checksOf(applied, 'shop')).toContainEqual(
      expect.objectContaining({ id: 'database.indexes.leftover', status: 'warning' }),
    );
    await stage.query(target, `select pg_cancel_backend(${pid})`);
    expect(await busy).toContain('canceling statement');
  });
});

describe('a drop', () => {
  test('is done, and its rollback makes the same index again', async () => {
    const target = await stage.database(`${orders} create index "Old one" on orders (status, total) where total > 5;`);
    const { outcomes } = await stage.apply(target, [drop(await stage.existing(target, 'Old one'))]);
    expect(outcomes[0]).toMatchObject({ status: 'done', sizeBytes: null });
    expect(await stage.index(target, 'Old one')).toBe(undefined);
    const [rollback] = outcomes[0]!.rollback;
    expect(rollback).toBe(
      'CREATE INDEX CONCURRENTLY "Old one" ON public.orders USING btree (status, total) WHERE (total > (5)::numeric);',
    );
    await stage.query(target, rollback!);
    expect(await stage.index(target, 'Old one')).toMatchObject({ valid: true });
    const twice = await stage.apply(target, [drop({ ...(await stage.existing(target, 'Old one')), name: 'Other' })]);
    expect(twice.outcomes[0]).toMatchObject({ status: 'nothing to do' });
  });

  test.each<[string, string, string, RegExp]>([
    ['of a primary key', '', 'orders_pkey', /needed by the primary key orders_pkey/],
    ['of a unique index', 'create unique index x on orders (total);', 'x', /is unique/],
    ['of a unique constraint', 'alter table orders add constraint x unique (total);', 'x', /the unique constraint x/],
    [
      'of the replica identity',
      'alter table orders alter total set not null; create unique index x on orders (total); alter table orders replica identity using index x;',
      'x',
      /replica identity/,
    ],
    ['of an index that CLUSTER uses', 'create index x on orders (total); cluster orders using x;', 'x', /CLUSTER/],
    [
      'of a part of a partitioned index',
      `create table p (a int) partition by range (a); create table p1 partition of p for values from (0) to (9); create index on p (a);`,
      'p1_a_idx',
      /belongs to an index of a partitioned table/,
    ],
  ])('%s is refused', async (_what, sql, index, reason) => {
    const target = await stage.database(orders + sql);
    const { outcomes } = await stage.apply(target, [drop(await stage.existing(target, index))]);
    expect(outcomes[0]).toMatchObject({ status: 'refused', message: expect.stringMatching(reason), statements: [] });
    expect(await stage.index(target, index)).toMatchObject({ valid: true });
  });

  test('is refused when the index is another one now, is used since, or lost what was to take its place', async () => {
    const target = await stage.database(`${orders} create index x on orders (total);`);
    const x = await stage.existing(target, 'x');
    const covered = { ...x, coveredBy: { schema: 'public', name: 'wide' } };
    await stage.query(target, 'set enable_seqscan = off; select from orders where total = 5');
    await whenTrue(async () => {
      const [row] = await stage.query(
        target,
        "select idx_scan::int as n from pg_stat_user_indexes where indexrelname = 'x'",
      );
      return row!.n === 1;
    });
    const used = { ...x, scans: 0 };
    await stage.query(target, 'create index wide on orders (total, id)');
    await stage.breakIndex(target, 'wide');
    const { outcomes } = await stage.apply(target, [
      drop({ ...x, definition: 'CREATE INDEX x ON public.orders USING btree (id)' }),
      drop(used),
      drop(covered),
    ]);
    expect(outcomes.map(outcome => [outcome.status, outcome.message])).toEqual([
      ['refused', expect.stringContaining('another index than the advice looked at')],
      ['refused', expect.stringContaining('has been used')],
      ['refused', expect.stringContaining('wide, which was to take its place')],
    ]);
  });
});

describe('a merge', () => {
  test('builds the one first, then drops the others', async () => {
    const target = await stage.database(
      `${orders} create index a on orders (customer_id); create index b on orders (customer_id, status);`,
    );
    const wide = column('orders', 'customer_id', 'status', 'total');
    const { outcomes } = await stage.apply(target, [
      merge(wide, [await stage.existing(target, 'a'), await stage.existing(target, 'b')]),
    ]);
    expect(outcomes[0]).toMatchObject({ status: 'done', index: indexName(wide) });
    expect(outcomes[0]!.statements.map(sql => sql.split(' ')[0])).toEqual(['CREATE', 'DROP', 'DROP']);
    expect(outcomes[0]!.rollback.map(sql => sql.split(' ')[0])).toEqual(['CREATE', 'CREATE', 'DROP']);
  });

  test('drops nothing when the one could not be built', async () => {
    const target = await stage.database(`${orders} create index a on orders (customer_id);`);
    const { outcomes } = await stage.apply(target, [
      merge(column('orders', 'customer_id', 'gone'), [await stage.existing(target, 'a')]),
    ]);
    expect(outcomes[0]).toMatchObject({ status: 'refused' });
    expect(await stage.index(target, 'a')).toMatchObject({ valid: true });
  });
});

describe('a rebuild', () => {
  const bloated = `${orders} create index x on orders (email); delete from orders where id % 10 <> 0; vacuum orders;`;

  test('makes it smaller, and keeps its name', async () => {
    const target = await stage.database();
    for (const sql of bloated.split(';').filter(Boolean)) await stage.query(target, sql);
    const { outcomes } = await stage.apply(target, [rebuild(await stage.existing(target, 'x'))]);
    expect(outcomes[0]).toMatchObject({ status: 'done', statements: ['REINDEX INDEX CONCURRENTLY "public"."x"'] });
    expect(outcomes[0]!.sizeBytes!).toBeLessThan(outcomes[0]!.sizeBeforeBytes! / 2);
  });

  test('that is cut off leaves no copy of its own, and does not touch the copy of another', async () => {
    const target = await stage.database(
      `${orders} create index x on orders (email); create index x_ccnew on orders (email);`,
    );
    await stage.breakIndex(target, 'x_ccnew');
    const reader = await stage.session(target);
    await reader.query('begin isolation level repeatable read');
    await reader.query('select 1');
    const { outcomes, leftovers } = await stage.apply(target, [rebuild(await stage.existing(target, 'x'))], {
      options: { oldTransactionSeconds: 3600, buildTimeoutSeconds: 0.5 },
    });
    expect(outcomes[0]).toMatchObject({ status: 'failed' });
    expect(outcomes[0]!.statements).toContainEqual(expect.stringContaining('x_ccnew1'));
    expect(leftovers.map(({ index, origin }) => [index, origin])).toEqual([['x_ccnew', 'not ours']]);
    await reader.query('commit');
  });
});

describe('a partitioned table', () => {
  const measurements = `
    create table m (at int not null, place int, value numeric) partition by range (at);
    create table m1 partition of m for values from (0) to (100);
    create table m2 partition of m for values from (100) to (200) partition by list (place);
    create table m2a partition of m2 for values in (1, 2, 3);
    create table m2b partition of m2 default;
    insert into m select n % 200, n % 10, n from generate_series(1, 4000) n; analyze m;`;
  const byPlace = column('m', 'place', 'value');

  test('gets its index partition by partition, and the parent is valid in the end', async () => {
    const target = await stage.database(measurements);
    const { outcomes, leftovers } = await stage.apply(target, [
      create(byPlace, [{ fingerprint: 'aa', text: 'select * from m where place = 4 and value = 44' }]),
    ]);
    expect(outcomes[0]).toMatchObject({ status: 'done', message: 'built on 3 partitions, and valid' });
    expect(outcomes[0]!.planner).toMatchObject({ used: 1, asked: 1 });
    expect(outcomes[0]!.statements.filter(sql => sql.includes('CONCURRENTLY'))).toHaveLength(3);
    expect(await stage.index(target, indexName(byPlace))).toMatchObject({ valid: true });
    expect(leftovers).toEqual([]);
    const again = await stage.apply(target, [create(byPlace)]);
    expect(again.outcomes[0]).toMatchObject({ status: 'nothing to do', statements: [] });
    for (const sql of outcomes[0]!.rollback) await stage.query(target, sql);
    expect(await stage.query(target, "select from pg_indexes where tablename like 'm%'")).toEqual([]);
  });

  test('goes on where it was cut off, and takes an index that a partition has already', async () => {
    const target = await stage.database(`${measurements} create index by_hand on m1 (place, value);`);
    const writer = await stage.session(target);
    await writer.query('begin; update m2b set value = 0');
    const first = await stage.apply(target, [create(byPlace)]);
    expect(first.outcomes[0]).toMatchObject({
      status: 'deferred',
      message: expect.stringMatching(/^2 of 3 partitions have their index; m2b: put off: process/),
    });
    expect(first.leftovers).toEqual([
      expect.objectContaining({ table: 'm2', isPartitioned: true, origin: 'ours' }),
      expect.objectContaining({ table: 'm', isPartitioned: true, origin: 'ours' }),
    ]);
    await writer.query('commit');
    const second = await stage.apply(target, [create(byPlace)]);
    expect(second.mended).toContainEqual(expect.objectContaining({ status: 'to be continued' }));
    expect(second.outcomes[0]).toMatchObject({ status: 'done' });
    expect(second.outcomes[0]!.statements.filter(sql => sql.includes('CONCURRENTLY'))).toHaveLength(1);
    expect(second.leftovers).toEqual([]);
    expect(await stage.query(target, 'select * from production_ops.index_changes')).toEqual([]);
  });
});
