import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPgBouncer, startPgBouncer } from '../../services/pgbouncer.ts';
import { expectRefused, filesBelow, Stage } from './stage.ts';

let stage: Stage;
let databaseSet: string;
let filesSet: string;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database('shop', 'create table orders as select i as id from generate_series(1, 100) i');
  await stage.database('full', 'create table precious as select 42 as answer');
  mkdirSync(join(stage.root, 'uploads'));
  writeFileSync(join(stage.root, 'uploads', 'a.jpg'), 'a');
  const env = stage.env('shop', { BACKUP_FILES_PATHS: join(stage.root, 'uploads') });
  databaseSet = await stage.backUp(env);
  filesSet = await stage.backUp(env, 'files');
});
afterAll(() => stage[Symbol.asyncDispose]());

describe('a restore is refused', () => {
  test('into a database that has something; it stays as it was', async () => {
    const env = stage.env('shop', { RESTORE_DATABASE_URL: stage.url('full') });
    const ran = await stage.ops('restore database latest', env);
    expectRefused(ran, 2, 'RESTORE_NOT_EMPTY', /public\.precious/, /--force/);
    expect(await stage.sql(stage.target('full'), 'select answer from precious')).toEqual([{ answer: 42 }]);
  });

  test('into a folder that has something; it stays as it was', async () => {
    const to = join(stage.root, 'occupied');
    mkdirSync(to);
    writeFileSync(join(to, 'precious'), '42');
    const ran = await stage.run(['restore', 'files', 'latest', '--to', to], stage.env('shop'));
    expectRefused(ran, 2, 'RESTORE_NOT_EMPTY', /--force/);
    expect(filesBelow(to)).toEqual(['precious']);
  });

  test('without a place', async () => {
    expectRefused(
      await stage.ops('restore database latest', stage.env('shop')),
      2,
      'USAGE',
      /--to/,
      /RESTORE_DATABASE_URL/,
    );
    expectRefused(await stage.ops('restore files latest', stage.env('shop')), 2, 'USAGE', /--to is missing/);
  });

  test('of tables that the set does not have', async () => {
    const target = await stage.database('some');
    const ran = await stage.run(
      ['restore', 'database', 'latest', '--tables', 'ordres', '--to', target.url],
      stage.env('shop'),
    );
    expectRefused(ran, 2, 'RESTORE_NO_TABLE', /'ordres'/);
  });
});

describe('a set', () => {
  const commands = (id: string) => [
    ['backup', 'verify', id, '--level', 'stored'],
    ['restore', 'database', id, '--to', stage.url('full')],
    ['drill', 'run', '--set', id],
  ];

  test('that does not exist', async () => {
    for (const argv of commands('20200101T000000Z-abcd')) {
      expectRefused(await stage.run(argv, stage.env('shop')), 1, 'SET_UNKNOWN', /20200101T000000Z-abcd/, /backup list/);
    }
  });

  test.each(['20200101', '../../etc/passwd', 'LATEST', databaseLike()])('whose id is malformed: %s', async id => {
    for (const argv of commands(id)) {
      expectRefused(await stage.run(argv, stage.env('shop')), 2, 'SET_ID', /20261123T020000Z-7f3c/);
    }
  });

  test('of the other kind', async () => {
    const to = join(stage.root, 'nowhere');
    expectRefused(
      await stage.run(['restore', 'files', databaseSet, '--to', to], stage.env('shop')),
      1,
      'SET_UNKNOWN',
      new RegExp(databaseSet),
      /database set|restore database/,
    );
    expectRefused(
      await stage.run(['restore', 'database', filesSet, '--to', stage.url('full')], stage.env('shop')),
      1,
      'SET_UNKNOWN',
      new RegExp(filesSet),
      /files set|restore files/,
    );
    expect(filesBelow(to)).toEqual([]);
  });

  test('latest, when there is none', async () => {
    const env = stage.env('shop', { BACKUP_LOCAL_PATH: join(stage.root, 'nothing') });
    expectRefused(await stage.ops('backup verify latest --level stored', env), 1, 'SET_NONE', /ops backup/);
    expect((await stage.ops('backup list', env)).stdout).toMatch('There is no set yet');
  });

  test('latest, when it could be of two sources', async () => {
    const env = stage.env('full');
    await stage.backUp(env);
    expectRefused(
      await stage.ops('backup verify latest --level stored --kind database', env),
      2,
      'SET_AMBIGUOUS',
      /full or shop/,
      /--source/,
    );
    expect((await stage.ops('backup verify latest --source shop --level content', env)).exitCode).toBe(0);
    expectRefused(
      await stage.ops('backup verify latest --level stored --kind database --source nix', env),
      1,
      'SET_NONE',
      /full, shop/,
    );
  });
});

function databaseLike(): string {
  return '20261123T020000Z-7F3C';
}

describe('a dry run writes nothing anywhere', () => {
  test.each([
    'backup database --dry-run',
    'backup files --dry-run',
    'backup all --dry-run',
    'backup prune --dry-run',
    'restore database latest --source shop --dry-run',
    'restore files latest --to elsewhere --dry-run',
  ])('%s', async command => {
    const target = await stage.database(command);
    const env = stage.env('shop', {
      BACKUP_FILES_PATHS: join(stage.root, 'uploads'),
      RESTORE_DATABASE_URL: target.url,
    });
    const had = filesBelow(stage.root);
    const ran = await stage.ops(command, env);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toMatch(/[Ww]ould/);
    expect(filesBelow(stage.root)).toEqual(had);
    expect(await stage.sql(target, `select relname from pg_class where relnamespace = 'public'::regnamespace`)).toEqual(
      [],
    );
  });
});

describe.skipIf(!hasPgBouncer)('a pooler in transaction mode', () => {
  test('is refused with the way to the direct endpoint, and nothing is sent', async () => {
    const had = filesBelow(stage.destination);
    const pooler = await startPgBouncer(
      { ...stage.server.target, database: 'shop' },
      { mode: 'transaction', roundRobin: true },
    );
    try {
      const ran = await stage.ops('backup database', stage.env('shop', { DATABASE_URL: pooler.target.url }));
      expectRefused(ran, 1, 'PG_POOLER', /direct endpoint/);
      expect(filesBelow(stage.destination)).toEqual(had);
    } finally {
      await pooler.stop();
    }
  });
});
