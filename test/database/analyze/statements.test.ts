import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../actions/lib/postgres/index.ts';
import { Stage } from './stage.ts';

/** What must be nowhere: values of users, in every place where a statement can hold one. */
const secrets = ['hunter2', 'tr0ub4dor', '4929123412341234', 'sk_live_abcdef'];

const config = { database: { statements: { slowMs: 50, slowCalls: 2, heavyRatio: 0.3 } } };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.create(
    'shop',
    `create schema ext; create extension pg_stat_statements schema ext;
     create schema sales;
     create table sales.orders (id int primary key, customer int, status text, note text, card bigint);
     insert into sales.orders select i, i % 5000, case when i % 100 = 0 then 'open' else 'done' end, 'hunter2' || i, 4929123412341234
       from generate_series(1, 100000) i;
     create table never_analysed (a int, b text)`,
    'analyze sales.orders',
    `create role app login password 'app'; alter role app set search_path = sales; grant usage on schema sales to app;
     grant select, update, delete on sales.orders to app;
     create role watcher login password 'watch'; grant pg_monitor to watcher`,
    'select ext.pg_stat_statements_reset()',
  );
});
afterAll(() => stage?.[Symbol.asyncDispose]());

async function work(rounds: number): Promise<void> {
  const client = await connect(stage.target('shop', { name: 'app', password: 'app' }));
  for (let round = 0; round < rounds; round++) {
    await client.query('select * from orders where customer = $1', [round]);
    await client.query(
      `select id, note from orders where note like '%hunter2%' and card = 4929123412341234 order by note limit 5`,
    );
    await client.query('update orders set status = $1 where customer = $2 and note is null', ['done', round]);
    await client.query('select a.id from orders a join orders b on a.note < b.note where a.id = 3 and b.id < 0');
    await client.query('select count(*) from pg_catalog.pg_class');
  }
  await client.end();
}

describe('the statements', () => {
  test('are ranked by what they cost, with what their plans say', async () => {
    await work(5);
    const { data, check } = await analysed();
    const by = (part: string) => data.statements.find(({ text }) => text.includes(part))!;
    expect(data.window?.kind).toBe('first');
    expect(data.statements.map(({ totalMs }) => totalMs)).toEqual(
      [...data.statements.map(({ totalMs }) => totalMs)].sort((a, b) => b - a),
    );

    const search = by('where customer = $1');
    expect(search).toMatchObject({ calls: 5, planProblem: null, rowsPerCall: 20 });
    expect(search.findings).toEqual([
      expect.objectContaining({
        kind: 'sequential scan',
        message: expect.stringMatching(/"sales"\."orders" is read from end to end, 100,000 rows to keep about 20/),
      }),
    ]);
    // What an UPDATE looks for is explained without the lock of one.
    expect(by('update orders').findings).toEqual([expect.objectContaining({ kind: 'sequential scan' })]);
    expect(by('update orders').planProblem).toBeNull();
    expect(data.statements.some(({ text }) => text.includes('pg_class'))).toBe(false);
    expect(check('database.statements.heavy').status).toMatch(/ok|warning/);
  });

  test('that are slow stay slow since the first report that said so, and a reset is noticed', async () => {
    const slow = 'select pg_sleep(0.06), count(*) from sales.orders';
    await stage.sql('shop', slow, slow);
    const first = await analysed({ keep: true, now: new Date('2026-11-01T00:00:00Z') });
    const find = (of: typeof first) => of.data.statements.find(({ text }) => text.includes('pg_sleep'))!;
    expect(find(first)).toMatchObject({
      reasons: expect.arrayContaining(['slow']),
      slowSince: '2026-11-01T00:00:00.000Z',
    });

    await stage.sql('shop', slow, slow, slow);
    const second = await analysed({ keep: true, now: new Date('2026-11-08T00:00:00Z') });
    expect(second.data.window).toMatchObject({ kind: 'since', from: '2026-11-01T00:00:00.000Z', seconds: 7 * 86_400 });
    expect(find(second)).toMatchObject({ calls: 3, slowSince: '2026-11-01T00:00:00.000Z' });
    expect(second.check('database.statements.slow').message).toContain('slow since 2026-11-01');
    // Nothing else was executed in between, and what the first analysis asked for itself is none of the workload.
    expect(second.data.statements.filter(({ text }) => /^explain/i.test(text))).toEqual([]);
    expect(second.data.statements.some(({ text }) => text.includes('where customer = $1'))).toBe(false);

    await stage.sql('shop', 'select ext.pg_stat_statements_reset()', slow, slow);
    const third = await analysed({ keep: true, now: new Date('2026-11-15T00:00:00Z') });
    expect(third.data.window?.kind).toBe('reset');
    expect(find(third)).toMatchObject({ calls: 2, slowSince: '2026-11-01T00:00:00.000Z' });
  });

  test('that became slower are named with both times', async () => {
    const statement = (seconds: number) => `select pg_sleep(${seconds}) as nap`;
    await stage.sql('shop', ...Array(3).fill(statement(0.001)));
    await analysed({ keep: true, now: new Date('2026-11-16T00:00:00Z') });
    await stage.sql('shop', ...Array(3).fill(statement(0.5)));
    const later = await analysed({ now: new Date('2026-11-17T00:00:00Z') });
    expect(later.data.statements.find(({ text }) => text.includes('nap'))?.reasons).toContain('slower');
    expect(later.check('database.statements.slower').status).toBe('warning');
  });

  test('never show a literal, whatever the server keeps', async () => {
    await stage.sql(
      'shop',
      `create role leaky password 'tr0ub4dor'`,
      `alter role leaky password 'tr0ub4dor'`,
      `set app.token = sk_live_abcdef`,
      `do $$ begin perform 'hunter2'; end $$`,
      `/* hunter2 */ select 1 -- tr0ub4dor\n`,
      `explain select * from sales.orders where note = 'hunter2'`,
      `create table copied as select 'sk_live_abcdef'::text as t`,
      `copy (select 'hunter2') to program 'cat > /dev/null'`,
      `comment on table copied is 'tr0ub4dor'`,
      `select * from sales.orders where id in (${Array.from({ length: 300 }, (_, n) => n).join(',')}) and note <> 'hunter2'`,
    );
    const holder = await stage.session(
      'shop',
      `begin; select 'hunter2', card from sales.orders where card = 4929123412341234 limit 1`,
    );
    const result = await stage.analyze(stage.target('shop'), {
      config: {
        database: { statements: { explained: 500 }, thresholds: { idleInTransaction: '0s', longTransaction: '0s' } },
      },
    });
    await holder.query('rollback');
    expect(result.subjects('database.transactions.idle')).toHaveLength(1);
    expect(result.data.statements.length).toBeGreaterThan(10);
    const everything = result.everything();
    for (const secret of secrets) expect(everything).not.toContain(secret);
  });

  test('of a role with pg_monitor alone: all but the plans, and the grant that shows them', async () => {
    await work(3);
    const denied = await stage.analyze(stage.target('shop', { name: 'watcher', password: 'watch' }), { config });
    const grants = denied.check('database.statements.counted').message.match(/GRANT [^;]+;/g)!;
    expect(grants[0]).toBe('GRANT USAGE ON SCHEMA "ext" TO "watcher";');
    await stage.sql('shop', ...grants);
    const watcher = await stage.analyze(stage.target('shop', { name: 'watcher', password: 'watch' }), { config });
    const search = watcher.data.statements.find(({ text }) => text.includes('where customer = $1'));
    expect(search?.planProblem).toContain('permission denied');
    expect(watcher.data.unseen).toEqual([
      { what: expect.stringContaining('Column statistics'), grant: 'GRANT pg_read_all_data TO "watcher";' },
    ]);
    expect(watcher.check('database.seen')).toMatchObject({ status: 'unknown', value: 1 });
    expect(watcher.health('database.tables.bloated').status).toBe('ok');

    await stage.sql('shop', ...watcher.data.unseen.map(({ grant }) => grant));
    const granted = await stage.analyze(stage.target('shop', { name: 'watcher', password: 'watch' }), { config });
    expect(granted.data.unseen).toEqual([]);
    expect(granted.data.statements.find(({ text }) => text.includes('where customer = $1'))?.planProblem).toBeNull();
  });

  test('of a role that may see nothing', async () => {
    await stage.sql('shop', `create role stranger login password 'stranger'; grant usage on schema ext to stranger`);
    const { data, check } = await stage.analyze(stage.target('shop', { name: 'stranger', password: 'stranger' }), {
      config,
    });
    expect(data.unseen.map(({ grant }) => grant)).toEqual([
      'GRANT pg_monitor TO "stranger";',
      'GRANT pg_read_all_data TO "stranger";',
    ]);
    expect(check('database.statements.counted').status).toBe('ok');
  });
});

test('a table that is gone, and one that was never analysed', async () => {
  await stage.sql(
    'shop',
    'create table gone (a int)',
    'select * from gone where a = 1',
    'drop table gone',
    `insert into never_analysed select i, 'x' from generate_series(1, 20000) i`,
    'select * from never_analysed where a = 4711',
  );
  const { data } = await analysed({ config: { database: { statements: { explained: 500 } } } });
  expect(data.statements.find(({ text }) => text.includes('from gone'))?.planProblem).toBe(
    'relation "gone" does not exist',
  );
  expect(data.statements.find(({ text }) => /^select .* never_analysed/.test(text))?.findings).toContainEqual(
    expect.objectContaining({ kind: 'statistics', mend: ['ANALYZE "public"."never_analysed";'] }),
  );
});

test('no lock above ACCESS SHARE is taken', async () => {
  const observer = await stage.session('shop');
  const modes = new Set<string>();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const { rows } = await observer.query(
        `select distinct l.mode from pg_locks l join pg_stat_activity a using (pid)
          where a.application_name = 'production-ops analyze' and l.locktype = 'relation'`,
      );
      for (const { mode } of rows) modes.add(mode);
    }
  })();
  await work(1);
  await analysed({ config: { database: { statements: { explained: 500 } } } });
  isOver = true;
  await watching;
  expect([...modes]).toEqual(['AccessShareLock']);
});

test('a table that somebody locked is left out, and costs a moment', async () => {
  // A moment for each statement on it: those of the tests before are not needed here.
  await stage.session('shop', 'select ext.pg_stat_statements_reset()');
  await work(1);
  const holder = await stage.session('shop', 'begin; lock table sales.orders in access exclusive mode');
  const { data, checks } = await analysed();
  await holder.query('rollback');
  expect(checks.filter(({ message }) => message.startsWith('not known'))).toEqual([]);
  expect(data.tables.find(({ name }) => name === 'sales.orders')?.bytes).toBeGreaterThan(5_000_000);
});

function analysed(options: Parameters<Stage['analyze']>[1] = {}) {
  return stage.analyze(stage.target('shop'), { config, ...options });
}
