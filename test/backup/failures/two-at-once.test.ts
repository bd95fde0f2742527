import type { ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectRefused, filesBelow, Stage, whenSeen } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database(
    'shop',
    `create table audit as select i as id, repeat(md5(i::text), 12) as note from generate_series(1, 30000) i`,
  );
  await stage.database('other', 'create table t as select 1 as a');
});
afterAll(() => stage[Symbol.asyncDispose]());

/** The id of a run that has declared itself. */
const declaredId = () =>
  filesBelow(join(stage.destination, 'pending', 'database'))
    .find(file => /^[^/.]+Z-[0-9a-f]{4}\.json$/.test(file))
    ?.slice(0, -5);

const isDeclared = () => declaredId() !== undefined;

const has = (start: string) => filesBelow(stage.destination).some(file => file.startsWith(start));

/** Holds a run at a moment, so that what is done meanwhile is done meanwhile on a slow machine and on a fast one. */
async function whileHeld<T>(child: ChildProcess, isThere: () => boolean, work: () => Promise<T>): Promise<T> {
  expect(await whenSeen(isThere, child)).toBe(true);
  child.kill('SIGSTOP');
  try {
    return await work();
  } finally {
    child.kill('SIGCONT');
  }
}

describe('two runs at once', () => {
  test('of one database: the younger steps back, and says who runs', async () => {
    const env = stage.env('shop');
    const { child, ended } = stage.start('backup database', env);
    const second = await whileHeld(
      child,
      () => has('parts/'),
      () => stage.ops('backup database', env),
    );
    expectRefused(second, 1, 'BACKUP_RUNNING', `process ${child.pid}`, /Wait for it/);
    expect((await ended).exitCode).toBe(0);
    await stage.expectOnlyWholeSets(env);
    stage.expectNothingOrphaned();
  });

  test('of two databases do not mind each other', async () => {
    const { child, ended } = stage.start('backup database', stage.env('shop', { BACKUP_JOBS: '1' }));
    await whileHeld(child, isDeclared, () => stage.backUp(stage.env('other')));
    expect(child.exitCode).toBe(null);
    expect((await ended).exitCode).toBe(0);
    await stage.expectOnlyWholeSets(stage.env('shop'));
  });

  test('started together never make a broken set', async () => {
    const env = stage.env('shop');
    const runs = await Promise.all([1, 2, 3].map(() => stage.start('backup database', env).ended));
    const codes = runs.map(run => run.exitCode);
    expect(codes).toContain(0);
    for (const run of runs) if (run.exitCode !== 0) expectRefused(run, 1, 'BACKUP_RUNNING');
    await stage.expectOnlyWholeSets(env);
    stage.expectNothingOrphaned();
  });

  test('in one process, through the library, are told apart as well', async () => {
    const env = stage.env('shop');
    const [a, b] = await Promise.all([stage.ops('backup database', env), stage.ops('backup database', env)]);
    expect([a, b].map(run => run.exitCode)).toContain(0);
    await stage.expectOnlyWholeSets(env);
    stage.expectNothingOrphaned();
  });

  test('while one prunes: what the running one needs stays', async () => {
    await stage.sql(
      stage.target('shop'),
      'insert into audit select i, md5(random()::text) from generate_series(1, 20000) i',
    );
    const env = stage.env('shop');
    const prune = async () => expect((await stage.ops('backup prune', env)).exitCode).toBe(0);
    const { child, ended } = stage.start('backup database', env);
    let id: string | undefined;
    await whileHeld(child, isDeclared, async () => {
      id = declaredId();
      await prune();
    });
    await whileHeld(child, () => has(`parts/database/${id}/`), prune);
    while (child.exitCode === null) await prune();
    expect((await ended).exitCode).toBe(0);
    await stage.expectOnlyWholeSets(env);
    stage.expectNothingOrphaned();
  });
});

describe('a declaration that another machine has left', () => {
  function declare(aliveSecondsAgo: number, more: object = {}): string {
    const at = new Date(Date.now() - aliveSecondsAgo * 1000).toISOString();
    const id = '20260101T000000Z-abcd';
    const run = { id, kind: 'database', source: 'shop', baseId: null, startedAt: at, aliveAt: at, pid: 1, ...more };
    for (const folder of ['pending/database', `parts/database/${id}`, `sets/database/${id}`]) {
      mkdirSync(join(stage.destination, folder), { recursive: true });
    }
    writeFileSync(join(stage.destination, `parts/database/${id}/rows-00001.sql.zst.age`), 'half');
    writeFileSync(join(stage.destination, `parts/database/${id}/.tmp-9e7b6f0a`), 'half of a half');
    writeFileSync(join(stage.destination, `sets/database/${id}/RESTORE.md`), 'half');
    writeFileSync(
      join(stage.destination, `pending/database/${id}.json`),
      JSON.stringify({ host: 'elsewhere', machine: 'elsewhere', ...run }),
    );
    return id;
  }

  test('two minutes ago blocks, and says when it counts as dead', async () => {
    declare(120);
    const ran = await stage.ops('backup database', stage.env('shop'));
    expectRefused(ran, 1, 'BACKUP_RUNNING', /elsewhere, process 1; last sign of life 2 min/, /dead 5 minutes after/);
    expect(filesBelow(stage.destination).filter(file => file.includes('20260101T000000Z-abcd'))).toHaveLength(4);
  });

  test('of another database blocks nothing', async () => {
    declare(120, { source: 'other' });
    await stage.backUp(stage.env('shop'));
    expect(filesBelow(stage.destination).filter(file => file.includes('20260101T000000Z-abcd'))).toHaveLength(4);
  });

  test('six minutes ago is cleared, with all that it had sent', async () => {
    const id = declare(360);
    const ran = await stage.ops('backup database', stage.env('shop'));
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(ran.stderr).toMatch(`removed 2 objects of set ${id}, whose run died`);
    stage.expectNothingOrphaned();
  });

  test('with the name and a process number of this machine is not taken for one of ours', async () => {
    const { hostname } = await import('node:os');
    // Hosted runners are copies of one image: same name, and the process number means nothing here.
    declare(60, { host: hostname(), pid: 4_000_000 });
    expectRefused(await stage.ops('backup database', stage.env('shop')), 1, 'BACKUP_RUNNING');
    declare(360, { host: hostname(), pid: 4_000_000 });
    await stage.backUp(stage.env('shop'));
    stage.expectNothingOrphaned();
  });

  test('that is taken for dead while it lives notices before it writes a manifest without parts', async () => {
    const env = stage.env('shop', { BACKUP_AGE_RECIPIENTS: undefined });
    const { child, ended } = stage.start('backup database', env);
    // What another machine does that believes it dead.
    await whileHeld(
      child,
      () => isDeclared() && has(`parts/database/${declaredId()}/`),
      async () => rmSync(join(stage.destination, 'pending'), { recursive: true }),
    );
    expectRefused(await ended, 1, 'BACKUP_LOST', /took set .* for dead/);
    stage.expectNothingOrphaned();
  });
});
