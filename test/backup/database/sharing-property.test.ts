import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PostgresTarget, quoteIdent } from '../../../actions/lib/postgres/index.ts';
import { openSharingWorld, reusedParts, type SharingWorld } from './sharing-fixture.ts';

let sharing: SharingWorld;
beforeAll(async () => {
  sharing = await openSharingWorld();
});
afterAll(() => sharing?.world.close());

test('a set that builds on another restores to exactly what the source is', async () => {
  let reused = 0;
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 3 }),
      fc.array(step, { minLength: 1, maxLength: 7 }),
      fc.boolean(),
      async (before, between, isLeftOpen) => {
        const source = await sharing.copyOfTemplate();
        const session = await openSession(source);
        const other = await openSession(source);
        for (const one of before) await apply(session, one);
        if (isLeftOpen) {
          await other.query('begin');
          await other.query(`insert into t (id, v) select g, 'open' from generate_series(-40, -1) g`);
          await other.query('delete from t where id between 12000 and 12003');
          // A step before may have dropped it.
          const { rows } = await other.query<{ there: boolean }>(`select to_regclass('small_b') is not null as there`);
          if (rows[0]!.there) await other.query(`update small_b set v = 'open' where id = 7`);
        }
        const first = await sharing.backup(source);
        if (isLeftOpen) await other.query('commit');
        for (const one of between) await apply(session, one);
        const second = await sharing.backup(source);
        expect(second.baseId).toBe(first.id);
        reused += reusedParts(second);
        sent += second.parts.filter(part => part.role === 'rows' && !part.isReused).length;
        await sharing.expectExact(source, second);
        for (const { gid } of (
          await session.query(`select gid from pg_prepared_xacts where database = current_database()`)
        ).rows) {
          await session.query(`rollback prepared '${gid}'`);
        }
        await session.end();
        await other.end();
        await sharing.world.query(sharing.world.server.target, `drop database ${quoteIdent(source.database)}`);
      },
    ),
    {
      numRuns: 10,
      endOnFailure: true,
      // Open work on a database whose table is gone.
      examples: [[[{ kind: 'drop table', at: 6 }], [{ kind: 'truncate and fill again', at: 657 }], true]],
    },
  );
  // The property would also hold if nothing was ever shared, or nothing ever changed.
  expect(reused).toBeGreaterThan(20);
  expect(sent).toBeGreaterThan(10);
}, 120_000);

interface Step {
  kind: keyof typeof statements;
  at: number;
}
const statements = {
  insert: (at: number) => [
    `insert into t (id, v) select ${30_000 + at * 50} + g, 'new' from generate_series(0, 49) g on conflict do nothing`,
  ],
  update: (at: number) => [`update t set v = v || 'u' where id between ${at * 20} and ${at * 20 + 5}`],
  'update in place': (at: number) => [`update t set extra = ${at} where id = ${at * 20}`],
  delete: (at: number) => [`delete from t where id between ${at * 20} and ${at * 20 + 3}`],
  'delete and insert as many': (at: number) => [
    `with d as (delete from t where id between ${at * 20} and ${at * 20 + 3} returning 1) insert into t (id, v) select ${70_000 + at} + g, 'replaced' from generate_series(1, (select count(*) from d)) g on conflict do nothing`,
  ],
  'rolled back': (at: number) => [
    'begin',
    `update t set v = 'never' where id between ${at} and ${at + 50}`,
    `insert into t (id, v) values (-999, 'never')`,
    'rollback',
  ],
  subtransactions: (at: number) => [
    'begin',
    'savepoint a',
    `insert into small_a values (${at}, 'kept')`,
    'release a',
    'savepoint b',
    `delete from t where id = ${at * 11}`,
    `update small_b set v = 'never'`,
    'rollback to b',
    `update t set v = 'sub' where id = ${at * 13}`,
    'commit',
  ],
  prepare: (at: number) => [
    'begin',
    `insert into t (id, v) values (${100_000 + at}, 'prepared')`,
    `delete from t where id = ${at * 7}`,
    `prepare transaction 'p${at}'`,
  ],
  'commit prepared': (at: number) => [`commit prepared 'p${at}'`],
  'rollback prepared': (at: number) => [`rollback prepared 'p${at}'`],
  'lock rows': (at: number) => ['begin', `select from t where id between ${at} and ${at + 500} for update`, 'commit'],
  toast: (at: number) => [`update toasted set body = body || 'x' where id = ${at % 120}`],
  vacuum: () => ['vacuum t'],
  freeze: () => ['vacuum freeze t', 'vacuum freeze small_a'],
  'vacuum full': () => ['vacuum full t'],
  cluster: () => ['cluster t using t_pkey'],
  truncate: () => ['truncate toasted'],
  'truncate and fill again': () => [
    'begin',
    'truncate toasted',
    `insert into toasted select g, 'y' from generate_series(1, 120) g`,
    'commit',
  ],
  'truncate, rolled back': () => ['begin', 'truncate t', 'rollback'],
  'copy freeze': () => ['begin', 'truncate small_a', `copy small_a (id) from program 'seq 1 50' (freeze)`, 'commit'],
  'add column': (at: number) => [`alter table t add column c${at} int default ${at}`],
  'drop column': () => ['alter table t drop column extra'],
  'drop and add column': (at: number) => [
    'begin',
    'alter table t drop column extra',
    `alter table t add column extra int default ${at}`,
    'commit',
  ],
  'rename enum value': (at: number) => [`alter type mood rename value 'sad' to 's${at}'`],
  'add enum value': (at: number) => [`alter type mood add value if not exists 'a${at}' before 'ok'`],
  'add attribute': (at: number) => [`alter type inner_pair add attribute a${at} int`],
  'drop attribute': () => ['alter type inner_pair drop attribute n'],
  'widen type': () => ['alter table t alter n type numeric(12,2)'],
  'rewrite type': () => ['alter table t alter n type float8'],
  'rename column': () => ['alter table t rename n to n_renamed'],
  'swap tables': () => [
    'begin',
    'alter table small_a rename to tmp',
    'alter table small_b rename to small_a',
    'alter table tmp rename to small_b',
    'commit',
  ],
  'new table': (at: number) => [`create table new_${at} as select g as x from generate_series(1, ${at}) g`],
  'drop table': () => ['drop table small_b'],
  'new generation': () => [
    'begin',
    'create table again as select * from t where id % 2 = 0',
    'drop table t',
    'alter table again rename to t',
    'alter table t add primary key (id)',
    'commit',
  ],
} satisfies Record<string, (at: number) => string[]>;

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(...(Object.keys(statements) as Step['kind'][])),
  at: fc.integer({ min: 1, max: 1000 }),
});

async function openSession(source: PostgresTarget): Promise<pg.Client> {
  const client = await sharing.world.connect(source);
  await client.query(`set lock_timeout = '100ms'; set client_min_messages = error`);
  return client;
}

/** What cannot be done now (the column is gone, a prepared transaction holds the lock) is left out. */
async function apply(session: pg.Client, { kind, at }: Step): Promise<void> {
  for (const statement of statements[kind](at)) {
    try {
      await session.query(statement);
    } catch (error) {
      await session.query('rollback');
      const code = (error as { code?: string }).code ?? '';
      if (
        !/^(55P03|42703|42P01|42704|42701|42710|42P07|22023|22P02|2F005|23505|0A000|42P16|55000|42809|25001|XX000)$/.test(
          code,
        )
      )
        throw error;
      return;
    }
  }
}
