import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type AdviseData,
  type AnalyzeData,
  adviseOperation,
  analyzeOperation,
  applyOperation,
  connectionsOperation,
  maintainOperation,
} from '../../actions/lib/database/index.ts';
import { connect, type PostgresTarget, withUser } from '../../actions/lib/postgres/index.ts';
import type { Check } from '../../actions/lib/reports/index.ts';
import { type ConfigInput, openWorld, type World } from '../backup/harness.ts';
import { type Programs, withPgDump } from '../services/pg-dump.ts';
import { describeMajors, type PackagedServer, packagedMajors } from '../services/postgres-majors.ts';
import { adviceReport } from './advice-issue/fixture.ts';
import { clean, events, old } from './cleanup/stage.ts';

/** Small defects count as well; statistics are old enough at once. */
const config: ConfigInput = {
  database: {
    thresholds: { unusedIndexBytes: 0, unusedWindow: '0s', nullIndexBytes: 10_000, idleInTransaction: '0s' },
    maintain: { staleRows: 1000 },
  },
};

/** A shop with one of each defect; what only some majors know is there where it can be. */
const shop = (major: number) => `
  create table customers (id bigint generated always as identity primary key, email text not null unique);
  insert into customers (email) select 'c' || n || '@example.org' from generate_series(1, 1000) n;
  create table orders (id bigint generated always as identity primary key, customer_id bigint not null references customers,
                       total int not null, placed_at timestamptz not null, note text);
  insert into orders (customer_id, total, placed_at, note)
    select n % 1000 + 1, n % 997, now() - n * interval '1 minute', repeat('n', 300) from generate_series(1, 20000) n;
  create index orders_placed on orders (placed_at);
  create index orders_placed_again on orders (placed_at);
  alter table orders add constraint positive check (total >= 0) not valid;
  create table off (id int primary key) with (autovacuum_enabled = off);
  create table counted (id int generated always as identity (start with 2000000000) primary key);
  insert into counted default values;
  create table loose (n int);
  insert into loose select generate_series(1, 5000);
  create table months (at date not null, n int, primary key (at, n)) partition by range (at);
  create table months_all partition of months for values from (minvalue) to (maxvalue);
  insert into months select current_date - n, n from generate_series(1, 2000) n;
  ${major >= 14 ? `create table spans (id int primary key, open int4multirange); insert into spans select n, int4multirange(int4range(n, n + 5)) from generate_series(1, 500) n;` : ''}
  ${major >= 15 ? 'create unique index customers_email_once on customers (email) nulls not distinct;' : ''}
  ${events(1000, 2000)}
  ${
    major >= 18
      ? `alter table orders add gross int generated always as (total * 2) virtual;
         create table hints (id int primary key, event_id bigint references events on delete cascade not enforced);
         insert into hints select n, n from generate_series(1, 2000) n;`
      : ''
  }`;

/** What a shop asks all day, as applications ask it. */
const business = (major: number): [sql: string, values: (n: number) => unknown[]][] => [
  ['select total from orders where customer_id = $1', n => [n * 7]],
  ['update orders set note = $2 where id = $1', n => [n * 3, 'changed']],
  ['select email from customers where id in (1, 2, 3, 4)', () => []],
  ...(major >= 18
    ? [['select id from orders where gross = $1', (n: number) => [n * 2]] as [string, (n: number) => unknown[]]]
    : []),
];

describeMajors(packagedMajors, (server: PackagedServer) => {
  const { major } = server;
  let programs: Programs;
  let world: World;
  let target: PostgresTarget;
  /** Looks, and owns nothing. */
  let reader: PostgresTarget;
  /** Owns the tables, and is no superuser. */
  let keeper: PostgresTarget;
  let advice: AdviseData;

  const contextOf = (url: string) => world.context({ env: { DATABASE_URL: url }, config });
  const indexState = (name: string) =>
    world.query(target, 'select indisvalid and indisready as usable from pg_index where indexrelid = to_regclass($1)', [
      name,
    ]);
  const analyze = async (as: PostgresTarget) => {
    const { data, checks } = await analyzeOperation.execute({}, await contextOf(as.url));
    return { data: analyzeOperation.dataSchema.parse(data), checks };
  };

  beforeAll(async () => {
    programs = await withPgDump(server);
    vi.stubEnv('PG_BIN_DIR', programs.binDir);
    world = await openWorld({
      major,
      settings: { shared_preload_libraries: 'pg_stat_statements', autovacuum: false, track_io_timing: true },
    });
    await world.query(
      world.server.target,
      `create role keeper login password 'keeps'; create role reader login password 'reads'; grant pg_monitor to reader`,
    );
    target = await world.database('shop', 'create extension pg_stat_statements', 'owner keeper');
    reader = withUser(target, 'reader', 'reads');
    keeper = withUser(target, 'keeper', 'keeps');
    await world.query(keeper, shop(major));
    await world.query(keeper, 'analyze orders, customers');
    // Half of the totals are there twice: the build fails, and leaves what it began.
    await world.query(keeper, 'create unique index concurrently broken on orders (total)').catch(() => {});
    await world.database('copy', '', 'template shop');
    // What it took to load the orders is not what they are used for.
    await world.query(
      target,
      `select pg_stat_statements_reset(), pg_stat_reset_single_table_counters('orders'::regclass)`,
    );
    const client = await connect(keeper);
    for (const [sql, values] of business(major)) for (let n = 1; n <= 12; n++) await client.query(sql, values(n));
    await client.end();
  });
  afterAll(async () => {
    await world?.close();
    await programs?.[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
  });

  test('a role that may look is told what it was not shown, and the grants that the report names show it', async () => {
    const before = await analyze(reader);
    expect(before.data.server).toMatch(new RegExp(`^${major}\\.`));
    expect(before.data.unseen).toHaveLength(1);
    await world.query(target, before.data.unseen[0]!.grant);
    expect((await analyze(reader)).data.unseen).toEqual([]);
  });

  test('every health check is judged, what is wrong is named, and slow statements have plans', async () => {
    const held = await connect(keeper, { applicationName: 'shop-web' });
    try {
      await held.query('begin; select 1');
      const { data, checks } = await analyze(reader);
      expect(unknown(data, checks)).toEqual([]);
      expect(subjects(data)).toMatchObject({
        'database.indexes.invalid': ['"public"."broken"'],
        'database.indexes.duplicate': [expect.stringMatching(/^"public"."orders_placed/)],
        'database.indexes.unused': expect.arrayContaining(['"public"."orders_placed"']),
        'database.foreign-keys.unindexed': ['"public"."orders"."orders_customer_id_fkey"'],
        'database.constraints.invalid': ['"public"."orders"."positive"'],
        'database.tables.autovacuum-off': ['"public"."off"'],
        'database.tables.no-primary-key': ['"public"."loose"'],
        'database.tables.stale-statistics': expect.arrayContaining(['"public"."loose"']),
        'database.sequences': ['"public"."counted_id_seq"'],
      });
      expect(data.health.find(({ id }) => id === 'database.transactions.idle')?.findings).toHaveLength(1);
      const slow = data.statements.find(({ text }) => text.startsWith('select total from orders'));
      expect(slow).toMatchObject({ calls: 12, planProblem: null });
      expect(slow!.cost).toBeGreaterThan(0);
      expect(slow!.findings.map(({ kind }) => kind)).toContain('sequential scan');
      for (const begin of ['update orders set note', 'select email from customers']) {
        const found = data.statements.find(({ text }) => text.startsWith(begin));
        expect(found, begin).toMatchObject({ calls: 12, planProblem: null });
      }
      expect(data.statements.map(({ text }) => text)).toContainEqual(
        expect.stringMatching(/from customers where id in/),
      );
    } finally {
      await held.end();
    }
  });

  test('connections are counted by what they do', async () => {
    const held = await connect(keeper, { applicationName: 'shop-jobs' });
    try {
      await held.query('begin; select 1');
      const { data } = await connectionsOperation.execute({}, await contextOf(reader.url));
      expect(connectionsOperation.dataSchema.parse(data)).toMatchObject({
        idleInTransaction: 1,
        hidden: 0,
        unseen: [],
      });
      expect(data.byApplication).toContainEqual({ name: 'shop-jobs', connections: 1 });
      expect(data.byUser).toContainEqual({ name: 'keeper', connections: 1 });
    } finally {
      await held.end();
    }
  });

  test('an index is found by a planner that believes it is this server, and proved on a copy', async () => {
    const input = {
      on: target.url.replace(/\/shop(?=\?)/, '/copy'),
      set: 'latest',
      source: undefined,
      budgetBytes: undefined,
      issue: false,
    };
    const { data } = await adviseOperation.execute(input, await contextOf(reader.url));
    advice = data;
    expect(data.search.evaluator).toBe('planner copy');
    expect(data.notes.filter(note => /not|could/.test(note))).toEqual([]);
    expect(data.indexes).toContainEqual(expect.objectContaining({ table: 'orders', verdict: 'offered' }));
    // An index of a virtual column is what no server builds.
    expect(data.indexes.filter(({ sql }) => sql.includes('gross'))).toEqual([]);
    const proved = data.statements.find(({ text }) => text.startsWith('select total from orders'));
    expect(proved).toMatchObject({ outcome: 'faster' });
    expect(proved!.afterBuffers!).toBeLessThan(proved!.beforeBuffers! / 2);
    expect(data.changes.some(({ kind }) => kind === 'create')).toBe(true);
  });

  test('what is chosen of it is built concurrently, used by the planner, and can be taken back', async () => {
    const chosen = advice.changes.find(({ kind }) => kind === 'create')!;
    const file = join(world.folder, 'advice.json');
    await writeFile(file, JSON.stringify(adviceReport(advice)));
    const input = { report: file, ids: [chosen.id], reindex: [], declared: false, mend: false, dryRun: false };
    const { data } = await applyOperation.execute(input, await contextOf(keeper.url));
    expect(data.changes).toMatchObject([{ status: 'done', rollback: [expect.stringMatching(/^DROP INDEX CONC/)] }]);
    const { index } = data.changes[0]!;
    expect(await indexState(index)).toEqual([{ usable: true }]);
    const plan = await world.query(target, `explain ${business(major)[0]![0].replace('$1', '7')}`);
    expect(JSON.stringify(plan)).toContain(index);
    for (const sql of data.changes[0]!.rollback) await world.query(keeper, sql);
    expect(await indexState(index)).toEqual([]);
  });

  test('an index is rebuilt beside itself', async () => {
    const input = {
      report: 'latest',
      ids: [],
      reindex: ['orders_placed'],
      declared: false,
      mend: false,
      dryRun: false,
    };
    const { data } = await applyOperation.execute(input, await contextOf(keeper.url));
    expect(data.changes).toMatchObject([{ status: 'done' }]);
    expect(await indexState('orders_placed')).toEqual([{ usable: true }]);
  });

  test('old rows are archived and deleted', async () => {
    const { data } = await clean(world, keeper, [{ ...old, archive: true }]);
    expect(data.rules[0]).toMatchObject({
      status: 'done',
      deletedRows: 1000,
      planned: { referenced: 0, cascades: [] },
      left: { deletable: 0 },
    });
    expect(data.vacuumed).toMatchObject([{ table: 'public.events', status: 'done' }]);
    expect((await Array.fromAsync(world.storage.list('archives/'))).length).toBeGreaterThan(1);
    expect(await world.query(target, 'select count(*)::int as rows from events')).toEqual([{ rows: 1000 }]);
  });

  test('stale statistics are made anew, also those of a partitioned table', async () => {
    const { data } = await maintainOperation.execute({ dryRun: false }, await contextOf(keeper.url));
    const done = data.analyzed.filter(({ status }) => status === 'done').map(({ table }) => table);
    expect(done).toEqual(expect.arrayContaining(['public.loose', 'public.months']));
    expect(data.analyzed.filter(({ status }) => status !== 'done')).toEqual([]);
    expect(data.autovacuum.map(({ table }) => table)).toContain('public.off');
    // Before 15 what a session counted is known to others a moment later.
    const again = async () => {
      const { data: later } = await maintainOperation.execute({ dryRun: true }, await contextOf(keeper.url));
      return later.analyzed;
    };
    await expect.poll(again).toEqual([]);
  });
});

function subjects(data: AnalyzeData): Record<string, string[]> {
  return Object.fromEntries(data.health.map(({ id, findings }) => [id, findings.map(({ subject }) => subject).sort()]));
}

/** Checks that could not say anything, and why. */
function unknown(data: AnalyzeData, checks: readonly Check[]): string[] {
  return [
    ...data.health.filter(({ status }) => status === 'unknown').map(({ id, note }) => `${id}: ${note}`),
    ...checks.filter(({ status }) => status === 'unknown').map(({ id, message }) => `${id}: ${message}`),
  ];
}
