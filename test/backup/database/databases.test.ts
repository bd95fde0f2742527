import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { backupOneDatabase, databaseTargets } from '../../../actions/lib/backup/backup-database.ts';
import { proveSet } from '../../../actions/lib/backup/prove-set.ts';
import { failureOf, openWorld, type World } from '../harness.ts';
import { describeDatabase } from './reference.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world?.close());

test('an empty database', async () => {
  const source = await world.database('nothing');
  const { manifest } = await world.backup(source);
  expect(manifest.database.tables).toEqual([]);
  const { findings } = await world.prove(manifest);
  expect(findings).toEqual([]);
});

describe('encodings and locales', () => {
  test('LATIN1: names, rows and definitions', async () => {
    const source = await world.database(
      'latin',
      `create table "Größe" ("Straße" text default 'ä', check ("Straße" <> 'ö')); insert into "Größe" values ('é'), ('ÿþ'), (E'\\u00a0');
       create type "Übel" as enum ('größer', 'ß'); create table big as select g, repeat('äöü', 20)::text as t, 'ß'::"Übel" as e from generate_series(1, 20000) g;`,
      `template template0 encoding 'LATIN1' locale 'C'`,
    );
    const { manifest } = await world.backup(source, { segmentBytes: 128 * 1024 });
    expect(manifest.database.encoding).toBe('LATIN1');
    const { target, findings } = await world.prove(manifest);
    expect(findings).toEqual([]);
    expect(await describeDatabase(world, target)).toEqual(await describeDatabase(world, source));
    // Into UTF8 the text is converted on its way.
    const converted = await world.restore(manifest, { target: await world.emptyDatabase() });
    expect(await world.query(converted.target, 'select * from "Größe" order by "Straße" collate "C"')).toEqual([
      { Straße: '\u00a0' },
      { Straße: 'é' },
      { Straße: 'ÿþ' },
    ]);
  });

  test('SQL_ASCII: text that is any bytes, in rows and in definitions', async () => {
    const source = await world.database('bytes', '', `template template0 encoding 'SQL_ASCII' locale 'C'`);
    const any = `convert_from(decode('ff fe 80 41 c3', 'hex'), 'SQL_ASCII')`;
    await world.query(
      source,
      `create table any_bytes (id int, t text); insert into any_bytes values (1, ${any}), (2, ${any} || E'\\n\\\\.\\t'), (3, 'é');
       do $$ begin execute format('alter table any_bytes add check (t <> %L)', convert_from('\\xfffd', 'SQL_ASCII'));
         execute format('comment on table any_bytes is %L', convert_from('\\xe4f6', 'SQL_ASCII'));
         execute format('create type odd as enum (%L)', convert_from('\\xe4', 'SQL_ASCII')); end $$;
       create table odds as select enum_first(null::odd) as e, g from generate_series(1, 10) g;`,
    );
    for (const _ of ['first', 'second']) {
      const { manifest } = await world.backup(source);
      const { target, findings } = await world.prove(manifest);
      expect(findings).toEqual([]);
      expect(await describeDatabase(world, target)).toEqual(await describeDatabase(world, source));
    }
  });

  test('an ICU locale, also in a drill', async context => {
    const known = await world.query(world.server.target, `select 1 from pg_collation where collprovider = 'i' limit 1`);
    if (known.length === 0) context.skip('this server was built without ICU');
    const source = await world.database(
      'icu',
      `create table words (w text primary key); insert into words values ('ä'), ('a'), ('z'), ('Z'); create view sorted as select string_agg(w, ' ' order by w) from words;`,
      `template template0 locale_provider icu icu_locale 'sv-SE' encoding 'UTF8' locale 'C.UTF-8'`,
    );
    const { manifest } = await world.backup(source);
    expect(manifest.database).toMatchObject({ localeProvider: 'icu', icuLocale: 'sv-SE' });
    const proof = await proveSet(
      await world.context({
        config: { drill: { assertions: [{ name: 'swedish', sql: 'select * from sorted', expect: 'a z Z ä' }] } },
      }),
      world.storage,
      manifest,
    );
    expect(proof).toMatchObject({ verdict: 'PROVED', findings: [], notes: [] });
  });
});

test('every database of the server in one run, whatever its name', async () => {
  const names = ['a=b', 'postgres://x:y@z/w', `it's "odd" \\ / é 日本`, '-dash', ' blank ', "dbname='x'", '$(true)'];
  for (const [i, name] of names.entries()) {
    await world.database(name, `create table here (n int); insert into here values (${i});`);
  }
  await world.query(world.server.target, 'create database no_entry allow_connections false');
  const context = await world.context({ config: { backup: { database: { databases: ['*'] } } } });
  const targets = await databaseTargets(context);
  const found = targets.map(target => target.database);
  expect(found).toEqual(expect.arrayContaining([...names, 'postgres', 'nothing']));
  expect(found).not.toContain('no_entry');
  expect(found).not.toContain('template0');
  for (const [i, name] of names.entries()) {
    const { manifest } = await backupOneDatabase(
      context,
      [world.storage],
      targets.find(target => target.database === name)!,
    );
    expect(manifest.source).toBe(name);
    const { target, findings } = await world.prove(manifest);
    expect(findings).toEqual([]);
    expect(await world.query(target, 'select n from here')).toEqual([{ n: i }]);
  }
});

describe('what is included and excluded', () => {
  const sql = `
    create schema app; create schema "Odd.Schema"; create type app.status as enum ('new'); create extension citext;
    create table app.events (id int, at int, s app.status default 'new') partition by range (at); create table app.events_1 partition of app.events for values from (0) to (10);
    create table public.events_2 partition of app.events for values from (10) to (20) partition by range (at); create table app.deep partition of public.events_2 default; insert into app.events select g, g from generate_series(0, 19) g;
    create function app.touch() returns trigger language plpgsql as $$ begin return new; end $$; create trigger touch before insert on app.events for each row execute function app.touch();
    create function app.f() returns int language sql as 'select 1';
    create table app.orders (id serial primary key, v text); insert into app.orders (v) select 'o' from generate_series(1, 10) g;
    create table app.order_items (id int primary key, o int references app.orders); insert into app.order_items select g, g from generate_series(1, 10) g;
    create table app.audit_2024 (x int); insert into app.audit_2024 values (1); create table app.audit_2025 (x int); insert into app.audit_2025 values (1);
    create table public.orders (id int); insert into public.orders values (1);
    create table "Odd.Schema"."a*b" (x int); create table "Odd.Schema"."aXb" (x int); create table "Odd.Schema"."q""q" (x int);
    insert into "Odd.Schema"."a*b" values (1); insert into "Odd.Schema"."aXb" values (2); insert into "Odd.Schema"."q""q" values (3);
    create view app.all_orders as select * from app.orders; create materialized view app.counted as select count(*) from app.orders;`;
  let number = 0;
  const setOf = async (database: Record<string, string[]>) => {
    const source = await world.database(`patterns_${++number}`, sql);
    const made = await world.backup(source, { config: { backup: { database } } });
    const { target, findings } = await world.prove(made.manifest);
    expect(findings).toEqual([]);
    const relations = await world.query<{ name: string }>(
      target,
      `select format('%s.%s', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'v', 'm', 'S') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') order by 1`,
    );
    const rows = Object.fromEntries(
      made.manifest.database.tables.map(table => [`${table.schema}.${table.name}`, table.rows]),
    );
    return { manifest: made.manifest, target, relations: relations.map(row => row.name), rows };
  };

  test('tables without their rows, by pattern; a partitioned one with its partitions', async () => {
    const { relations, rows, target } = await setOf({
      excludeTableData: ['app.audit_*', 'public.orders', '"Odd.Schema"."a*b"', 'app.events'],
    });
    expect(relations).toEqual(
      expect.arrayContaining(['app.audit_2024', 'app.audit_2025', 'public.orders', 'Odd.Schema.a*b', 'app.deep']),
    );
    expect(rows).toEqual({ 'app.orders': 10, 'app.order_items': 10, 'Odd.Schema.aXb': 1, 'Odd.Schema.q"q': 1 });
    expect(await world.query(target, `select count(*)::int as n from app.audit_2024`)).toEqual([{ n: 0 }]);
  });

  test('without some tables, by pattern; a name alone means every schema', async () => {
    const { relations } = await setOf({
      excludeTables: ['app.audit_202?', '"Odd.Schema"."q""q"', '"Odd.Schema"."a*b"', 'events'],
    });
    expect(relations).toEqual([
      'Odd.Schema.aXb',
      'app.all_orders',
      'app.counted',
      'app.order_items',
      'app.orders',
      'app.orders_id_seq',
      'public.orders',
    ]);
  });

  test('without a table that others refer to: its views and the foreign keys to it go along', async () => {
    const { relations, manifest, target } = await setOf({ excludeTables: ['app.orders'] });
    expect(relations).not.toContain('app.orders');
    expect(relations).toContain('app.order_items');
    expect(manifest.warnings).toEqual([
      'app.all_orders is not in the set: it reads or inherits from a table that was left out',
      'app.counted is not in the set: it reads or inherits from a table that was left out',
    ]);
    expect(await world.query(target, `select count(*)::int as n from app.order_items`)).toEqual([{ n: 10 }]);
    expect(await world.query(target, `select 1 from pg_constraint where contype = 'f'`)).toEqual([]);
    expect(manifest.database.leftOutForeignKeys).toHaveLength(1);
  });

  test('only some tables, with the types, functions and schemas that they need', async () => {
    const { relations, manifest, rows } = await setOf({ includeTables: ['orders', '"Odd.Schema".*', 'app.events'] });
    expect(relations.filter(name => !name.endsWith('_seq'))).toEqual([
      'Odd.Schema.a*b',
      'Odd.Schema.aXb',
      'Odd.Schema.q"q',
      'app.deep',
      'app.events_1',
      'app.orders',
      'public.orders',
    ]);
    expect(rows).toMatchObject({ 'app.deep': 10, 'app.events_1': 10 });
    expect(manifest.parts.map(part => part.role)).not.toContain('blobs');
    expect(manifest.warnings).toEqual([]);
  });

  test('what matches nothing: an error for what to take, a warning for what to leave', async () => {
    const source = await world.database('unmatched', 'create table here (x int)');
    const withPatterns = (database: Record<string, string[]>) =>
      world.backup(source, { config: { backup: { database } } });
    expect(await failureOf(withPatterns({ includeTables: ['here', 'Here', '*.x'] }))).toMatchObject({
      code: 'BACKUP_NO_TABLE',
      exitCode: 2,
      message: expect.stringMatching(/'Here', '\*\.x'/),
    });
    const { manifest } = await withPatterns({ excludeTables: ['there'], excludeTableData: ['public.her'] });
    expect(manifest.warnings).toEqual([
      `No table matches the exclusion 'there'`,
      `No table matches the exclusion 'public.her'`,
    ]);
  });
});
