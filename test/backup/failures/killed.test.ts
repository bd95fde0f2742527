import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFtpServer } from '../../services/ftp.ts';
import { requireService } from '../../services/requirements.ts';
import { filesBelow, Stage, whenSeen } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database(
    'shop',
    `create table audit as select i as id, repeat(md5(i::text), 12) as note from generate_series(1, 15000) i;
     create table orders (id int primary key, total numeric);
     insert into orders select i, i * 1.5 from generate_series(1, 500) i;
     create view big as select * from orders where total > 100;
     create index on audit (id);`,
  );
  // A set to build on, so that the killed runs share parts.
  await stage.backUp(stage.env('shop'));
});
afterAll(() => stage[Symbol.asyncDispose]());

/** The id of the run that has declared itself. */
function pendingId(folder = stage.destination): string | undefined {
  const pending = join(folder, 'pending', 'database');
  const name = existsSync(pending) ? readdirSync(pending).find(file => file.endsWith('.json')) : undefined;
  return name?.slice(0, -5);
}

function partsOf(id: string | undefined): string[] {
  const folder = join(stage.destination, 'parts', 'database', id ?? 'none');
  return id && existsSync(folder) ? readdirSync(folder).filter(name => !name.startsWith('.tmp-')) : [];
}

const has = (...path: string[]) => existsSync(join(stage.destination, ...path));

/** New rows each time, so that each run has something to send. */
async function trade(): Promise<void> {
  await stage.sql(
    stage.target('shop'),
    `insert into audit select i, repeat(md5(random()::text), 12) from generate_series(1, 3000) i;
     update orders set total = total + 1 where id % 7 = 0`,
  );
}

async function killWhen(isSeen: () => boolean): Promise<{ wasKilled: boolean }> {
  await trade();
  const { child, ended } = stage.start('backup database', stage.env('shop'));
  const seen = await whenSeen(isSeen, child);
  // Stopped first: what is on the disk now is what the kill leaves.
  child.kill('SIGSTOP');
  child.kill('SIGKILL');
  const { exitCode } = await ended;
  return { wasKilled: seen && exitCode !== 0 };
}

async function expectRecovery(): Promise<void> {
  const env = stage.env('shop');
  const before = await stage.expectOnlyWholeSets(env);
  const id = await stage.backUp(env);
  const after = await stage.expectOnlyWholeSets(env);
  expect(after).toEqual([id, ...before]);
  stage.expectNothingOrphaned();
}

describe('a backup that is killed leaves nothing that is listed and not whole, and the next one clears up', () => {
  const stages: Record<string, () => boolean> = {
    'it has declared itself': () => pendingId() !== undefined,
    'a part is half sent': () => {
      const id = pendingId();
      const folder = join(stage.destination, 'parts', 'database', id ?? 'none');
      return id !== undefined && existsSync(folder) && readdirSync(folder).some(name => name.startsWith('.tmp-'));
    },
    'the first part is there': () => partsOf(pendingId()).length >= 1,
    'the second part is there': () => partsOf(pendingId()).length >= 2,
    'rows and definitions are there': () => {
      const parts = partsOf(pendingId()).join();
      return parts.includes('rows-') && parts.includes('schema.dump');
    },
    'the evidence, its last part, is there': () => partsOf(pendingId()).some(name => name.startsWith('evidence')),
    'RESTORE.md is there': () => has('sets', 'database', pendingId() ?? 'none', 'RESTORE.md'),
    'the checksums are there': () => has('sets', 'database', pendingId() ?? 'none', 'SHA256SUMS'),
  };
  test.each(Object.entries(stages))('when %s', async (_when, isSeen) => {
    await killWhen(isSeen);
    await expectRecovery();
  });

  test('at moments that nobody chose', async () => {
    let killed = 0;
    for (let i = 0; i < 8; i++) {
      await trade();
      const { child, ended } = stage.start('backup database', stage.env('shop'));
      const isOver = () => child.exitCode !== null;
      await whenSeen(() => pendingId() !== undefined || isOver());
      // The one place with a timer: any moment will do.
      await wait(Math.random() * 400);
      child.kill('SIGKILL');
      const { exitCode } = await ended;
      if (exitCode !== 0) killed++;
      await stage.expectOnlyWholeSets(stage.env('shop'));
    }
    expect(killed).toBeGreaterThan(3);
    await expectRecovery();
  });

  test('after its manifest, before it has withdrawn: the set is whole and stays', async () => {
    const env = stage.env('shop');
    const id = await stage.backUp(env);
    // What such a kill leaves: the whole set, and a declaration of a process that is no more.
    const { child, ended } = stage.start('--help', env);
    await ended;
    const folder = join(stage.destination, 'pending', 'database');
    const run = {
      id,
      kind: 'database',
      source: 'shop',
      baseId: null,
      host: hostname(),
      machine: `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/none`,
      pid: child.pid,
      startedAt: new Date(Date.now() - 600_000).toISOString(),
      aliveAt: new Date(Date.now() - 600_000).toISOString(),
    };
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${id}.json`), JSON.stringify(run));
    const next = await stage.ops('backup database', env);
    expect(next).toMatchObject({ exitCode: 0 });
    expect(next.stderr).toMatch(`set ${id} was whole although its run died`);
    expect(await stage.expectOnlyWholeSets(env)).toContain(id);
    stage.expectNothingOrphaned();
  });
});

requireService('ftp')('a backup to two destinations', () => {
  test('killed between their manifests: one has the set, and the next run gives both a whole one', async () => {
    const ftp = await startFtpServer();
    stage.secret(ftp.password);
    try {
      const env = stage.env('shop', { BACKUP_FTP_URL: ftp.url });
      await stage.backUp(env);
      await trade();
      const { child, ended } = stage.start('backup database', env);
      const id = () => pendingId() ?? 'none';
      await whenSeen(() => existsSync(join(ftp.folder, 'sets', 'database', id(), 'RESTORE.md')), child);
      ftp.freeze(true);
      const dead = id();
      await whenSeen(() => has('sets', 'database', dead, 'manifest.json'), child);
      child.kill('SIGKILL');
      await ended;
      ftp.freeze(false);
      expect(filesBelow(ftp.folder)).not.toContain(`sets/database/${dead}/manifest.json`);
      const list = await stage.report('backup list', env);
      const where = (list.data as { sets: { id: string; storage: string }[] }).sets.filter(set => set.id === dead);
      expect(where.map(set => set.storage)).toEqual([`local:${stage.destination}`]);
      await stage.expectOnlyWholeSets(env);
      const next = await stage.backUp(env);
      expect(filesBelow(ftp.folder)).toContain(`sets/database/${next}/manifest.json`);
      stage.expectNothingOrphaned(ftp.folder);
      stage.expectNothingOrphaned();
    } finally {
      await ftp.stop();
    }
  });
});

describe('a restore that is killed', () => {
  test.each([
    ['the first rows are in', `select count(*) > 0 as yes from pg_stat_activity where query like 'COPY%'`],
    ['a table is there', `select count(*) > 0 as yes from pg_class where relname = 'orders'`],
  ])('when %s is done again with --force', async (when, question) => {
    const name = `again_${when.length}`;
    const target = await stage.database(name);
    const env = stage.env('shop', { RESTORE_DATABASE_URL: target.url });
    const { child, ended } = stage.start('restore database latest', env);
    const client = await stage.ask(target);
    try {
      for (let yes = false; !yes && child.exitCode === null; ) yes = (await client(question))[0]!.yes as boolean;
    } finally {
      child.kill('SIGKILL');
      await client.end();
    }
    await ended;
    const second = await stage.ops('restore database latest --force', env);
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    const count = 'select count(*)::int as rows from audit';
    expect(await stage.sql(target, count)).toEqual(await stage.sql(stage.target('shop'), count));
  });

  test('of files is done again with --force', async () => {
    const uploads = join(stage.root, 'uploads');
    mkdirSync(uploads);
    for (let i = 0; i < 300; i++) writeFileSync(join(uploads, `photo ${i}.jpg`), Buffer.alloc(20_000, i));
    const env = stage.env('shop', { BACKUP_FILES_PATHS: uploads });
    await stage.backUp(env, 'files');
    const to = join(stage.root, 'restored');
    const { child, ended } = stage.start(`restore files latest --to ${to}`, env);
    await whenSeen(() => filesBelow(to).length > 0, child);
    child.kill('SIGKILL');
    await ended;
    const second = await stage.ops(`restore files latest --force --to ${to}`, env);
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    expect(filesBelow(join(to, 'uploads'))).toEqual(filesBelow(uploads));
    await rm(uploads, { recursive: true });
  });
});
