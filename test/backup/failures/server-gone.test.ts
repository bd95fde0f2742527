import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresTarget, startThrowawayServer } from '../../../actions/lib/postgres/index.ts';
import { freePorts } from '../../services/processes.ts';
import { expectRefused, filesBelow, Stage, whenTrue } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Rows that a view of the server shows being copied for seconds: each takes a millisecond to read. */
const slowTable = `
  create function slow(int) returns int language sql immutable as 'select $1';
  create table orders (id int primary key, twice int check (slow(id) > 0));
  insert into orders select i, 2 * i from generate_series(1, 4000) i;
  create or replace function slow(int) returns int language plpgsql immutable as
    $$ begin perform pg_sleep(0.005); return $1; end $$;`;

/** Slow to compress, so that the dump takes long. */
const wideTable = `create table wide as
  select i as id, array_to_string(array(select md5(i::text || j) from generate_series(1, 30) j), ' ') as text
    from generate_series(1, 20000) i`;

const copying = (application: string) =>
  `select pid from pg_stat_activity where application_name like 'production-ops ${application}%' and query ilike 'copy%' and state = 'active'`;

async function untilCopying(target: PostgresTarget, application: string): Promise<number[]> {
  const ask = await stage.ask(target);
  let pids: number[] = [];
  try {
    await whenTrue(async () => {
      pids = (await ask(copying(application))).map(row => row.pid as number);
      return pids.length > 0;
    });
  } finally {
    await ask.end();
  }
  return pids;
}

describe('a backup whose server', () => {
  const slow = { BACKUP_COMPRESSION_LEVEL: '19' };

  test('is gone in the middle says so once, and leaves nothing', async () => {
    await using server = await startThrowawayServer({ purpose: 'a test' });
    await stage.sql(server.target, wideTable);
    const running = stage.ops('backup database', stage.env('x', { ...slow, DATABASE_URL: server.target.url }));
    await untilCopying(server.target, 'backup');
    await server.stop();
    expectRefused(await running, 1, 'PG_LOST', /server/);
    expect(filesBelow(stage.destination)).toEqual([]);
  });

  test('has an administrator who cancels the statement says who did it', async () => {
    const target = await stage.database('cancelled', wideTable);
    const running = stage.ops('backup database', stage.env('cancelled', slow));
    const [pid] = await untilCopying(target, 'backup');
    await stage.sql(target, `select pg_cancel_backend(${pid})`);
    expectRefused(await running, 1, 'PG_CANCELLED', /canceling statement due to user request/);
    expect(filesBelow(stage.destination)).toEqual([]);
  });

  test('has an administrator who ends the connection', async () => {
    const target = stage.target('cancelled');
    const running = stage.ops('backup database', stage.env('cancelled', slow));
    const [pid] = await untilCopying(target, 'backup');
    await stage.sql(target, `select pg_terminate_backend(${pid})`);
    expectRefused(await running, 1, 'PG_LOST', /administrator command|terminated/);
    expect(filesBelow(stage.destination)).toEqual([]);
  });

  test('is stopped by Ctrl-C leaves nothing either', async () => {
    const interrupted = new AbortController();
    const running = stage.run(['backup', 'database'], stage.env('cancelled', slow), { signal: interrupted.signal });
    await untilCopying(stage.target('cancelled'), 'backup');
    interrupted.abort();
    expectRefused(await running, 1, 'CANCELLED');
    expect(filesBelow(stage.destination)).toEqual([]);
  });
});

describe('a restore whose server', () => {
  beforeAll(async () => {
    await stage.database('shop', slowTable);
    await stage.backUp(stage.env('shop'));
  });

  test('is gone in the middle says so once; the set is untouched', async () => {
    await using server = await startThrowawayServer({ purpose: 'a test' });
    const env = stage.env('shop', { RESTORE_DATABASE_URL: server.target.url });
    const running = stage.ops('restore database latest --no-owner', env);
    await untilCopying(server.target, 'restore');
    await server.stop();
    expectRefused(await running, 1, 'PG_LOST', /server/);
    await stage.expectOnlyWholeSets(env);
  });

  test('has an administrator who cancels the statement: what was loaded of that part is rolled back', async () => {
    const target = await stage.database('half');
    const env = stage.env('shop', { RESTORE_DATABASE_URL: target.url });
    const running = stage.ops('restore database latest', env);
    const [pid] = await untilCopying(target, 'restore');
    await stage.sql(target, `select pg_cancel_backend(${pid})`);
    expectRefused(await running, 1, 'PG_CANCELLED');
    expect(await stage.sql(target, 'select count(*)::int as rows from orders')).toEqual([{ rows: 0 }]);
  });
});

describe('a server that cannot be used at all', () => {
  test('a wrong password', async () => {
    const wrong = stage.secret('not-the-password-31');
    const url = stage.server.target.url.replace(stage.server.target.password!, wrong);
    const ran = await stage.ops('backup database', stage.env('x', { DATABASE_URL: url }));
    expectRefused(ran, 1, 'PG_AUTH', /password/, /percent-encoded/);
  });

  test('a database that does not exist', async () => {
    expectRefused(await stage.ops('backup database', stage.env('shopp')), 1, 'PG_NO_DATABASE', /"shopp"/);
  });

  test('a port on which nothing listens', async () => {
    const [port] = await freePorts(1);
    const url = `postgres://u:${stage.secret('quite-secret-77')}@127.0.0.1:${port}/shop`;
    const ran = await stage.ops('backup database', stage.env('x', { DATABASE_URL: url }));
    expectRefused(ran, 1, 'PG_UNREACHABLE', new RegExp(`127.0.0.1:${port}`), /Nothing listens there/);
  });

  test('a host that has no address', async () => {
    const url = `postgres://u:${stage.secret('quite-secret-78')}@no-such-host.invalid/shop`;
    const ran = await stage.ops('backup database', stage.env('x', { DATABASE_URL: url }));
    expectRefused(ran, 1, 'PG_UNREACHABLE', /no-such-host\.invalid/);
  });

  test('a restore into it is refused in the same words', async () => {
    const url = `postgres://u:${stage.secret('quite-secret-79')}@127.0.0.1:1/shop`;
    const ran = await stage.run(['restore', 'database', 'latest', '--to', url], stage.env('shop'));
    expectRefused(ran, 1, 'PG_UNREACHABLE', /127\.0\.0\.1:1/);
  });

  test('a URL that is none', async () => {
    const ran = await stage.ops('backup database', stage.env('x', { DATABASE_URL: 'mysql://u:hidden-55@h/db' }));
    expectRefused(ran, 2, 'PG_URL');
  });
});
