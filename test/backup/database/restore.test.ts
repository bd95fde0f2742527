import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { creatingRolesOnly } from '../../../actions/lib/backup/database/archive.ts';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import {
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
  withUser,
} from '../../../actions/lib/postgres/index.ts';
import { failureOf, openWorld, type World } from '../harness.ts';
import { describeDatabase } from './reference.ts';

let world: World;
let elsewhere: ThrowawayServer;
let source: PostgresTarget;
let manifest: DatabaseManifest;
beforeAll(async () => {
  [world, elsewhere] = await Promise.all([openWorld(), startThrowawayServer({ purpose: 'the restore tests' })]);
  await world.query(
    world.server.target,
    `create role app_owner login createdb; create role app_reader; create role "Odd ""Role"" é" login connection limit 3 valid until '2030-01-01';
     grant app_reader to app_owner; create role stranger login;`,
  );
  source = await world.database(
    'shop',
    `create table orders (id serial primary key, v text); create table items (id int primary key, "order" int not null references orders);
     insert into orders (v) select 'v' || g from generate_series(1, 100) g; insert into items select g, g from generate_series(1, 100) g;
     create table secret (x int); insert into secret values (1); create index on secret (x);
     alter table orders owner to app_owner; grant select on orders to app_reader; grant insert (x) on secret to "Odd ""Role"" é";`,
  );
  ({ manifest } = await world.backup(source));
});
afterAll(() => Promise.all([world?.close(), elsewhere?.stop()]));

let count = 0;
const newDatabase = async () => {
  const name = `db_${++count}`;
  await world.query(elsewhere.target, `create database ${name}`);
  return withDatabase(elsewhere.target, name);
};
const rolesOf = async () =>
  (
    await world.query<{ name: string }>(
      elsewhere.target,
      `select rolname as name from pg_roles where rolname !~ '^pg_' order by 1`,
    )
  ).map(row => row.name);

describe('roles', () => {
  test('that are missing are named, with what to do, and nothing is changed', async () => {
    const target = await newDatabase();
    expect(await failureOf(world.restore(manifest, { target }))).toMatchObject({
      code: 'RESTORE_ROLE',
      exitCode: 2,
      message: expect.stringMatching(/Odd "Role" é, app_owner, app_reader/),
      hint: expect.stringMatching(/--roles.*--no-owner/),
    });
    expect(await describeDatabase(world, target)).toEqual({});
  });

  test('are not needed when owners and grants are left out', async () => {
    const { target } = await world.restore(manifest, { target: await newDatabase(), noOwner: true });
    expect(
      await world.query(
        target,
        `select relowner::regrole::text as owner, relacl from pg_class where relname = 'orders'`,
      ),
    ).toEqual([{ owner: 'postgres', relacl: null }]);
    expect((await world.compare(manifest, target)).findings).toEqual([]);
    expect(await rolesOf()).toEqual(['postgres']);
  });

  test('are made on request; one that is there keeps its attributes', async () => {
    await world.query(elsewhere.target, `create role app_owner superuser nologin createrole connection limit 7`);
    const { target, findings } = await world.prove(manifest, { target: await newDatabase(), withRoles: true });
    expect(findings).toEqual([]);
    expect(await describeDatabase(world, target)).toEqual(await describeDatabase(world, source));
    expect(await rolesOf()).toEqual(['Odd "Role" é', 'app_owner', 'app_reader', 'postgres', 'stranger']);
    const attributes = `select rolname, rolsuper, rolcanlogin, rolcreaterole, rolcreatedb, rolconnlimit, rolvaliduntil is null as forever from pg_roles where rolname in ('app_owner', 'Odd "Role" é') order by 1`;
    expect(await world.query(elsewhere.target, attributes)).toEqual([
      {
        rolname: 'Odd "Role" é',
        rolsuper: false,
        rolcanlogin: true,
        rolcreaterole: false,
        rolcreatedb: false,
        rolconnlimit: 3,
        forever: false,
      },
      {
        rolname: 'app_owner',
        rolsuper: true,
        rolcanlogin: false,
        rolcreaterole: true,
        rolcreatedb: false,
        rolconnlimit: 7,
        forever: true,
      },
    ]);
    const memberships = `select roleid::regrole::text as role, member::regrole::text from pg_auth_members where member = 'app_owner'::regrole`;
    expect(await world.query(elsewhere.target, memberships)).toEqual([{ role: 'app_reader', member: 'app_owner' }]);
    // They are there now, so the plain way works as well.
    expect((await world.prove(manifest, { target: await newDatabase() })).findings).toEqual([]);
  });

  test('and their attributes become one statement, so that both or neither happen', () => {
    const script = Buffer.from(
      'CREATE ROLE a;\nALTER ROLE a WITH LOGIN;\nCREATE ROLE "b ""c"";";\nALTER ROLE "b ""c"";" WITH NOLOGIN;\nCREATE ROLE d;\nALTER ROLE e WITH LOGIN;\nCOMMENT ON ROLE a IS \'CREATE ROLE x;\'\n\xe4',
      'latin1',
    );
    expect(creatingRolesOnly(script).toString('latin1')).toBe(
      'CREATE ROLE a WITH LOGIN;\nCREATE ROLE "b ""c"";" WITH NOLOGIN;\nCREATE ROLE d;\nALTER ROLE e WITH LOGIN;\nCOMMENT ON ROLE a IS \'CREATE ROLE x;\'\n\xe4',
    );
  });
});

describe('what belongs to the database itself', () => {
  const key = 'kept from everybody';
  const properties = (target: PostgresTarget) =>
    world.query(
      target,
      `select (select jsonb_object_agg(coalesce(r.rolname, '-'), array(select c from unnest(setconfig) c order by c)) from pg_db_role_setting left join pg_roles r on r.oid = setrole where setdatabase = d.oid) as settings,
              (select jsonb_agg(distinct concat_ws(' ', case grantee when 0 then 'PUBLIC' else grantee::regrole::text end, privilege_type, is_grantable))
                 from aclexplode(coalesce(datacl, acldefault('d', datdba))) where grantee <> datdba) as privileges,
              shobj_description(oid, 'pg_database') as comment, datconnlimit from pg_database d where datname = current_database()`,
    );
  let own: PostgresTarget;
  let made: DatabaseManifest;
  beforeAll(async () => {
    await world.query(world.server.target, `create role prop_web login; create role "Prop ""é" login`);
    own = await world.database(
      `odd "n" % $properties$`,
      `create schema app; create schema "App "" 2"; create table app.t as select generate_series(1, 9) as x;
       do $set$ begin
         execute format('alter database %1$I set search_path = app, "$user", "App "" 2", public', current_database());
         execute format('alter database %1$I set statement_timeout = ''1234ms''', current_database());
         execute format('alter database %1$I set default_transaction_read_only = on', current_database());
         execute format('alter database %1$I set app.key = %2$L', current_database(), '${key}: \\ '' % $properties$');
         execute format('alter database %1$I set session_preload_libraries = auto_explain', current_database());
         execute format('alter database %1$I connection limit 77', current_database());
         execute format('alter role prop_web in database %1$I set search_path = ''''', current_database());
         execute format('alter role "Prop ""é" in database %1$I set work_mem = ''7MB''', current_database());
         execute format('revoke all on database %1$I from public', current_database());
         execute format('grant connect on database %1$I to prop_web', current_database());
         execute format('grant connect, temporary on database %1$I to "Prop ""é" with grant option', current_database());
         execute format('comment on database %1$I is %2$L', current_database(), E'the shop''s\nown');
       end $set$`,
    );
    ({ manifest: made } = await world.backup(own));
  });

  test('comes back but for roles that the target lacks, which are named; nor privileges, where grants are left out', async () => {
    await world.query(elsewhere.target, 'create role prop_web');
    const { log, lines } = await world.context();
    const { target } = await world.restore(made, { target: await newDatabase(), log });
    expect(lines.join('\n')).toMatch(/setting work_mem of role "Prop ""é" was not restored: there is no such role/);
    expect(lines.join('\n')).toMatch(/privilege CONNECT of role "Prop ""é" was not restored/);
    expect(await properties(target)).toMatchObject([
      { privileges: ['prop_web CONNECT f'], settings: { prop_web: ['search_path=""'] }, datconnlimit: 77 },
    ]);
    const second = await world.restore(made, { target: await newDatabase(), noOwner: true });
    expect(await properties(second.target)).toMatchObject([
      { privileges: ['PUBLIC CONNECT f', 'PUBLIC TEMPORARY f'], datconnlimit: 77 },
    ]);
  });

  test('comes back under another name: settings, those of roles in it, privileges, comment, limit', async () => {
    const { target, findings } = await world.prove(made, { target: await newDatabase(), withRoles: true });
    expect(findings).toEqual([]);
    expect(await properties(target)).toEqual(await properties(own));
    expect(JSON.stringify(await properties(target))).toMatch(/App .*77|77.*App /);
  });

  test('is a finding where it did not come back, and no value of it is told', async () => {
    const { target } = await world.restore(made);
    await world.query(
      target,
      `begin read write; do $$ begin execute format('alter database %I reset app.key', current_database());
       execute format('alter database %I reset search_path', current_database()); execute format('grant temporary on database %I to public', current_database()); end $$; commit`,
    );
    const findings = (await world.compare(made, target)).findings.join('\n');
    expect(findings).toMatch(
      /3 of \d+ properties of the database .*PUBLIC may nothing; setting app\.key, .*search_path/,
    );
    expect(findings).not.toContain(key);
  });

  test('a setting that only a superuser may give, or of a library that is not here, is named, and the restore is good', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ops-test-library-'));
    await chmod(folder, 0o755);
    const library = join(folder, 'Own library.so');
    try {
      const [config] = await world.query<{ setting: string }>(
        world.server.target,
        `select setting from pg_config where name = 'PKGLIBDIR'`,
      );
      await copyFile(join(config!.setting, 'auto_explain.so'), library);
      const refused = await world.database(
        'prop_refused',
        `create table t as select 1 as x; alter database prop_refused set log_statement = 'all';
         alter database prop_refused set work_mem = '9MB'; alter database prop_refused set session_preload_libraries = '${library}'`,
      );
      const { manifest: set } = await world.backup(refused);
      await rm(library);
      await world.query(world.server.target, `create role keeper login password 'x'`);
      await world.query(world.server.target, 'create database kept owner keeper');
      const { log, lines } = await world.context();
      const target = withUser(withDatabase(world.server.target, 'kept'), 'keeper', 'x');
      const { result } = await world.restore(set, { target, noOwner: true, log });
      expect(result.rows).toBe(1);
      expect(lines.join('\n')).toMatch(/setting log_statement was not restored: permission denied/);
      expect(lines.join('\n')).toMatch(/setting session_preload_libraries was not restored: /);
      expect(await properties(target)).toMatchObject([{ settings: { '-': ['work_mem=9MB'] } }]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a set without it, as older ones are, restores as before', async () => {
    const before = { ...made, parts: made.parts.filter(part => part.role !== 'properties') };
    const { target } = await world.restore(before);
    expect(await properties(target)).toMatchObject([{ settings: null, comment: null, datconnlimit: -1 }]);
  });

  test('a database that has nothing of its own has no such part', () => {
    expect(manifest.parts.map(part => part.role)).not.toContain('properties');
  });
});

describe('a target that is not empty', () => {
  test.each([
    ['a table', 'create table orders (mine int); insert into orders values (1)'],
    ['a function', 'create function orders() returns int language sql as $$select 1$$'],
    ['a type', `create type mood as enum ('x')`],
    ['a schema', 'create schema app'],
    ['a large object', `select lo_from_bytea(1, 'x')`],
    ['a sequence', 'create sequence s'],
  ])('because of %s is refused, and stays as it is', async (_what, sql) => {
    const target = await world.emptyDatabase();
    await world.query(target, sql);
    const before = await describeDatabase(world, target);
    expect(await failureOf(world.restore(manifest, { target }))).toMatchObject({
      code: 'RESTORE_NOT_EMPTY',
      exitCode: 2,
      hint: expect.stringContaining('--force'),
    });
    expect(await describeDatabase(world, target)).toEqual(before);
  });

  test('but has extensions only, as a hosted server may, is empty', async () => {
    const target = await world.emptyDatabase();
    await world.query(target, 'create extension citext; create extension pg_stat_statements');
    expect((await world.prove(manifest, { target })).findings).toEqual([]);
  });

  test('is emptied with --force, of everything', async () => {
    const target = await world.emptyDatabase();
    await world.query(
      target,
      `create table orders (mine int); create schema app; create type app.mood as enum ('x'); create view v as select 1 as one;
       select lo_from_bytea(0, 'x') from generate_series(1, 2500); drop schema public cascade`,
    );
    const { findings } = await world.prove(manifest, { target, force: true });
    expect(findings).toEqual([]);
    expect(await describeDatabase(world, target)).toEqual(await describeDatabase(world, source));
  });
});

describe('parts of a set', () => {
  test('rows of some tables only: definitions are whole, foreign keys are left out', async () => {
    const { target, result } = await world.restore(manifest, { tables: ['items', 'public.secr?t'] });
    expect(result.rows).toBe(101);
    expect(
      await world.query(
        target,
        `select (select count(*)::int from orders) as orders, (select count(*)::int from items) as items, (select count(*)::int from secret) as secret`,
      ),
    ).toEqual([{ orders: 0, items: 100, secret: 1 }]);
    expect(await world.query(target, `select conname from pg_constraint where contype = 'f'`)).toEqual([]);
    expect(
      await world.query(
        target,
        `select conname from pg_constraint where contype = 'p' and conrelid >= 16384 order by 1`,
      ),
    ).toHaveLength(2);
  });

  test('a pattern that matches nothing is an error before anything happens', async () => {
    const target = await world.emptyDatabase();
    expect(await failureOf(world.restore(manifest, { target, tables: ['items', 'Orders'] }))).toMatchObject({
      code: 'RESTORE_NO_TABLE',
      message: expect.stringMatching(/'Orders'/),
    });
    expect(await describeDatabase(world, target)).toEqual({});
  });
});

test('limits of time that the role has stop neither the backup nor the restore', async () => {
  // It is asked wherever rows are loaded, indexes are built and statistics are made.
  const limited = await world.database(
    'limited',
    `create function unlimited(x int) returns int immutable language plpgsql as $f$ begin
       if exists (select from pg_catalog.pg_settings where name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') and setting <> '0')
       then raise exception 'there is a limit'; end if; return x; end $f$;
     create table t (x int check (unlimited(x) is not null)); insert into t select generate_series(1, 9);
     create index on t (unlimited(x));
     create role hurried superuser login password 'x'; alter role hurried set statement_timeout = '5min';
     alter role hurried set lock_timeout = '5min'; alter role hurried set idle_in_transaction_session_timeout = '5min'`,
  );
  const { manifest: made } = await world.backup(withUser(limited, 'hurried', 'x'));
  const target = withUser(await world.emptyDatabase(), 'hurried', 'x');
  expect(await world.query(target, 'show statement_timeout')).toEqual([{ statement_timeout: '5min' }]);
  expect((await world.prove(made, { target })).findings).toEqual([]);
  expect((await world.prove(made, { target, force: true })).findings).toEqual([]);
});

test('a set of a later major is refused', async () => {
  const later = { ...manifest, database: { ...manifest.database, major: world.server.major + 1 } };
  expect(await failureOf(world.restore(later))).toMatchObject({ code: 'RESTORE_MAJOR', exitCode: 2 });
});

test('tables in a tablespace that the target lacks go to its default one, and it says so', async () => {
  const placed = await world.database('placed');
  const session = await world.connect(placed);
  await session.query('set allow_in_place_tablespaces = true');
  await session.query(`create tablespace fast location ''`);
  await session.query(
    `create table hot (x int primary key using index tablespace fast) tablespace fast; insert into hot values (1)`,
  );
  const made = await world.backup(placed);
  expect(made.manifest.database.tablespaces).toEqual(['fast']);
  const here = await world.prove(made.manifest);
  expect(here.findings).toEqual([]);
  const tablespaces = `select count(*)::int as n from pg_class where reltablespace in (select oid from pg_tablespace where spcname = 'fast')`;
  expect(await world.query(here.target, tablespaces)).toEqual([{ n: 2 }]);
  const context = await world.context();
  const there = await world.prove(made.manifest, { target: await newDatabase(), log: context.log });
  expect(there.findings).toEqual([]);
  expect(context.lines.join('\n')).toMatch(/lacks the tablespaces fast/);
});

test('assertions pass, fail, and fail when they cannot be asked', async () => {
  const { target } = await world.restore(manifest);
  const { assertions, findings } = await world.compare(manifest, target, {
    assertions: [
      { name: 'orders are there', sql: 'select count(*) from orders', expect: 100 },
      { name: 'true is the default', sql: 'select count(*) > 1 from items', expect: true },
      { name: 'text', sql: `select v from orders where id = 7`, expect: 'v7' },
      { name: 'wrong', sql: 'select count(*) from orders', expect: 99 },
      { name: 'no row', sql: 'select v from orders where false', expect: true },
      { name: 'two columns', sql: 'select 1, 2', expect: 1 },
      { name: 'nonsense', sql: 'select nothing from nowhere', expect: true },
      { name: 'null', sql: 'select null', expect: true },
      { name: 'writes', sql: 'delete from orders returning 1', expect: 1 },
      { name: 'another database', sql: 'select 1', expect: 2, database: 'other' },
      { name: 'this database', sql: 'select current_database() is not null', expect: true, database: 'shop' },
    ],
  });
  expect(Object.fromEntries(assertions.map(a => [a.name, a.passed]))).toEqual({
    'orders are there': true,
    'true is the default': true,
    text: true,
    wrong: false,
    'no row': false,
    'two columns': false,
    nonsense: false,
    null: false,
    writes: false,
    'this database': true,
  });
  expect(findings).toHaveLength(6);
  expect(findings.join('\n')).toMatch(/'wrong' returned 100, expected 99/);
  expect(findings.join('\n')).toMatch(/'nonsense' returned an error \(relation "nowhere" does not exist\)/);
  expect(await world.query(target, 'select count(*)::int as n from orders')).toEqual([{ n: 100 }]);
});

describe('a restored database that is not what the snapshot was', () => {
  test.each([
    ['a row too few', 'delete from items where id = 5', /public.items has 99 rows/],
    ['a row too many', `insert into orders (v) values ('x'); `, /public.orders has 101 rows/],
    ['one changed value', `update orders set v = 'V7' where id = 7`, /content of public.orders differs/],
    ['a missing index', 'drop index secret_x_idx', /1 of \d+ indexes are missing.*secret_x_idx/],
    [
      'a missing constraint',
      'alter table items drop constraint items_order_fkey',
      /1 of \d+ constraints.*items_order_fkey/,
    ],
    ['a missing table', 'drop table secret', /public.secret cannot be read/],
    [
      'a sequence that stands elsewhere',
      `select setval('orders_id_seq', 5)`,
      /sequence public.orders_id_seq stands at 5, and stood at 100/,
    ],
    ['a missing sequence', 'drop sequence orders_id_seq cascade', /sequence public.orders_id_seq is missing/],
  ])('%s', async (_what, sql, finding) => {
    const { target } = await world.restore(manifest);
    await world.query(target, sql);
    expect((await world.compare(manifest, target)).findings.join('\n')).toMatch(finding);
  });
});
