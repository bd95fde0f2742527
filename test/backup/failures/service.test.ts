import { join } from 'node:path';
import { backupService, createBackupService, OpsError } from 'production-ops';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Stage } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database('shop', 'create table orders as select i as id from generate_series(1, 100) i');
});
afterAll(() => stage[Symbol.asyncDispose]());

const service = (more = {}) => createBackupService({ env: stage.env('shop', more), cwd: stage.work });

describe('the backup as a library', () => {
  test('makes a set, lists it, verifies it, proves it and restores it', async () => {
    const made = await service().backupDatabase();
    const { id } = made.sets[0]!;
    expect(made.sets[0]).toMatchObject({ source: 'shop', rows: 100, isEncrypted: true });
    expect(await service().history()).toMatchObject([{ id, source: 'shop', verdict: null, problem: null }]);
    expect(await service().verify(id)).toMatchObject({ verdict: 'WHOLE', level: 'content', findings: [] });
    expect(await service().verify('latest', { level: 'stored' })).toMatchObject({ verdict: 'WHOLE', set: { id } });
    expect(await service().drill()).toMatchObject({ verdict: 'PROVED', findings: [] });
    const target = await stage.database('restored');
    expect(await service().restoreDatabase(id, { to: target.url })).toMatchObject({ rows: 100, set: { id } });
    expect(await stage.sql(target, 'select count(*)::int as rows from orders')).toEqual([{ rows: 100 }]);
  });

  test('counts one set at one destination once, and knows which was proved', async () => {
    const [proved] = await service().history();
    await stage.sql(stage.target('shop'), 'insert into orders values (101)');
    const { sets } = await service().backupDatabase();
    const stats = await service().stats();
    expect(stats).toMatchObject({
      sets: 2,
      sources: [{ kind: 'database', source: 'shop', sets: 2, newestId: sets[0]!.id, newestProvedId: proved!.id }],
    });
    expect(stats.sources[0]!.newestAgeSeconds).toBeGreaterThanOrEqual(0);
    expect(stats.sources[0]!.newestProvedAgeSeconds!).toBeGreaterThan(stats.sources[0]!.newestAgeSeconds);
    expect(stats.sentBytes).toBeGreaterThan(0);
  });

  test('throws what the command line prints', async () => {
    const target = stage.url('shop');
    await expect(service().restoreDatabase('latest', { to: target })).rejects.toMatchObject({
      code: 'RESTORE_NOT_EMPTY',
      exitCode: 2,
    });
    await expect(service().restoreDatabase('20200101T000000Z-0000', { to: target })).rejects.toMatchObject({
      code: 'SET_UNKNOWN',
    });
    await expect(service().verify('nonsense')).rejects.toBeInstanceOf(OpsError);
    await expect(service({ DATABASE_URL: undefined }).backupDatabase()).rejects.toMatchObject({
      code: 'CONFIG_MISSING_VALUE',
    });
    await expect(service().backupFiles()).rejects.toMatchObject({ code: 'CONFIG_MISSING_VALUE' });
  });

  test('is empty where there is nothing', async () => {
    const nothing = service({ BACKUP_LOCAL_PATH: join(stage.root, 'nothing') });
    expect(await nothing.history()).toEqual([]);
    expect(await nothing.stats()).toEqual({ sets: 0, sentBytes: 0, sources: [] });
  });

  test('the ready-made one reads the environment when it is called, not when it is imported', async () => {
    const before = { ...process.env };
    try {
      Object.assign(process.env, stage.env('shop'));
      expect(await backupService.history()).toHaveLength(2);
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
      Object.assign(process.env, before);
    }
  });
});
