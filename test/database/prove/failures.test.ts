import { existsSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { giveToProver, proveIndexes } from '../../../actions/lib/database/prove/index.ts';
import {
  connect,
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { failureOf } from '../../backup/harness.ts';
import { mountTmpfs } from '../../storage/tmpfs.ts';
import { databaseWith, indexesOf, options, ordersSql, proposed, provable, query } from './fixture.ts';

let server: ThrowawayServer;
let target: PostgresTarget;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the proof tests', settings: { autovacuum: false } });
  target = await databaseWith(server, 'shop', ordersSql);
});
afterAll(() => server?.stop());

const byCustomer = () => proposed('orders', ['customer_id']);
const ofCustomer = () => provable('select * from orders where customer_id = $1', [['17']]);

test('a build that fills the disk, one of a name that is taken, one of a missing extension: each is unproved in one line', async context => {
  const disk = await mountTmpfs(context, `size=400k,mode=0700,uid=${statSync(server.dataDir).uid}`);
  await query(server.target, `create tablespace small location '${disk}'`);
  await query(target, `create index taken on orders (total)`);
  const taken = { ...proposed('orders', ['status']), name: 'taken' };
  const needy = {
    ...proposed('orders', ['id', 'total']),
    prerequisites: ['CREATE EXTENSION IF NOT EXISTS no_such_thing'],
  };
  const broken = proposed('orders', [], { keys: [{ kind: 'expression', expression: '1 / (id - id)' }] });
  const proof = await proveIndexes(
    options(target, {
      proposed: [byCustomer(), taken, needy, broken],
      statements: [await ofCustomer()],
      settings: { default_tablespace: 'small' },
    }),
  );
  expect(proof.indexes.map(({ verdict, why }) => [verdict, why])).toEqual([
    ['unproved', 'its build filled the disk of the copy'],
    ['unproved', 'an index of that name is there already'],
    ['unproved', 'an extension that it needs is not installed where the copy is'],
    ['unproved', expect.stringMatching(/^its build failed: .*SQLSTATE 22012/)],
  ]);
  expect(await indexesOf(target)).toContain('taken');
  await query(target, 'drop index taken');
});

test('the server going away in the middle is one clear error', async () => {
  await using doomed = await startThrowawayServer({ purpose: 'a test' });
  const shop = await databaseWith(doomed, 'shop', ordersSql);
  const proof = proveIndexes(
    options(shop, {
      proposed: [byCustomer()],
      statements: [await provable('select pg_sleep(60), id from orders where customer_id = $1', [['17']])],
      statementTimeoutMs: 60_000,
    }),
  );
  const failure = failureOf(proof);
  await until(doomed.target, `select count(*) > 0 as yes from pg_stat_activity where wait_event = 'PgSleep'`);
  await doomed.stop();
  expect(await failure).toMatchObject({ code: 'PG_LOST', message: expect.not.stringContaining('\n') });
});

test('a proof that is broken off ends at once and leaves no index behind', async () => {
  const abort = new AbortController();
  const proof = proveIndexes(
    options(target, {
      proposed: [byCustomer()],
      statements: [await provable('select pg_sleep(60), id from orders where customer_id = $1', [['17']])],
      statementTimeoutMs: 60_000,
      signal: abort.signal,
    }),
  );
  const failure = failureOf(proof);
  await until(server.target, `select count(*) > 0 as yes from pg_stat_activity where wait_event = 'PgSleep'`);
  abort.abort();
  expect(await failure).toMatchObject({ code: 'CANCELLED' });
  expect(await indexesOf(target)).toEqual(['customers_pkey', 'items_pkey', 'orders_pkey', 'returns_pkey']);
});

test('when the time is over, what was not measured is unproved and not offered', async () => {
  const proof = await proveIndexes(
    options(target, { proposed: [byCustomer()], statements: [await ofCustomer()], budgetSeconds: 0.001 }),
  );
  expect(proof.indexes[0]).toMatchObject({ verdict: 'unproved', why: expect.stringContaining('time') });
  expect(proof.statements[0]).toMatchObject({ outcome: 'unproved', why: expect.stringContaining('time') });
});

test('names that are hostile are names', async () => {
  const table = `o"; drop table orders; --`;
  const hostile = await databaseWith(
    server,
    'hostile',
    `create schema "s""; --"; create table "s""; --"."o""; drop table orders; --" (id int primary key, "a""; select 1; --" int);
     insert into "s""; --"."o""; drop table orders; --" select g, g % 5000 from generate_series(1, 50000) g`,
  );
  const index = proposed(table, ['a"; select 1; --'], { schema: 's"; --' });
  const proof = await proveIndexes(
    options(hostile, {
      proposed: [index],
      statements: [
        await provable(`select * from "s""; --"."o""; drop table orders; --" where "a""; select 1; --" = $1`, [['17']]),
      ],
    }),
  );
  expect(proof.indexes[0]).toMatchObject({ verdict: 'offered', write: { why: undefined } });
});

test('statements run as a role that can neither read files nor become one that can', async () => {
  const owned = await databaseWith(
    server,
    'owned',
    `create role app_owner; create schema app authorization app_owner; set role app_owner;
     create table app.secrets (id int primary key, v text); alter table app.secrets enable row level security;
     insert into app.secrets select g, md5(g::text) from generate_series(1, 50000) g;
     create view app.shown as select * from app.secrets;
     create function app.count_all() returns bigint language sql security definer as 'select count(*) from app.secrets';
     reset role; create function refuse() returns event_trigger language plpgsql as $$begin raise 'no DDL here'; end$$;
     create event trigger watch on ddl_command_start execute function refuse()`,
  );
  const prover = await giveToProver(owned, new AbortController().signal);
  const client = await connect(prover);
  try {
    expect((await client.query('select app.count_all() as n')).rows).toEqual([{ n: '50000' }]);
    expect((await client.query('select count(*) as n from app.shown')).rows).toEqual([{ n: '50000' }]);
    await expect(client.query(`select pg_read_file('postgresql.conf')`)).rejects.toThrow(/permission denied/);
    await expect(client.query('set role postgres')).rejects.toThrow(/permission denied/);
  } finally {
    await client.end();
  }
  const marker = `${server.dataDir}/exported`;
  const proof = await proveIndexes(
    options(prover, {
      admin: owned,
      proposed: [proposed('secrets', ['v'], { schema: 'app' })],
      statements: [
        await provable('select id from app.secrets where v = $1', [['c4ca4238a0b923820dcc509a6f75849b']]),
        await provable(`select lo_export($1::oid, '${marker}'), id from app.secrets where v = $2`, [
          ['1', 'c4ca4238a0b923820dcc509a6f75849b'],
        ]),
      ],
    }),
  );
  expect(proof.statements.map(({ outcome, why }) => [outcome, why])).toEqual([
    ['faster', undefined],
    ['unproved', 'the role may not run it on the copy'],
  ]);
  expect(existsSync(marker)).toBe(false);
});

async function until(at: PostgresTarget, sql: string): Promise<void> {
  const client = await connect(at);
  try {
    while (!(await client.query<{ yes: boolean }>(sql)).rows[0]!.yes) await client.query('select pg_sleep(0.02)');
  } finally {
    await client.end();
  }
}
