import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexName } from '../../../actions/lib/database/indexes/index.ts';
import { quoteLiteral } from '../../../actions/lib/postgres/index.ts';
import { hasPgBouncer, startPgBouncer } from '../../services/pgbouncer.ts';
import { mountTmpfs } from '../../storage/tmpfs.ts';
import { ApplyStage, column, create, orders, refusal } from './stage.ts';

let stage: ApplyStage;
beforeAll(async () => {
  stage = await ApplyStage.open({
    tcp: true,
    settings: { wal_level: 'replica', max_wal_senders: 4, max_replication_slots: 4 },
  });
});
afterAll(() => stage?.close());

const byCustomer = column('orders', 'customer_id');
const name = indexName(byCustomer);

describe('what a build would wait for is seen before it begins', () => {
  test('an old snapshot anywhere in the database: put off, nothing made; and built when it is gone', async () => {
    const target = await stage.database(`${orders} create table elsewhere (); `);
    const reader = await stage.session(target);
    await reader.query('begin isolation level repeatable read');
    await reader.query('select from elsewhere');
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({
      status: 'deferred',
      message: expect.stringMatching(
        /^put off: process \d+ \(postgres, the shop\) keeps a snapshot for .*idle in transaction$/,
      ),
      statements: [],
    });
    expect(leftovers).toEqual([]);
    expect(await stage.index(target, name)).toBe(undefined);

    const lines: string[] = [];
    const patient = await stage.apply(target, [create(byCustomer)], {
      options: { patienceSeconds: 60 },
      onLine(line) {
        lines.push(line);
        if (line.includes('keeps a snapshot')) void reader.query('commit');
      },
    });
    expect(patient.outcomes[0]).toMatchObject({ status: 'done' });
    expect(lines).toContainEqual(expect.stringContaining('public.orders: waiting, because process'));
  });

  test('a reader that holds no snapshot is none', async () => {
    const target = await stage.database(orders);
    const reader = await stage.session(target);
    await reader.query('begin');
    await reader.query('select from orders limit 1');
    const { outcomes } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    await reader.query('commit');
  });

  test('a prepared transaction that wrote to the table', async () => {
    const target = await stage.database(orders);
    const writer = await stage.session(target);
    await writer.query("begin; update orders set total = 0 where id = 1; prepare transaction 'left ''behind'");
    const { outcomes } = await stage.apply(target, [create(byCustomer)]);
    expect(outcomes[0]).toMatchObject({
      status: 'deferred',
      message: expect.stringContaining("prepared transaction 'left 'behind' holds a lock"),
    });
    await writer.query("rollback prepared 'left ''behind'");
  });

  test('a writer whose transaction is open, and another build on the table', async () => {
    const target = await stage.database(orders);
    const writer = await stage.session(target);
    await writer.query('begin');
    await writer.query('update orders set total = 0 where id = 1');
    const first = await stage.apply(target, [create(byCustomer)]);
    expect(first.outcomes[0]!.message).toMatch(/has written to the table in a transaction that is open/);
    await writer.query('rollback');
    await writer.query('begin');
    await writer.query('lock table orders in share update exclusive mode');
    const second = await stage.apply(target, [create(byCustomer)]);
    expect(second.outcomes[0]!.message).toMatch(/holds a ShareUpdateExclusiveLock on the table/);
    await writer.query('rollback');
  });
});

describe('a lock that comes in between', () => {
  test('costs a try, whose leftover is dropped, and the next one builds', async () => {
    const target = await stage.database(orders);
    const writer = await stage.session(target);
    await writer.query('begin');
    await writer.query('update orders set total = 0 where id = 1');
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)], {
      options: { oldTransactionSeconds: 3600, lockTimeoutSeconds: 0.3 },
      onLine(line) {
        if (line.includes('trying again')) void writer.query('commit');
      },
    });
    expect(outcomes[0]).toMatchObject({ status: 'done' });
    expect(outcomes[0]!.attempts).toBeGreaterThan(1);
    expect(leftovers).toEqual([]);
  });

  test('that stays is put off, what is left is reported, and the next run mends it', async () => {
    const target = await stage.database(orders);
    const writer = await stage.session(target);
    await writer.query('begin');
    await writer.query('update orders set total = 0 where id = 1');
    const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)], {
      options: { oldTransactionSeconds: 3600, lockTimeoutSeconds: 0.2, attempts: 2 },
    });
    expect(outcomes[0]).toMatchObject({ status: 'deferred', attempts: 2 });
    expect(outcomes[0]!.message).toMatch(/lock timeout; the invalid index .* is left/);
    expect(leftovers).toEqual([
      expect.objectContaining({
        index: name,
        origin: 'ours',
        statement: `DROP INDEX CONCURRENTLY "public"."${name}";`,
      }),
    ]);
    await writer.query('commit');
    const next = await stage.apply(target, []);
    expect(next.mended).toEqual([expect.objectContaining({ index: name, operation: 'create', status: 'mended' })]);
    expect(next.leftovers).toEqual([]);
    expect(await stage.index(target, name)).toBe(undefined);
  });
});

test('a build that takes longer than it may is cancelled, and leaves nothing', async () => {
  const target = await stage.database(orders);
  const reader = await stage.session(target);
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)], {
    options: { oldTransactionSeconds: 3600, buildTimeoutSeconds: 0.5 },
  });
  expect(outcomes[0]).toMatchObject({ status: 'failed', message: expect.stringContaining('not done within 0.50 s') });
  expect(leftovers).toEqual([]);
  await reader.query('commit');
});

test('a cancelled run cancels its build, and leaves nothing', async () => {
  const target = await stage.database(orders);
  const reader = await stage.session(target);
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  const abort = new AbortController();
  const advanced = () => abort.abort();
  const error = await refusal(
    stage.apply(target, [create(byCustomer)], {
      options: { oldTransactionSeconds: 3600 },
      signal: abort.signal,
      progress: { start: () => ({ advance: advanced, done() {} }) },
    }),
  );
  expect(error.code).toBe('CANCELLED');
  expect(await stage.index(target, name)).toBe(undefined);
  expect(await stage.query(target, 'select * from production_ops.index_changes')).toEqual([]);
  await reader.query('commit');
});

test('two at once: the second one says so', async () => {
  const target = await stage.database(orders);
  const reader = await stage.session(target);
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  const { promise: isBuilding, resolve } = Promise.withResolvers<void>();
  const first = stage.apply(target, [create(byCustomer)], {
    options: { oldTransactionSeconds: 3600 },
    progress: { start: () => ({ advance: () => resolve(), done() {} }) },
  });
  await isBuilding;
  const error = await refusal(stage.apply(target, [create(byCustomer)], { options: { otherRunSeconds: 0.1 } }));
  expect(error).toMatchObject({ code: 'APPLY_RUNNING', hint: expect.stringMatching(/pg_terminate_backend\(\d+\)/) });
  await reader.query('commit');
  expect((await first).outcomes[0]).toMatchObject({ status: 'done' });
});

test('the server restarting in the middle: both connections again, what is left mended, built', async () => {
  const target = await stage.database(orders);
  const reader = await stage.session(target);
  await reader.query('begin isolation level repeatable read');
  await reader.query('select 1');
  let isKilled = false;
  const killer = async () => {
    if (isKilled) return;
    isKilled = true;
    const [row] = await stage.query<{ pid: number }>(
      target,
      `select pid from pg_stat_activity where application_name = 'production-ops apply' and datname = current_database()`,
    );
    // The death of one process makes the server end all of them and recover, as after a crash.
    process.kill(row!.pid, 'SIGKILL');
  };
  const { outcomes, leftovers } = await stage.apply(target, [create(byCustomer)], {
    options: { oldTransactionSeconds: 3600 },
    progress: { start: () => ({ advance: () => void killer(), done() {} }) },
  });
  expect(isKilled).toBe(true);
  expect(outcomes[0]).toMatchObject({ status: 'done' });
  expect(outcomes[0]!.attempts).toBeGreaterThan(1);
  expect(leftovers).toEqual([]);
  expect(await stage.index(target, name)).toMatchObject({ valid: true });
});

test('a full disk in a build: it fails with what the server said, and leaves nothing', async context => {
  const disk = await mountTmpfs(context, 'size=1m,mode=0777');
  const folder = join(disk, 'space');
  mkdirSync(folder, { mode: 0o700 });
  const { uid, gid } = statSync(stage.server.dataDir);
  chownSync(folder, uid, gid);
  const target = await stage.database(
    `${orders} insert into orders select n, n, n::text, n, n::text from generate_series(30000, 130000) n;`,
  );
  await stage.query(stage.server.target, `create tablespace small location ${quoteLiteral(folder)}`);
  context.onTestFinished(async () => {
    await stage.query(stage.server.target, `drop database ${target.database} with (force)`);
    await stage.query(stage.server.target, 'drop tablespace small');
  });
  await stage.query(target, `alter database ${target.database} set default_tablespace = small`);
  const { outcomes, leftovers } = await stage.apply(target, [create(column('orders', 'total', 'email'))]);
  expect(outcomes[0]).toMatchObject({ status: 'failed', attempts: 1, message: expect.stringMatching(/No space left/) });
  expect(leftovers).toEqual([]);
});

test('a slot that holds too much WAL back: put off', async () => {
  const target = await stage.database(orders);
  await stage.query(target, "select pg_create_physical_replication_slot('forgotten', true)");
  await stage.query(target, 'create table more as select generate_series(1, 10000) as n');
  const { outcomes } = await stage.apply(target, [create(byCustomer)], { options: { slotRetainedBytes: 1000 } });
  expect(outcomes[0]).toMatchObject({
    status: 'deferred',
    message: expect.stringMatching(/^put off: the slot forgotten holds .* of WAL back, more than 1000 B$/),
  });
  await stage.query(target, "select pg_drop_replication_slot('forgotten')");
});

// With CI=true a missing pooler is a failure, not a skip.
describe.skipIf(!hasPgBouncer && !process.env.CI)('through a real PgBouncer', () => {
  test('in transaction mode: refused before anything is begun', async () => {
    const target = await stage.database(orders);
    const pooler = await startPgBouncer(target, { mode: 'transaction' });
    try {
      const error = await refusal(stage.apply(pooler.target, [create(byCustomer)]));
      expect(error).toMatchObject({ code: 'PG_POOLER', hint: expect.stringContaining('direct endpoint') });
      expect(await stage.index(target, name)).toBe(undefined);
    } finally {
      await pooler.stop();
    }
  });

  test('in session mode: as good as a direct connection', async () => {
    const target = await stage.database(orders);
    const pooler = await startPgBouncer(target, { mode: 'session' });
    try {
      const { outcomes } = await stage.apply(pooler.target, [create(byCustomer)]);
      expect(outcomes[0]).toMatchObject({ status: 'done' });
    } finally {
      await pooler.stop();
    }
  });
});
