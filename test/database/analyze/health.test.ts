import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { maintainOperation } from '../../../actions/lib/database/index.ts';
import type { ThrowawayOptions } from '../../../actions/lib/postgres/index.ts';
import { packagedServer } from '../../services/postgres-majors.ts';
import { Stage } from './stage.ts';

/** A server of another major, from a package of this repository. */
const other = packagedServer(17);

const servers: [name: string, options: Partial<ThrowawayOptions>, isThere: boolean][] = [
  ['the installed PostgreSQL', {}, true],
  ['PostgreSQL 17', { major: other.major, binDirs: [other.binDir] }, other.isThere],
];

/** Small defects count as well; statistics are old enough at once. */
const thresholds = {
  unusedIndexBytes: 0,
  unusedWindow: '0s',
  indexBloatBytes: 100_000,
  tableBloatBytes: 100_000,
  nullIndexBytes: 10_000,
  deadRows: 1000,
  longTransaction: '0s',
  idleInTransaction: '0s',
  blocked: '0s',
  preparedTransaction: '0s',
};
const config = { database: { thresholds } };

/** Hostile on purpose: a quote, a dot, a bar of a table, a mention, a command of the runner. */
const hostile = '"We""ird. | @all ::error:: `t`"';

describe.each(servers.filter(([, , isThere]) => isThere))('%s', (_name, options) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.open(options);
    await stage.create(
      'healthy',
      `create table customers (id bigint generated always as identity primary key, email text not null unique);
       create table orders (id bigint generated always as identity primary key,
         customer_id bigint not null references customers, note text, at timestamptz not null default now());
       create index orders_customer_id_idx on orders (customer_id);
       create index orders_at_idx on orders (at desc, customer_id);
       insert into customers (email) select 'c' || i from generate_series(1, 2000) i;
       insert into orders (customer_id, note) select 1 + i % 2000, repeat('x', i % 50) from generate_series(1, 30000) i`,
      'vacuum analyze',
      // Both indexes are used.
      `set enable_seqscan = off; set enable_bitmapscan = off;
       select count(*) from orders where customer_id = 5; select * from orders order by at desc limit 1`,
    );
    await stage
      .create(
        'ill',
        `create table customers (id bigint primary key, email text);
       create table orders (id bigint primary key, customer_id bigint references customers, note text, flag text, kind int);
       insert into customers select i, 'c' || i from generate_series(1, 5000) i;
       insert into orders select i, 1 + i % 5000, repeat('x', 20), case when i % 10 = 0 then 'f' end, i % 7
         from generate_series(1, 60000) i;
       create index unused on orders (note);
       create index twin_a on orders (kind); create index twin_b on orders (kind);
       create index wide on orders (flag, kind); create index narrow on orders (flag);
       create index mostly_null on customers ((lower(email)), id);
       create table ${hostile} (a int, ${hostile} text);
       insert into ${hostile} select i, 'x' from generate_series(1, 3000) i;
       create index ${hostile.replace('t`', 'i`')} on ${hostile} (${hostile});
       alter table orders add constraint positive check (kind >= 0) not valid;
       create table counted (id serial primary key); select setval('counted_id_seq', 2000000000); insert into counted default values;
       create table off (id int primary key) with (autovacuum_enabled = off);
       create table busy (id int primary key, n int); create index busy_n on busy (n);
       insert into busy select i, i from generate_series(1, 20000) i`,
        'vacuum analyze',
        'update busy set n = n + 1',
        'delete from busy where id % 2 = 0',
        // A B-tree on a column of few values, three times as large as it has to be, though half of what it would be without deduplication.
        `create table few (id int primary key, status int); insert into few select i, i % 5 from generate_series(1, 100000) i`,
        'create index few_status on few (status) with (fillfactor = 30)',
        'alter index few_status reset (fillfactor)',
        'vacuum analyze few',
        // And a table that is mostly air.
        `create table airy (id int primary key, note text); insert into airy select i, repeat('y', 100) from generate_series(1, 30000) i`,
        'delete from airy where id % 10 <> 0',
        'vacuum analyze airy',
        `create unique index concurrently broken on customers ((1))`.replace('concurrently', ''),
      )
      .catch((error: Error) => {
        // The last one is not unique, and leaves nothing behind: the concurrent one does.
        if (!/could not create unique index/.test(error.message)) throw error;
      });
    await stage.sql('ill', 'create unique index concurrently broken on orders (kind)').catch(() => {});
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  test('a healthy database is silent', async () => {
    await stage.sql('healthy', 'create extension pg_stat_statements');
    const analysed = await stage.analyze(stage.target('healthy'), {
      config: { database: { thresholds: { ...thresholds, unusedWindow: '1h' } } },
    });
    expect(
      analysed.breached(),
      JSON.stringify(
        analysed.checks.filter(c => c.status !== 'ok'),
        null,
        1,
      ),
    ).toEqual([]);
    expect(analysed.report.status).toBe('ok');
  });

  // The role is new in 17.
  if (options.major === 17)
    test('a role with pg_maintain maintains tables that are not its own', async () => {
      await stage.create(
        'kept',
        `create table t (n int); insert into t select generate_series(1, 5000);
       create schema app; create table app.t as select generate_series(1, 5000) as n;
       create role caretaker login password 'cares'; grant usage on schema app to caretaker`,
      );
      const maintain = async () => {
        const target = stage.target('kept', { name: 'caretaker', password: 'cares' });
        const { data } = await maintainOperation.execute({ dryRun: false }, await stage.context(target));
        return data.analyzed.map(({ table, status }) => `${table} ${status}`).sort();
      };
      expect(await maintain()).toEqual(['app.t failed', 'public.t failed']);
      await stage.sql('kept', 'grant pg_maintain to caretaker');
      expect(await maintain()).toEqual(['app.t done', 'public.t done']);
      expect(await maintain()).toEqual([]);
    });

  describe('an ill one', () => {
    test('names what is wrong, with the statement that mends it', async () => {
      const analysed = await stage.analyze(stage.target('ill'), { config });
      expect(analysed.subjects('database.indexes.invalid')).toEqual(['"public"."broken"']);
      expect(analysed.health('database.indexes.invalid').findings[0]!.mend).toEqual([
        'DROP INDEX CONCURRENTLY "public"."broken";',
      ]);
      expect(analysed.subjects('database.indexes.duplicate')).toEqual(['"public"."twin_b"']);
      expect(analysed.subjects('database.indexes.overlapping')).toEqual(['"public"."narrow"']);
      expect(analysed.subjects('database.indexes.unused')).toEqual(
        expect.arrayContaining(['"public"."unused"', '"public"."wide"', '"public"."We""ird. | @all ::error:: `i`"']),
      );
      expect(analysed.subjects('database.indexes.unused')).not.toContain('"public"."orders_pkey"');
      expect(analysed.subjects('database.indexes.bloated')).toEqual([
        '"public"."airy_pkey"',
        '"public"."busy_n"',
        '"public"."busy_pkey"',
        '"public"."few_status"',
      ]);
      expect(analysed.subjects('database.indexes.nulls')).toEqual(['"public"."narrow"']);
      expect(analysed.subjects('database.foreign-keys.unindexed')).toEqual([
        '"public"."orders"."orders_customer_id_fkey"',
      ]);
      expect(analysed.subjects('database.constraints.invalid')).toEqual(['"public"."orders"."positive"']);
      expect(analysed.subjects('database.tables.bloated')).toEqual(['"public"."airy"', '"public"."busy"']);
      expect(analysed.subjects('database.tables.dead-rows')).toEqual(['"public"."busy"']);
      expect(analysed.subjects('database.tables.stale-statistics')).toEqual(['"public"."busy"']);
      expect(analysed.subjects('database.tables.autovacuum-off')).toEqual(['"public"."off"']);
      expect(analysed.subjects('database.tables.hot-updates')).toEqual(['"public"."busy"']);
      expect(analysed.subjects('database.tables.no-primary-key')).toEqual(['"public"."We""ird. | @all ::error:: `t`"']);
      expect(analysed.subjects('database.sequences')).toEqual(['"public"."counted_id_seq"']);
      expect(analysed.health('database.sequences')).toMatchObject({
        status: 'critical',
        value: expect.closeTo(0.93, 2),
      });
      expect(analysed.check('database.statements.counted')).toMatchObject({
        status: 'warning',
        message: expect.stringContaining('CREATE EXTENSION pg_stat_statements;'),
      });
    });

    test('every statement that mends is one that the server takes, and what it mends is gone', async () => {
      const before = await stage.analyze(stage.target('ill'), { config });
      const mends = before.data.health.flatMap(({ findings }) => findings.flatMap(({ mend }) => mend));
      expect(mends.length).toBeGreaterThan(15);
      // Of two that suggest the same drop the second has nothing left to do.
      for (const sql of new Set(mends)) {
        await stage.sql('ill', sql).catch((error: Error) => {
          if (!/does not exist|already exists/.test(error.message)) throw new Error(`${sql}: ${error.message}`);
        });
      }
      await stage.sql('ill', 'vacuum analyze');
      const after = await stage.analyze(stage.target('ill'), { config });
      const left = after.data.health.filter(({ findings }) => findings.length > 0).map(({ id }) => id);
      // What was counted since the statistics began does not go away by a statement; new indexes are not used yet.
      expect(
        left.filter(
          id => !['database.indexes.unused', 'database.tables.hot-updates', 'database.tables.sequential'].includes(id),
        ),
      ).toEqual([]);
    });

    test('hostile names do nothing in Markdown', async () => {
      const analysed = await stage.analyze(stage.target('ill'), { config });
      expect(analysed.everything()).toContain('We');
      const { analyzeOperation } = await import('../../../actions/lib/database/index.ts');
      const summary = analyzeOperation.summary(analysed.report);
      expect(
        summary.replace(/^(`{3,}).*\n[\s\S]*?\n\1$/gm, '').replace(/(?<!`)(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, ''),
      ).not.toMatch(/@all/);
    });
  });
});
