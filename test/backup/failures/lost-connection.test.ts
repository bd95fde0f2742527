import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startThrowawayServer, type ThrowawayServer } from '../../../actions/lib/postgres/index.ts';
import { type Exchange, startProxy } from '../../services/proxy.ts';
import { expectRefused, filesBelow, type Ran, Stage } from './stage.ts';

/**
 * Which of the connections and programs of a run notices first that its server is gone is chance. Here it is not: a
 * proxy breaks one connection at a known statement, alone or together with every other one, for good.
 */
let stage: Stage;
let server: ThrowawayServer;

beforeAll(async () => {
  stage = await Stage.open();
  server = await startThrowawayServer({ purpose: 'a test', tcp: true });
  await stage.sql(
    server.target,
    `create role "a ""quoted"" role"; create table orders (id int primary key, what text not null);
     insert into orders select i, repeat('x', 100) from generate_series(1, 30000) i;
     create index on orders (what, id); select lo_from_bytea(0, 'large')`,
  );
  await stage.sql(server.target, 'create database empty');
});
afterAll(async () => {
  await server?.stop();
  await stage?.[Symbol.asyncDispose]();
});

type Breadth = 'alone' | 'with all others';

/** Runs with the server behind the proxy, which breaks the connection that says `asked`. */
async function broken(
  asked: RegExp,
  breadth: Breadth,
  database: string,
  run: (url: string) => Promise<Ran>,
): Promise<Ran> {
  let isBroken = false;
  let breakAll = () => {};
  const proxy = await startProxy(server.target.port, exchange => {
    if (!asked.test(exchange.asked)) return isBroken && breadth === 'with all others';
    if (!isBroken && breadth === 'with all others') breakAll();
    isBroken = true;
    return true;
  });
  breakAll = proxy.cutAll;
  try {
    const url = new URL(server.target.url);
    url.port = String(proxy.port);
    url.pathname = `/${database}`;
    const ran = await run(url.href);
    expect(isBroken, `nothing asked ${asked}`).toBe(true);
    return ran;
  } finally {
    await proxy.stop();
  }
}

const breadths: Breadth[] = ['alone', 'with all others'];

describe.each(breadths)('a connection that breaks %s', breadth => {
  test.each([
    ['the leader exports the snapshot', /pg_export_snapshot/],
    ['the leader reads the tables', /reltoastrelid/],
    ['a worker joins the snapshot', /set transaction snapshot '/],
    ['a worker locks the tables', /set transaction snapshot '[\s\S]*lock table/],
    ['rows are copied', /COPY \(SELECT/],
    ['rows are hashed', /hashtextextended/],
    ['pg_dump connects', /pg_catalog\.set_config\('search_path', '', false\)[\s\S]*SET TRANSACTION ISOLATION LEVEL/],
    ['pg_dump joins the snapshot', /SET TRANSACTION SNAPSHOT '/],
    ['pg_dump reads large objects', /lo_open|pg_largeobject_metadata/],
    ['pg_dumpall reads the roles', /rolreplication/],
    ['the leader lists what there is', /pg_get_indexdef\(i\.indexrelid\)/],
  ])('while %s', async (_moment, asked) => {
    const ran = await broken(asked, breadth, 'postgres', url =>
      stage.ops('backup database', stage.env('x', { DATABASE_URL: url })),
    );
    expectRefused(ran, 1, 'PG_LOST', /server/);
    expect(filesBelow(stage.destination)).toEqual([]);
  });
});

describe('a program that is refused', () => {
  test('pg_dumpall, which keeps the reason to itself, while the server answers again', async () => {
    const connections = new Set<Exchange>();
    let cutAt = Number.POSITIVE_INFINITY;
    const proxy = await startProxy(server.target.port, exchange => {
      const isNew = !connections.has(exchange);
      connections.add(exchange);
      return isNew && connections.size === cutAt;
    });
    try {
      const url = server.target.url.replace(`:${server.target.port}/`, `:${proxy.port}/`);
      const env = stage.env('x', { DATABASE_URL: url, BACKUP_JOBS: '1' });
      await stage.backUp(env);
      // The same once more, and its last connection, which is that of pg_dumpall, is refused.
      cutAt = 2 * connections.size;
      const ran = await stage.ops('backup database', env);
      expectRefused(ran, 1, 'PG_LOST', /pg_dumpall/, /connections again/);
    } finally {
      await proxy.stop();
    }
  });
});

describe.each(breadths)('a restore of which a connection breaks %s', breadth => {
  let made = false;
  beforeAll(async () => {
    if (!made) await stage.backUp(stage.env('x', { DATABASE_URL: server.target.url }));
    made = true;
  });

  test.each([
    ['the target is looked at', /large object %s/],
    ['psql creates the roles', /CREATE ROLE/],
    ['definitions are made', /CREATE TABLE/],
    ['rows are loaded', /COPY \S*orders/],
    ['large objects are loaded', /lo_create|lowrite|SET TRANSACTION READ WRITE[\s\S]*large/i],
    ['an index is built', /CREATE INDEX|ADD CONSTRAINT/],
    ['statistics are taken', /analyze "?public/],
  ])('while %s', async (_moment, asked) => {
    const ran = await broken(asked, breadth, 'empty', url =>
      stage.ops('restore database latest --roles --force', stage.env('x', { RESTORE_DATABASE_URL: url })),
    );
    expectRefused(ran, 1, 'PG_LOST', /server/);
  });
});
