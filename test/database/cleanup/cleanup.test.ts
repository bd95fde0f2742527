import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextBatchRows, reasonToPause } from '../../../actions/lib/database/cleanup/load.ts';
import { isWorthVacuum } from '../../../actions/lib/database/cleanup/vacuum.ts';
import type { OpsError } from '../../../actions/lib/errors/index.ts';
import { connect, type PostgresTarget, parsePostgresUrl, quoteLiteral } from '../../../actions/lib/postgres/index.ts';
import { failureOf, openWorld, type World } from '../../backup/harness.ts';
import { clean, events, old } from './stage.ts';

let world: World;
let count = 0;
beforeAll(async () => {
  world = await openWorld({ settings: { autovacuum: false } });
});
afterAll(() => world?.close());

const database = (sql: string) => world.database(`clean_${++count}`, sql);
const rowsOf = async (target: PostgresTarget, table: string, where = 'true') =>
  Number((await world.query(target, `select count(*) as n from ${table} where ${where}`))[0]!.n);

describe('a rule', () => {
  test('deletes what is old enough, in batches, and nothing else; then VACUUM (ANALYZE)', async () => {
    const target = await database(events());
    const { data, checks } = await clean(world, target, [{ ...old, batchRows: 700 }]);
    expect(data.rules[0]).toMatchObject({
      status: 'done',
      deletedRows: 3000,
      planned: { deletable: 3000, referenced: 0 },
      left: { deletable: 0, referenced: 0 },
    });
    expect(data.rules[0]!.batches).toBeGreaterThanOrEqual(5);
    expect(await rowsOf(target, 'events')).toBe(2000);
    expect(await rowsOf(target, 'events', "at < now() - interval '90 days'")).toBe(0);
    expect(data.vacuumed).toEqual([
      expect.objectContaining({
        table: 'public.events',
        status: 'done',
        message: 'VACUUM (ANALYZE, TRUNCATE false) "public"."events"',
      }),
    ]);
    const [stats] = await world.query(
      target,
      "select vacuum_count, analyze_count from pg_stat_user_tables where relname = 'events'",
    );
    expect(stats).toMatchObject({ vacuum_count: '1' });
    expect(checks.map(check => [check.id, check.status])).toEqual([
      ['database.cleanup.rule', 'ok'],
      ['database.cleanup.vacuum', 'ok'],
      ['database.cleanup.indexes', 'ok'],
    ]);
  });

  test('with a dry run is counted, and nothing is locked, deleted or stored', async () => {
    const target = await database(`${events()}
      create table notes (id bigint primary key, event_id bigint references events on delete cascade);
      insert into notes select n, n from generate_series(1, 100) n;`);
    const { data } = await clean(world, target, [{ ...old, archive: true }], { dryRun: true });
    expect(data.rules[0]).toMatchObject({
      status: 'planned',
      deletedRows: 0,
      planned: { deletable: 3000, referenced: 0, cascades: [{ table: 'public.notes', rows: 100 }] },
    });
    expect(await rowsOf(target, 'events')).toBe(5000);
    expect(await Array.fromAsync(world.storage.list('archives/'))).toEqual([]);
  });

  test('has a condition, with a comment in it, and names that need quotes', async () => {
    const target = await database(`create schema "S'x"; create table "S'x"."T ""q""" ("a t" date, "order" text);
      insert into "S'x"."T ""q""" select current_date - 400, case when n % 3 = 0 then 'x' else 'y' end from generate_series(1, 90) n;`);
    const rule = {
      table: `S'x.T "q"`,
      column: 'a t',
      olderThan: '90d',
      condition: `"order" = 'x' -- only these`,
      archive: false,
    };
    const { data } = await clean(world, target, [rule]);
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 30 });
    expect(await rowsOf(target, `"S'x"."T ""q"""`)).toBe(60);
  });

  test('without an index on its column reads each block once, and says which index to make', async () => {
    const target = await database(`${events(15_000, 40_000)} drop index events_at;`);
    const { data, checks } = await clean(world, target, [old]);
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 15_000 });
    expect(data.warnings).toEqual([
      {
        table: 'public.events',
        message: 'no index leads with at: each run reads the whole table',
        statement: expect.stringMatching(
          /^CREATE INDEX CONCURRENTLY "events_at_idx_[0-9a-f]{8}" ON "public"."events" USING btree \("at"\);$/,
        ),
      },
    ]);
    expect(checks.at(-1)).toMatchObject({ id: 'database.cleanup.indexes', status: 'warning' });
  });

  test('for a partitioned table is one for each of its partitions', async () => {
    const target =
      await database(`create table logs (id bigint, at timestamptz not null, primary key (id, at)) partition by range (at);
      create table logs_old partition of logs for values from ('2001-01-01') to ('2020-01-01');
      create table logs_new partition of logs for values from ('2020-01-01') to ('2101-01-01');
      insert into logs select n, '2010-01-01' from generate_series(1, 50) n;
      insert into logs select n, '2021-01-01' from generate_series(1, 50) n;
      insert into logs select n, '2100-01-01' from generate_series(1, 50) n;`);
    const { data } = await clean(world, target, [{ table: 'logs', column: 'at', olderThan: '90d' }]);
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 100 });
    expect(await rowsOf(target, 'logs')).toBe(50);
  });

  test('of more rows than one run may delete goes on in the next one', async () => {
    const target = await database(events(1000, 1000));
    const first = await clean(world, target, [{ ...old, maxRowsPerRun: 600 }]);
    expect(first.data.rules[0]).toMatchObject({ status: 'limit', deletedRows: 600, left: { deletable: 400 } });
    const second = await clean(world, target, [{ ...old, maxRowsPerRun: 600 }]);
    expect(second.data.rules[0]).toMatchObject({ status: 'done', deletedRows: 400 });
  });
});

describe('foreign keys', () => {
  const shop = `
    create table customers (id bigint primary key, at timestamptz);
    create table orders (id bigint primary key, customer_id bigint references customers, at timestamptz);
    create table lines (order_id bigint references orders on delete cascade, n int, primary key (order_id, n));
    create table claims (id bigint primary key, order_id bigint, n int, foreign key (order_id, n) references lines);
    create table visits (id bigint primary key, customer_id bigint references customers on delete set null);
    insert into customers select n, '2001-01-01' from generate_series(1, 100) n;
    insert into orders select n, n, case when n <= 60 then '2001-01-01' else now() end from generate_series(1, 80) n;
    insert into lines select o, n from generate_series(1, 80) o, generate_series(1, 3) n;
    insert into claims select n, n, 2 from generate_series(1, 5) n;
    insert into visits select n, n from generate_series(90, 100) n;`;
  const rules = [
    { table: 'customers', column: 'at', olderThan: '90d', archive: false },
    { table: 'orders', column: 'at', olderThan: '90d', archive: false },
  ];

  test('children first; CASCADE counted; what others refer to, also below a CASCADE, stays and is counted', async () => {
    const target = await database(shop);
    const { data, checks } = await clean(world, target, rules);
    expect(data.rules.map(rule => [rule.table, rule.status, rule.deletedRows, rule.cascadedRows])).toEqual([
      // Five orders have a line with a claim.
      ['public.orders', 'done', 55, 165],
      // 25 orders are left: five of those with claims, 20 that are new.
      ['public.customers', 'done', 75, 0],
    ]);
    expect(data.rules.map(rule => rule.left)).toEqual([
      { deletable: 0, referenced: 5 },
      { deletable: 0, referenced: 25 },
    ]);
    expect(data.rules[1]!.planned.changes).toEqual(['public.visits.customer_id']);
    expect(await rowsOf(target, 'visits', 'customer_id is null')).toBe(11);
    expect(await rowsOf(target, 'claims')).toBe(5);
    expect(checks[0]).toMatchObject({
      status: 'ok',
      message: expect.stringContaining('5 rows stay, since other rows refer to them'),
    });
  });

  test('a tree in one table goes from its leaves to its roots, as far as it is old', async () => {
    const target =
      await database(`create table nodes (id bigint primary key, parent bigint references nodes, at timestamptz);
      insert into nodes select n, nullif(n / 2, 0), case when n = 63 then now() else '2001-01-01' end from generate_series(1, 63) n;`);
    const { data } = await clean(world, target, [{ table: 'nodes', column: 'at', olderThan: '90d', archive: false }]);
    // 63 is young, and keeps 31, 15, 7, 3 and 1.
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 57, left: { deletable: 0, referenced: 5 } });
  });

  test('a circle of CASCADEs that ends in a reference: what only the server sees is passed over, without end to nothing', async () => {
    const target = await database(`
      create table a (id bigint primary key, at timestamptz, next bigint);
      alter table a add foreign key (next) references a on delete cascade;
      create table holds (id bigint references a on delete no action deferrable initially deferred);
      insert into a select n, '2001-01-01', null from generate_series(1, 40) n;
      -- 10 refers to 9, that to 8, that to 7; 10 is held.
      update a set next = id - 1 where id between 8 and 10;
      insert into holds values (10);`);
    const { data } = await clean(world, target, [{ table: 'a', column: 'at', olderThan: '90d', archive: false }]);
    expect(data.rules[0]!.status).toBe('done');
    expect(await world.query(target, 'select id::int from a order by 1')).toEqual([7, 8, 9, 10].map(id => ({ id })));
  });
});

describe('others at work', () => {
  test('rows that a session holds are passed over, and the next run takes them', async () => {
    const target = await database(events());
    const session = await world.connect(target);
    await session.query('begin');
    await session.query('select from events where id <= 10 for update');
    const first = await clean(world, target, [old]);
    expect(first.data.rules[0]).toMatchObject({ status: 'done', deletedRows: 2990, left: { deletable: 10 } });
    await session.query('rollback');
    expect((await clean(world, target, [old])).data.rules[0]).toMatchObject({ deletedRows: 10 });
  });

  test('a lock on the table: put off after some tries, nothing waits behind it for long', async () => {
    const target = await database(events());
    const session = await world.connect(target);
    await session.query('begin');
    await session.query('lock table events in exclusive mode');
    const { data, checks } = await clean(world, target, [old], { cleanup: { lockTimeout: '0.05s' } });
    expect(data.rules[0]).toMatchObject({
      status: 'put off',
      deletedRows: 0,
      message: expect.stringMatching(/^locks on public\.events were not given within 5 tries/),
    });
    expect(checks[0]).toMatchObject({ id: 'database.cleanup.rule', status: 'warning' });
    await session.query('rollback');
  });

  test('it never takes a lock that readers or writers of other rows wait for', async () => {
    const target = await database(events());
    const other = await connect(target, { settings: { lock_timeout: '2s' } });
    const { data } = await clean(world, target, [{ ...old, batchRows: 300 }], {
      onLine: line => {
        if (line.includes('rows deleted'))
          void other.query('update events set note = note where id = 5000').catch(() => {});
      },
    });
    expect(data.rules[0]).toMatchObject({ deletedRows: 3000 });
    await other.query('select count(*) from events');
    await other.end();
  });

  test('sessions that wait for locks pause it until they are served; meanwhile a second one says that there is one', async () => {
    const target = await database(events());
    const [holder, waiter] = [await world.connect(target), await world.connect(target)];
    await holder.query('begin');
    await holder.query('update events set note = null where id = 5000');
    const waiting = waiter.query('update events set note = null where id = 5000');
    for (;;) {
      const [row] = await world.query(target, 'select count(*)::int as n from pg_locks where not granted');
      if (row!.n) break;
      await turn();
    }
    const lines: string[] = [];
    let second: Promise<OpsError> | undefined;
    const { data } = await clean(world, target, [old], {
      cleanup: { lockWaits: 0 },
      onLine(line) {
        lines.push(line);
        if (line.includes('pausing')) {
          second = failureOf(clean(world, target, [old]));
          void second.finally(() => holder.query('commit'));
        }
      },
    });
    await waiting;
    expect((await second)!.code).toBe('CLEANUP_RUNNING');
    expect(lines).toContainEqual('info: public.events: pausing, because 1 sessions wait for locks, more than 0');
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 3000 });
    expect(data.rules[0]!.pausedSeconds).toBeGreaterThan(0);
  });

  test('cancelled between batches: what is done stays done, the next run goes on', async () => {
    const target = await database(events());
    const abort = new AbortController();
    const error = await failureOf(
      clean(world, target, [{ ...old, batchRows: 100 }], {
        signal: abort.signal,
        onLine: line => line.includes('rows deleted') && abort.abort(),
      }),
    );
    expect(error.code).toBe('CANCELLED');
    expect(await rowsOf(target, 'events')).toBe(4900);
    expect((await clean(world, target, [old])).data.rules[0]).toMatchObject({ status: 'done', deletedRows: 2900 });
  });
});

describe('what cannot be followed is refused before anything is deleted', () => {
  test.each([
    [{ table: 'nowhere' }, 'there is no such table'],
    [{ column: 'gone' }, "it has no column 'gone'"],
    [{ column: 'note' }, "'note' is of type text"],
    [{ condition: 'level = ' }, 'its condition is refused'],
    [{ condition: "level = 'x') or (true" }, 'its condition is refused'],
    [{ condition: 'true; delete from events' }, 'its condition is refused'],
  ])('%j: %s', async (change, message) => {
    const target = await database(events());
    const error = await failureOf(clean(world, target, [old, { ...old, ...change }]));
    expect(error).toMatchObject({ code: 'CLEANUP_RULE', exitCode: 2, message: expect.stringContaining(message) });
    expect(await rowsOf(target, 'events')).toBe(5000);
  });

  test('no rule at all, and a role that may not delete', async () => {
    const target = await database(events());
    expect(await failureOf(clean(world, target, []))).toMatchObject({ code: 'CONFIG_MISSING_VALUE' });
    const password = world.server.target.password ?? '';
    await world.query(
      target,
      `create role reader login password ${quoteLiteral(password)}; grant select, delete on events to reader`,
    );
    const reader = parsePostgresUrl(target.url.replace('//postgres:', '//reader:'));
    expect(await failureOf(clean(world, reader, [old]))).toMatchObject({
      code: 'PG_DENIED',
      hint: expect.stringContaining('GRANT SELECT, UPDATE, DELETE ON "public"."events"'),
    });
  });

  test('a trigger that keeps rows: the rule fails, and the others are followed', async () => {
    const target =
      await database(`${events()} create function keep() returns trigger language plpgsql as 'begin return null; end';
      create trigger keep before delete on events for each row execute function keep();
      create table others (at timestamptz); insert into others select '2001-01-01' from generate_series(1, 10);`);
    const { data, checks } = await clean(world, target, [old, { ...old, table: 'others' }]);
    expect(data.rules.map(rule => [rule.table, rule.status, rule.deletedRows])).toEqual([
      ['public.events', 'failed', 0],
      ['public.others', 'done', 10],
    ]);
    expect(data.rules[0]).toMatchObject({
      code: 'CLEANUP_KEPT',
      message: expect.stringMatching(/^Of 500 rows of public\.events the server deleted 0, .* BEFORE DELETE trigger/),
    });
    expect(checks[0]).toMatchObject({ status: 'critical', message: expect.stringContaining('CLEANUP_KEPT: Of 500') });
    expect(await rowsOf(target, 'events')).toBe(5000);
  });
});

test.each([
  [500, 0.1, 1, 5000, 1000],
  [500, 4, 1, 5000, 250],
  [500, 1, 1, 5000, 500],
  [4000, 0.1, 1, 5000, 5000],
  [1, 60, 1, 5000, 1],
])('%i rows in %d s, for %d s: at most %i, next %i', (rows, took, wanted, most, next) => {
  expect(nextBatchRows(rows, took, wanted, most)).toBe(next);
});

test('the load is judged by what is limited', () => {
  const limits = { activeSessions: 4, lockWaits: 5, replicaLagSeconds: 10 };
  const calm = { activeSessions: 4, lockWaits: 5, replica: { name: 'r', lagSeconds: 10 } };
  expect(reasonToPause(calm, limits)).toBe(null);
  expect(reasonToPause({ ...calm, activeSessions: 5 }, limits)).toBe('5 other sessions are at work, more than 4');
  expect(reasonToPause({ ...calm, activeSessions: null }, limits)).toBe(null);
  expect(reasonToPause({ ...calm, lockWaits: 6 }, limits)).toBe('6 sessions wait for locks, more than 5');
  expect(reasonToPause({ ...calm, replica: { name: 'r', lagSeconds: 20 } }, limits)).toBe(
    'the replica r is 20.0 s behind, more than 10.0 s',
  );
});

test.each([
  [0, 100, 0.1, false],
  [9, 100, 0.1, false],
  [10, 100, 0.1, true],
  [10, 0, 0.1, true],
])('%i of %i rows removed, at %d: VACUUM %s', (removed, before, ratio, isWorth) => {
  expect(isWorthVacuum(removed, before, ratio)).toBe(isWorth);
});
