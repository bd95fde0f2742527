import type pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import type { Storage } from '../../../actions/lib/storage/index.ts';
import { failureOf, openWorld, type World } from '../harness.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld({ settings: { deadlock_timeout: '100ms' } });
});
afterAll(() => world?.close());

/** Work that other sessions do over and over while something else happens. */
async function meanwhile<T>(
  target: PostgresTarget,
  sessions: number,
  turn: (client: pg.Client, turn: number) => Promise<unknown>,
  work: (turns: () => number) => Promise<T>,
): Promise<T> {
  let isOver = false;
  let turns = 0;
  const clients = await Promise.all(Array.from({ length: sessions }, () => world.connect(target)));
  const running = clients.map(async client => {
    while (!isOver) {
      await turn(client, turns);
      turns++;
    }
    await client.end();
  });
  try {
    return await work(() => turns);
  } finally {
    isOver = true;
    await Promise.all(running);
  }
}

test('transfers between accounts run all the time, and no set ever loses a cent', async () => {
  const bank = await world.database(
    'bank',
    `create table accounts (id int primary key, cents bigint not null, pad text default repeat('p', 400));
     insert into accounts select g, 1000 from generate_series(1, 5000) g;
     create table transfers (id bigserial primary key, source int, target int, cents bigint);
     create table counter (n bigint); insert into counter values (0);
     create table last_copied (id int primary key, n bigint); insert into last_copied values (1, 0);`,
  );
  const transfer = (client: pg.Client) => {
    const [a, b] = [1, 2].map(() => 1 + Math.floor(Math.random() * 5000)).sort((x, y) => x - y);
    return client.query(`begin;
      update accounts set cents = cents - 7 where id = ${a}; update accounts set cents = cents + 7 where id = ${b};
      insert into transfers (source, target, cents) values (${a}, ${b}, 7);
      update counter set n = n + 1; update last_copied set n = n + 1; commit;`);
  };
  const manifests = await meanwhile(bank, 3, transfer, async turns => {
    const made = [];
    for (let round = 0; round < 4; round++) {
      const before = turns();
      made.push((await world.backup(bank, { segmentBytes: 64 * 1024 })).manifest);
      expect(turns()).toBeGreaterThan(before);
    }
    return made;
  });
  const counts: number[] = [];
  for (const manifest of manifests) {
    const { target, findings } = await world.prove(manifest);
    expect(findings).toEqual([]);
    const [sums] = await world.query<Record<string, string>>(
      target,
      `select (select sum(cents) from accounts) as cents, (select count(*) from transfers) as transfers,
              (select n from counter) as counter, (select n from last_copied) as last`,
    );
    expect(sums).toEqual({ cents: '5000000', transfers: sums!.counter, counter: sums!.counter, last: sums!.counter });
    counts.push(Number(sums!.counter));
  }
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
});

test('a table that is emptied and filled again in one transaction is never copied empty', async () => {
  const source = await world.database(
    'refilled',
    `create table report (id int, v text); insert into report select g, 'x' from generate_series(1, 1000) g;
     create table recreated (id int); insert into recreated select generate_series(1, 100);
     create table rewritten (id int, n int); insert into rewritten select g, g from generate_series(1, 500) g;`,
  );
  // Each of these gives the table a new file, in which an older snapshot sees nothing.
  // It gives up where the backup is in its way, as everything that locks tables of a live platform should.
  const turn = async (client: pg.Client, n: number) => {
    const statement = [
      `truncate report; insert into report select g, '${n}' from generate_series(1, 1000) g`,
      'drop table recreated; create table recreated (id int); insert into recreated select generate_series(1, 100)',
      `alter table rewritten alter n type ${n % 2 ? 'bigint' : 'int'} using n + 1`,
    ][n % 3]!;
    try {
      await client.query(`begin; set local lock_timeout = '20ms'; ${statement}; commit`);
    } catch (error) {
      if ((error as { code?: string }).code !== '55P03') throw error;
      await client.query('rollback');
    }
  };
  await meanwhile(source, 1, turn, async () => {
    for (let round = 0; round < 9; round++) {
      const { manifest } = await world.backup(source);
      const rows = Object.fromEntries(manifest.database.tables.map(table => [table.name, table.rows]));
      expect(rows).toEqual({ report: 1000, recreated: 100, rewritten: 500 });
      if (round % 6 === 0) expect((await world.prove(manifest)).findings).toEqual([]);
    }
  });
});

/** Stops before the first rows are sent until `during` is through; the definitions go their way. */
function pausedAtRows(during: () => Promise<void>): Storage {
  const schemaIsThere = Promise.withResolvers<void>();
  let pause: Promise<void> | undefined;
  return new Proxy(world.storage, {
    get(storage, name) {
      if (name === 'put') {
        return async (...args: Parameters<Storage['put']>) => {
          if (args[0].includes('/rows-')) {
            pause ??= schemaIsThere.promise.then(during);
            await pause;
          }
          const made = await storage.put(...args);
          if (args[0].includes('/schema.dump')) schemaIsThere.resolve();
          return made;
        };
      }
      const value: unknown = Reflect.get(storage, name, storage);
      return typeof value === 'function' ? value.bind(storage) : value;
    },
  });
}

test('a TRUNCATE and a migration wait for the end of the backup', async () => {
  const source = await world.database(
    'migrated',
    `create table first_table as select g, repeat('x', 100) as pad from generate_series(1, 30000) g;
     create table second_table as select g from generate_series(1, 700) g; create table third_table as select 1 as a;`,
  );
  const admin = await world.connect(source);
  const waiting: Promise<unknown>[] = [];
  const { manifest } = await world.backup(source, {
    config: { backup: { jobs: 1 } },
    storages: [
      pausedAtRows(async () => {
        for (const sql of [
          'truncate second_table',
          'alter table third_table add column b int default random() * 9',
          'drop table first_table',
        ]) {
          const client = await world.connect(source);
          waiting.push(client.query(sql));
        }
        await vi.waitFor(
          async () => {
            const { rows } = await admin.query(
              `select count(*)::int as n from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())`,
            );
            expect(rows[0].n).toBe(3);
          },
          { timeout: 20_000 },
        );
      }),
    ],
  });
  await Promise.all(waiting);
  expect(manifest.database.tables.map(table => table.rows)).toEqual([30_000, 700, 1]);
  const { findings } = await world.prove(manifest);
  expect(findings).toEqual([]);
  expect(await world.query(source, 'select count(*)::int as n from second_table')).toEqual([{ n: 0 }]);
});

test('a table that somebody holds locked is an error that says so, not a wait without end', async () => {
  const source = await world.database('held', 'create table held_table (x int); create table free_table (x int);');
  const holder = await world.connect(source);
  await holder.query('begin; lock table held_table in access exclusive mode');
  expect(await failureOf(world.backup(source, { lockTimeoutSeconds: 1 }))).toMatchObject({
    code: 'PG_LOCKED',
    hint: expect.stringContaining('pg_locks'),
  });
  await holder.query('rollback');
  expect((await world.prove((await world.backup(source)).manifest)).findings).toEqual([]);
});
