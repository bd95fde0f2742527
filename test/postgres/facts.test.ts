import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  connect,
  parsePostgresUrl,
  serverFacts,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';

let server: ThrowawayServer;
let admin: pg.Client;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the facts tests' });
  admin = await connect(server.target);
  await admin.query("create role modest login password 'modest-secret'");
});
afterAll(async () => {
  await admin?.end();
  await server?.stop();
});

const asModest = () =>
  parsePostgresUrl(`postgres://modest:modest-secret@/postgres?host=${encodeURIComponent(server.target.host)}`);

test('a superuser is told everything', async () => {
  const facts = await serverFacts(admin);
  expect(facts).toMatchObject({
    version: server.version,
    major: server.major,
    timeline: 1,
    isInRecovery: false,
    isSuperuser: true,
    database: 'postgres',
    encoding: 'UTF8',
    localeProvider: 'libc',
    collate: 'C.UTF-8',
    ctype: 'C.UTF-8',
  });
  expect(facts.systemIdentifier).toMatch(/^\d{15,}$/);
  expect(facts.databaseSizeBytes).toBeGreaterThan(1024 * 1024);
  expect(Math.floor(facts.versionNum / 10_000)).toBe(facts.major);
  const { rows } = await admin.query('select oid::int as oid from pg_database where datname = current_database()');
  expect(rows).toEqual([{ oid: facts.databaseOid }]);
});

test('an ordinary role is told the same, except that it is no superuser', async () => {
  const client = await connect(asModest());
  expect({ ...(await serverFacts(client)), databaseSizeBytes: 0 }).toEqual({
    ...(await serverFacts(admin)),
    isSuperuser: false,
    databaseSizeBytes: 0,
  });
  await client.end();
});

test('what a role may not ask is null, and a transaction around it goes on', async () => {
  await admin.query(`revoke execute on function pg_control_system() from public;
    revoke execute on function pg_walfile_name(pg_lsn) from public`);
  const client = await connect(asModest());
  try {
    await client.query('begin isolation level repeatable read, read only');
    expect(await serverFacts(client)).toMatchObject({ systemIdentifier: null, timeline: null, major: server.major });
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.query('commit');
  } finally {
    await client.end();
    await admin.query(`grant execute on function pg_control_system() to public;
      grant execute on function pg_walfile_name(pg_lsn) to public`);
  }
});

test('a database of another locale provider says so', async () => {
  const { rows } = await admin.query<{ has: boolean }>(
    "select exists (select from pg_collation where collprovider = 'i') as has",
  );
  expect(rows[0]?.has, 'PostgreSQL is built with ICU here').toBe(true);
  await admin.query(`create database icu template template0 locale_provider icu icu_locale 'de' locale 'C.UTF-8'`);
  const client = await connect({ ...server.target, database: 'icu' });
  expect(await serverFacts(client)).toMatchObject({ database: 'icu', localeProvider: 'icu', icuLocale: 'de' });
  await client.end();
});
