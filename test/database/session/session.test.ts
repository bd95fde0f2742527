import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertSupported, openSession, unseenOf } from '../../../actions/lib/database/session/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { hasPgBouncer, startPgBouncer } from '../../services/pgbouncer.ts';

let server: ThrowawayServer;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the session tests', tcp: true });
  await run(
    `create table orders (id int primary key, note text);
     create schema "Röck""s"; create table "Röck""s".hidden (a int);
     create role "look""er" login password 'look'; grant pg_monitor to "look""er";
     create role stranger login password 'look';`,
  );
});
afterAll(() => server?.stop());

async function run(sql: string): Promise<void> {
  const client = await connect(server.target);
  await client.query(sql);
  await client.end();
}

function as(user: string): PostgresTarget {
  const { host, port } = server.target;
  return parsePostgresUrl(`postgres://${encodeURIComponent(user)}:look@${host}:${port}/postgres`);
}

test('it reads, and cannot write', async () => {
  await using session = await openSession(server.target);
  expect(session).toMatchObject({ major: server.major, database: 'postgres', isInRecovery: false, isPooled: false });
  expect(await session.rows('select 1 as one')).toEqual([{ one: 1 }]);
  await expect(session.rows(`insert into public.orders values (1, 'x')`)).rejects.toMatchObject({
    code: 'PG_QUERY',
    message: expect.stringContaining('read-only transaction'),
  });
  // A refused statement ends its own transaction only.
  expect(await session.rows('select count(*)::int as n from public.orders')).toEqual([{ n: 0 }]);
});

test('no two callers share a transaction, and no setting outlives one', async () => {
  await using session = await openSession(server.target);
  const ids = await Promise.all(
    [1, 2, 3].map(n =>
      session.transaction(
        async query => {
          const [first] = await query<{ now: string; work: string }>(
            `select now()::text as now, current_setting('work_mem') as work`,
          );
          const [second] = await query<{ now: string }>('select now()::text as now');
          expect(second!.now).toBe(first!.now);
          return `${first!.work} ${first!.now}`;
        },
        { settings: { work_mem: `${n}MB` } },
      ),
    ),
  );
  expect(ids.map(id => id.split(' ')[0])).toEqual(['1MB', '2MB', '3MB']);
  expect(new Set(ids).size).toBe(3);
  expect(await session.rows('show work_mem')).toEqual([{ work_mem: '4MB' }]);
  expect(await session.rows('show search_path')).toEqual([{ search_path: '' }]);
});

test('a lock that somebody holds costs two seconds at most, and is named', async () => {
  const holder = await connect(server.target);
  await holder.query('begin; lock table orders in access exclusive mode');
  await using session = await openSession(server.target, { lockTimeoutMs: 50 });
  await expect(session.rows('select * from public.orders')).rejects.toMatchObject({ code: 'PG_LOCKED' });
  await holder.end();
});

test('what a role is not shown is said with the grant that would show it', async () => {
  const seenBy = async (target: PostgresTarget, major: number) => {
    await using session = await openSession(target);
    return unseenOf(session.privileges, major);
  };
  expect(await seenBy(server.target, 15)).toEqual([]);
  expect(await seenBy(as('look"er'), 15)).toEqual([
    { what: expect.stringContaining('2 tables'), grant: 'GRANT pg_read_all_data TO "look""er";' },
  ]);
  const before14 = await seenBy(as('look"er'), 13);
  expect(before14[0]!.grant).toContain('GRANT USAGE ON SCHEMA "Röck""s" TO "look""er";');
  const stranger = await seenBy(as('stranger'), 15);
  expect(stranger.map(({ grant }) => grant)).toEqual([
    'GRANT pg_monitor TO "stranger";',
    'GRANT pg_read_all_data TO "stranger";',
  ]);
  // The grant is the one that helps.
  await run(`${stranger.map(({ grant }) => grant).join('')}`);
  expect(await seenBy(as('stranger'), 15)).toEqual([]);
});

test('a server that is too old is refused in one line', () => {
  expect(() => assertSupported(130_000, server.target)).not.toThrow();
  expect(() => assertSupported(120_022, server.target)).toThrow(
    expect.objectContaining({
      code: 'PG_TOO_OLD',
      exitCode: 2,
      message: `${server.target.display} is PostgreSQL 12, which is too old for this`,
      hint: expect.stringContaining('upgrade'),
    }),
  );
});

// With CI=true a missing pooler is a failure, not a skip.
describe.skipIf(!hasPgBouncer && !process.env.CI)('through a real PgBouncer', () => {
  test('in transaction mode it reads, and leaves no setting behind', async () => {
    const pooler = await startPgBouncer(server.target, { mode: 'transaction', poolSize: 1 });
    try {
      await using session = await openSession(pooler.target);
      expect(session.isPooled).toBe(true);
      expect(await session.rows('show search_path')).toEqual([{ search_path: '' }]);
      const application = await connect(pooler.target);
      expect((await application.query('show search_path')).rows).toEqual([{ search_path: '"$user", public' }]);
      await application.end();
      expect(await session.rows('select $1::int + 1 as n', [1])).toEqual([{ n: 2 }]);
    } finally {
      await pooler.stop();
    }
  });

  test('in statement mode it is refused with the way out', async () => {
    const pooler = await startPgBouncer(server.target, { mode: 'statement' });
    try {
      await expect(openSession(pooler.target)).rejects.toMatchObject({
        code: 'PG_POOLER',
        hint: expect.stringContaining('direct'),
      });
    } finally {
      await pooler.stop();
    }
  });
});
