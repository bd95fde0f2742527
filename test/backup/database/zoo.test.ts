import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { type PostgresTarget, quoteIdent, quoteLiteral } from '../../../actions/lib/postgres/index.ts';
import { openWorld, sentBytes, type World } from '../harness.ts';
import { describeDatabase } from './reference.ts';
import { samples, withoutInput, zooRoles, zooSql } from './zoo.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
  await world.query(world.server.target, zooRoles);
});
afterAll(() => world?.close());

/** pg_restore is not asked for these: who owns an extension comments on it. */
const isExtensionComment = (name: string) => /^EXTENSION .*; Type: COMMENT/.test(name);

/** @param moreThan objects the source must have, so that two empty descriptions are never "the same" */
async function expectSame(source: PostgresTarget, restored: PostgresTarget, moreThan = 10): Promise<void> {
  const expected = await describeDatabase(world, source);
  for (const name of Object.keys(expected)) if (isExtensionComment(name)) delete expected[name];
  expect(Object.keys(expected).length).toBeGreaterThan(moreThan);
  const found = await describeDatabase(world, restored);
  for (const name of Object.keys(found)) if (isExtensionComment(name)) delete found[name];
  expect(found).toEqual(expected);
}

describe('a database with one of everything', () => {
  let source: PostgresTarget;
  let manifest: DatabaseManifest;
  beforeAll(async () => {
    source = await world.database('zoo "of" ünïcödé = postgres://x/', zooSql);
    ({ manifest } = await world.backup(source, { segmentBytes: 256 * 1024 }));
  });

  test('comes back as it was, by its own comparison and by pg_dump', async () => {
    const { target, findings } = await world.prove(manifest);
    expect(findings).toEqual([]);
    await expectSame(source, target);
  });

  test('comes back the same over a database that was full of other things', async () => {
    const crowded = await world.database(
      'crowded',
      `create schema zoo; create table public.plain (x int); create schema other; create table other.t (x int);
       create extension hstore schema other; create function public.zap() returns event_trigger language plpgsql as $$ begin end $$;
       create event trigger watch on sql_drop execute function zap(); create publication everything for all tables;
       create foreign data wrapper own_wrapper; create server far foreign data wrapper own_wrapper;
       create cast (box as text) with inout; create type zoo.mood as enum ('x');
       alter default privileges revoke execute on functions from public; alter default privileges for role zoo_reader grant select on tables to zoo_owner;
       select lo_from_bytea(4711, 'another'), lo_from_bytea(9999, 'extra'); drop schema if exists "odd schema"; revoke usage on schema public from public;`,
    );
    const { target, findings } = await world.prove(manifest, { target: crowded, force: true });
    expect(findings).toEqual([]);
    await expectSame(source, target);
  });

  test('a second set that sends nothing anew restores to the same', async () => {
    const second = (await world.backup(source, { segmentBytes: 256 * 1024 })).manifest;
    expect(second.baseId).toBe(manifest.id);
    expect(sentBytes(second, 'rows')).toBe(0);
    expect(Object.keys(await describeDatabase(world, source)).length).toBeGreaterThan(300);
    const { target, findings } = await world.prove(second);
    expect(findings).toEqual([]);
    await expectSame(source, target);
  });

  test('with fingerprints of every row', async () => {
    const full = (await world.backup(source, { config: { backup: { jobs: 3, database: { fingerprints: 'full' } } } }))
      .manifest;
    const evidence = await world.evidence(full);
    expect(evidence.fingerprints.every(f => f.fingerprint.kind === 'full')).toBe(true);
    expect((await world.prove(full)).findings).toEqual([]);
  });
});

test('every built-in type, alone, in arrays, and beside NULL', async () => {
  const source = await world.database('types', zooSql);
  const known = await world.query<{ name: string }>(
    source,
    `select typname as name from pg_type where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b', 'r', 'm')
        and not (typelem <> 0 and typlen = -1 and typname like '\\_%') order by 1`,
  );
  const types = known.map(row => row.name).filter(name => !withoutInput.has(name));
  expect(types.filter(name => samples[name] === undefined)).toEqual([]);
  const ddl = types.map(name => {
    const type = name === 'char' ? '"char"' : name;
    const table = quoteIdent(`type ${name}`);
    const values = samples[name]!.map(value => quoteLiteral(value));
    const array = name.includes('vector') ? 'int[]' : `${type}[]`;
    const arrays = name.includes('vector')
      ? `null`
      : `array[array[null, ${values[0]}::${type}], array[${values.at(-1)}::${type}, ${values[0]}::${type}]]`;
    return `create table ${table} (id serial, v ${type}, a ${array});
      ${values.map(value => `insert into ${table} (v, a) values (${value}::${type}, ${arrays});`).join('\n')}
      insert into ${table} (v) values (null);`;
  });
  await world.query(source, `set search_path = zoo, public; ${ddl.join('\n')}`);
  await world.query(
    source,
    `create table bounds (a int[], b text[]); insert into bounds values ('[-2:0][3:4]={{1,2},{3,NULL},{5,6}}', '{}'), ('{}', '{"",NULL,"NULL","{}","a\\\\b"}');
     create table modifiers (a numeric(5,2), b varchar(3), c char(4), d bit(5), e varbit(3), f timestamp(0), g interval day to second(2), h time(1));
     insert into modifiers values (123.456, 'abc', 'ab', B'10101', B'1', '2026-01-01 00:00:00.6', '1 day 02:03:04.567', '01:02:03.45');`,
  );
  const { manifest } = await world.backup(source);
  const { target, findings } = await world.prove(manifest);
  expect(findings).toEqual([]);
  await expectSame(source, target);
});

const name = `ops_zoo_${process.pid}`;
const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)('an extension with configuration data (needs root, to install one)', async () => {
  const share = join(execFileSync('pg_config', ['--sharedir']).toString().trim(), 'extension');
  const files = [join(share, `${name}.control`), join(share, `${name}--1.0.sql`)];
  try {
    writeFileSync(files[0]!, `default_version = '1.0'\nrelocatable = false\nschema = public\n`);
    writeFileSync(
      files[1]!,
      `create table settings (key text primary key, value text, is_standard boolean default false);
       insert into settings values ('shipped', 'with the extension', true);
       create table internals (x int); insert into internals values (1);
       create table log (id serial, line text);
       create sequence counter;
       select pg_extension_config_dump('settings', 'where not is_standard');
       select pg_extension_config_dump('log', ''); select pg_extension_config_dump('log_id_seq', '');
       create function known(text) returns text language sql stable as 'select value from public.settings where key = $1';`,
    );
    const source = await world.database(
      'configured',
      `create extension ${name}; insert into settings values ('mine', 'a user added it', false); insert into log (line) values ('one'), ('two');
       create table uses (v text default known('mine')); insert into uses values (default);`,
    );
    for (const round of ['first', 'second']) {
      const { manifest } = await world.backup(source);
      const { target, findings } = await world.prove(manifest);
      expect(findings, round).toEqual([]);
      // A database of one small extension: its tables and what belongs to them.
      await expectSame(source, target, 7);
      expect(await world.query(target, 'select key from settings order by key')).toEqual([
        { key: 'mine' },
        { key: 'shipped' },
      ]);
    }
  } finally {
    for (const file of files) rmSync(file, { force: true });
  }
});
