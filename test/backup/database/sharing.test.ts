import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generateIdentity, recipientOf } from '../../../actions/lib/age/index.ts';
import { canCompare, type SnapshotPoint } from '../../../actions/lib/backup/database/unchanged.ts';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { type PostgresTarget, quoteIdent } from '../../../actions/lib/postgres/index.ts';
import { createLocalStorage } from '../../../actions/lib/storage/index.ts';
import { type BackupOptions, sentBytes, type World } from '../harness.ts';
import { content } from './reference.ts';
import { openSharingWorld, reusedParts, type SharingWorld } from './sharing-fixture.ts';

let sharing: SharingWorld;
let world: World;
beforeAll(async () => {
  sharing = await openSharingWorld();
  world = sharing.world;
});
afterAll(() => world?.close());

test('what must be sent again although no row version changed', async () => {
  const cases = {
    'a column dropped and added again under its name': [
      'x int default 5',
      (t: string) => `alter table ${t} drop column x; alter table ${t} add column x int default 6`,
    ],
    'a renamed label of an enum': [`x mood default 'ok'`, () => `alter type mood rename value 'ok' to 'fine'`],
    'a renamed label inside an array of a domain': [
      `x moods default '{gone}'`,
      () => `alter type second_mood rename value 'gone' to 'left'`,
    ],
    'an attribute added to a composite two levels down': [
      `x pair default row(row('sad', 1)::inner_pair, 'x')::pair`,
      () => 'alter type inner_pair add attribute more int',
    ],
    'an attribute dropped from a composite': [`x one default row(1, 2)::one`, () => 'alter type one drop attribute a'],
    'a type changed without a rewrite': [
      'x numeric(4,2) default 1',
      (t: string) => `alter table ${t} alter x type numeric(14,2)`,
    ],
    'a name that regclass prints': [
      `x regclass default 'small_a'::regclass`,
      () => 'alter table small_a rename to small_c',
    ],
    'a name inside a domain in a composite': [
      `x holds default row('small_b')::holds`,
      () => 'alter table small_b rename to small_d',
    ],
    'a role inside an aclitem': [
      `x aclitem[] default '{sharing_role=r/postgres}'`,
      () => 'alter role sharing_role rename to sharing_renamed',
    ],
    'nothing at all': ['x int default 5', () => 'select 1'],
  } as const;
  const source = await sharing.copyOfTemplate();
  await world.query(
    source,
    `create role sharing_role; create type second_mood as enum ('gone'); create domain moods_again as second_mood[]; drop domain if exists moods cascade;
     alter domain moods_again rename to moods; create domain rel as regclass; create type holds as (r rel); create type one as (a int, b int);`,
  );
  const names = Object.keys(cases);
  for (const [name, [column]] of Object.entries(cases)) {
    const table = quoteIdent(name);
    await world.query(
      source,
      `create table ${table} (id int, pad text, ${column}); insert into ${table} (id, pad) select g, repeat('x', 100) from generate_series(1, 9000) g`,
    );
  }
  await sharing.backup(source);
  for (const [name, [, change]] of Object.entries(cases)) await world.query(source, change(quoteIdent(name)));
  const second = await sharing.backup(source);
  const sentAgain = names.filter(name =>
    second.parts.some(
      part => !part.isReused && part.slices?.some(slice => second.database.tables[slice.table]!.name === name),
    ),
  );
  expect(sentAgain).toEqual(names.filter(name => name !== 'nothing at all'));
  await sharing.expectExact(source, second);
});

describe('what a second set sends', () => {
  let source: PostgresTarget;
  let first: DatabaseManifest;
  let storage: World['storage'];
  let folder: string;
  beforeEach(async () => {
    source = await sharing.copyOfTemplate();
    folder = join(world.folder, source.database);
    storage = createLocalStorage({ path: folder });
    first = await sharing.backup(source, { storages: [storage] });
  });
  const next = (options: BackupOptions = {}) => sharing.backup(source, { storages: [storage], ...options });

  test('nothing of an unchanged database but definitions and evidence', async () => {
    const second = await next();
    expect(second.baseId).toBe(first.id);
    expect(sentBytes(second, 'rows')).toBe(0);
    expect(
      second.parts
        .filter(part => !part.isReused)
        .map(part => part.role)
        .sort(),
    ).toEqual(['evidence', 'roles', 'schema']);
    expect(sentBytes(second)).toBeLessThan(sentBytes(first) / 5);
    expect(second.database.tables.map(table => table.rows)).toEqual(first.database.tables.map(table => table.rows));
  });

  test('only the tail of a table that was appended to', async () => {
    await world.query(source, `insert into t (id, v) select 30000 + g, 'tail' from generate_series(1, 240) g`);
    const second = await next();
    const sent = second.parts.filter(part => part.role === 'rows' && !part.isReused);
    expect(sent.length).toBeGreaterThanOrEqual(1);
    expect(sent.length).toBeLessThanOrEqual(3);
    expect(sentBytes(second, 'rows')).toBeLessThan(sentBytes(first, 'rows') * 0.1);
    const { findings } = await world.prove(second, { storage });
    expect(findings).toEqual([]);
  });

  test('everything, when the recipients have changed', async () => {
    const other = await recipientOf(await generateIdentity());
    const second = await next({ env: { BACKUP_AGE_RECIPIENTS: other } });
    expect(second.baseId).toBeNull();
    expect(reusedParts(second)).toBe(0);
    const third = await next({ env: { BACKUP_AGE_RECIPIENTS: undefined } });
    expect(third.baseId).toBeNull();
    expect(third.parts.every(part => !part.isEncrypted)).toBe(true);
  });

  test('everything again after fullEveryDays, and not before', async () => {
    const config = { backup: { database: { fullEveryDays: 3 } } };
    const passed = (hours: number) => ({ config, now: () => new Date(Date.now() + hours * 3_600_000) });
    const second = await next(passed(70));
    expect([second.baseId, second.database.fullSetId]).toEqual([first.id, first.id]);
    const third = await next(passed(73));
    expect([third.baseId, third.database.fullSetId, reusedParts(third)]).toEqual([null, third.id, 0]);
  });

  test('everything, when a part of the former set is gone at one of two places', async () => {
    const second = createLocalStorage({ path: `${folder}-second` });
    const both = { storages: [storage, second] };
    const full = await next(both);
    expect(full.baseId).toBeNull(); // the second place has nothing yet
    expect((await next(both)).baseId).toBe(full.id);
    const victim = full.parts.find(part => part.role === 'rows')!;
    await rm(join(`${folder}-second`, victim.key));
    const lines: string[] = [];
    const made = await next({ ...both, lines });
    expect([made.baseId, reusedParts(made)]).toEqual([null, 0]);
    expect(lines.join('\n')).toContain(victim.key);
  });

  test('everything of a database that was dropped and made again under its name', async () => {
    await world.query(world.server.target, `drop database ${source.database}`);
    await world.query(world.server.target, `create database ${source.database} template template`);
    const second = await next();
    expect(reusedParts(second)).toBe(0);
    expect(second.database.fullSetId).toBe(second.id);
  });

  test('as many other rows in the place of removed ones', async () => {
    await world.query(source, 'delete from t where id between 100 and 140');
    await world.query(source, 'vacuum t');
    const before = await next();
    await world.query(source, `insert into t (id, v) select 30000 + g, 'in their place' from generate_series(1, 40) g`);
    await world.query(source, 'delete from t where id between 141 and 180');
    await world.query(source, `update small_a set v = 'changed' where id = 5`);
    const after = await next();
    expect(after.baseId).toBe(before.id);
    expect(reusedParts(after)).toBeGreaterThan(10);
    const { target, findings } = await world.prove(after, { storage });
    expect(findings).toEqual([]);
    expect(await content(world, target)).toEqual(await content(world, source));
  });

  test('parts of the first set live on in the third', async () => {
    await world.query(source, `update t set v = 'x' where id = 1`);
    const second = await next();
    await world.query(source, `update t set v = 'y' where id = 23000`);
    const third = await next();
    expect(third.baseId).toBe(second.id);
    const owners = new Set(third.parts.filter(part => part.role === 'rows').map(part => part.key.split('/')[2]));
    expect(owners).toEqual(new Set([first.id, second.id, third.id]));
    expect((await world.prove(third, { storage })).findings).toEqual([]);
  });
});

describe('whether two snapshots can be compared', () => {
  const then: SnapshotPoint = { systemIdentifier: '7', timeline: 1, databaseOid: '5', snapshotXmin: 1000n };
  const now = { ...then, snapshotXmin: 2000n, nextXid: 2100n };
  for (const [why, former, later, expected] of [
    ['the same server, later', then, now, true],
    ['at the same moment', then, { ...now, snapshotXmin: 1000n, nextXid: 1000n }, true],
    ['another server', then, { ...now, systemIdentifier: '8' }, 'it is of another server'],
    ['a server that does not say', { ...then, systemIdentifier: null }, now, 'the server does not tell its identity'],
    ['after a failover', then, { ...now, timeline: 2 }, 'the server was recovered or failed over'],
    [
      'a timeline that is not known',
      { ...then, timeline: null },
      { ...now, timeline: null },
      'the server was recovered or failed over',
    ],
    ['another database', then, { ...now, databaseOid: '6' }, 'the database was made anew'],
    ['ids that went back', then, { ...now, snapshotXmin: 999n, nextXid: 5000n }, 'transaction ids went back'],
    ['one id before half the circle', then, { ...now, nextXid: 1000n + 2n ** 31n - 1n }, true],
    ['half the circle', then, { ...now, nextXid: 1000n + 2n ** 31n }, 'more than 2^31 transactions lie between'],
    [
      'an id that is no transaction, an epoch later',
      { ...then, snapshotXmin: 2n ** 32n + 2n },
      { ...now, snapshotXmin: 2n ** 32n + 9n, nextXid: 2n ** 32n + 9n },
      'transaction ids are wrapping round',
    ],
  ] as const) {
    test(why, () => expect(canCompare(former, later)).toBe(expected));
  }
});
