import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { indexEntries } from '../../../actions/lib/backup/database/contents.ts';
import { frozen } from '../../../actions/lib/backup/database/copy-statement.ts';
import { readDefinitions } from '../../../actions/lib/backup/database/definitions.ts';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { findClientTools, withUser } from '../../../actions/lib/postgres/index.ts';
import { openWorld, type World } from '../harness.ts';

// Tables of very different sizes, so that one connection is done long before the other, and indexes of every kind.
const sql = `
  create table events (id int primary key, v text not null);
  insert into events select g, repeat(md5(g::text), 8) from generate_series(1, 60000) g;
  create index events_v on events (left(v, 8));
  create table rates (id int primary key, factor numeric not null);
  insert into rates select g, g * 2 from generate_series(1, 20000) g;
  -- Says that it is immutable, and is not: an index made before the rows of rates are in would hold nothing but NULL.
  create function factor_of(int) returns numeric language sql immutable as 'select factor from public.rates where id = $1';
  create table orders (id int primary key, rate int not null, room int4range, note text, constraint orders_note unique (note),
                       exclude using gist (room with &&));
  insert into orders select g, g, int4range(g, g + 1), 'n' || g from generate_series(1, 20000) g;
  create index orders_factor on orders (factor_of(rate));
  create index orders_cheap on orders (id) where factor_of(rate) < 100;
  create operator @#@ (rightarg = int, function = factor_of);
  create index orders_operator on orders ((@#@ rate));
  create extension pg_trgm;
  create index orders_note_trgm on orders using gin (note gin_trgm_ops);
  create type mood as enum ('fine', 'bad');
  create table moods (mood mood not null);
  create index moods_mood on moods (mood);
  insert into moods values ('fine');
  create table parent (id int not null, at int not null) partition by range (at);
  create table child partition of parent for values from (0) to (10000);
  alter table parent add primary key (id, at);
  insert into parent select g, g from generate_series(0, 9999) g;
  create materialized view totals as select id % 7 as k, count(*) as n from events group by 1;
  create unique index totals_k on totals (k);
  create table "a" ("x y" int primary key);
  create table "a b" (x int primary key);
  create table "line
break" (x int primary key);
  insert into "a" select generate_series(1, 10); insert into "a b" select generate_series(1, 10);`;

let world: World;
let manifest: DatabaseManifest;
beforeAll(async () => {
  world = await openWorld();
  const source = await world.database('shop', sql);
  ({ manifest } = await world.backup(source));
});
afterAll(() => world?.close());

test('what can be made before all rows are in: indexes of a table that is known for certain, nothing that runs a function', async () => {
  const { log, progress, signal } = await world.context();
  const target = await world.emptyDatabase();
  const tools = await findClientTools(world.server.major);
  const definitions = await readDefinitions({ tools, withTablespaces: true }, world.folder, {
    ...{ storage: world.storage, manifest, target, identities: [world.identity], jobs: 2, tables: [] },
    ...{ force: false, withRoles: false, noOwner: false, log, progress, signal },
  });
  const { tables } = manifest.database;
  const found = [...indexEntries(definitions.entries, tables)].map(([table, entries]) => [
    tables[table]!.name,
    ...entries.map(({ text }) => text.replace(/^(\w+) public /, '$1 ').replace(/ postgres$/, '')).sort(),
  ]);
  expect(found.sort()).toEqual([
    ['a', 'CONSTRAINT a a_pkey'],
    ['events', 'CONSTRAINT events events_pkey', 'INDEX events_v'],
    ['line\nbreak', 'CONSTRAINT line break line\\nbreak_pkey'.replace('\\n', ' ')],
    ['moods', 'INDEX moods_mood'],
    ['orders', 'CONSTRAINT orders orders_note', 'CONSTRAINT orders orders_pkey', 'CONSTRAINT orders orders_room_excl'],
    ['rates', 'CONSTRAINT rates rates_pkey'],
  ]);
});

describe('a database whose indexes are made while rows still come', () => {
  test('is the same', async () => {
    const { target } = await world.restore(manifest, { jobs: 2 });
    expect((await world.compare(manifest, target)).findings).toEqual([]);
    const [by] = await world.query<{ seen: number; cheap: number }>(
      target,
      `set enable_seqscan = off; set enable_bitmapscan = off;
       select (select count(*)::int from orders where factor_of(rate) = 200) as seen,
              (select count(*)::int from orders where factor_of(rate) < 100) as cheap`,
    );
    expect(by).toEqual({ seen: 1, cheap: 49 });
  });

  test('has frozen rows in the large tables: nothing is written a second time', async () => {
    const { target } = await world.restore(manifest, { jobs: 1 });
    const pages = await world.query(
      target,
      `select relname, relpages > 50 and relallvisible >= relpages - 1 as frozen from pg_class where relname in ('events', 'orders') order by 1`,
    );
    expect(pages).toEqual([
      { relname: 'events', frozen: true },
      { relname: 'orders', frozen: true },
    ]);
  });

  test('without the right to truncate, the rows come in as they always did', async () => {
    await world.query(world.server.target, `create role loader login password 'loader-password'`);
    const target = await world.emptyDatabase('owner loader');
    await world.query(target, 'alter default privileges for role loader revoke truncate on tables from loader');
    const asLoader = withUser(target, 'loader', 'loader-password');
    await world.restore(manifest, { target: asLoader, noOwner: true });
    expect((await world.compare(manifest, target)).findings).toEqual([]);
  });
});

test('the statement of frozen rows keeps the encoding of the set', () => {
  expect(frozen('COPY public.t (a, b) FROM stdin')).toBe('COPY public.t (a, b) FROM stdin WITH (FREEZE)');
  expect(frozen("COPY public.t FROM stdin WITH (ENCODING 'LATIN1')")).toBe(
    "COPY public.t FROM stdin WITH (ENCODING 'LATIN1', FREEZE)",
  );
});
