import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { cp, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planArchivePrune, pruneArchives } from '../../../actions/lib/backup/archives/index.ts';
import { type ArchiveManifest, archiveManifestSchema } from '../../../actions/lib/backup/index.ts';
import { pruneMessage } from '../../../actions/lib/database/cleanup/checks.ts';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import type { Check } from '../../../actions/lib/reports/index.ts';
import type { Storage } from '../../../actions/lib/storage/index.ts';
import { filesBelow, Stage, whenTrue } from '../../backup/failures/stage.ts';
import { failureOf, openWorld, type World } from '../../backup/harness.ts';
import { type CleanupGiven, clean, events, old } from './stage.ts';

const run = promisify(execFile);
let world: World;
let count = 0;
beforeAll(async () => {
  world = await openWorld({ settings: { autovacuum: false } });
});
afterAll(() => world?.close());

const database = (sql: string) => world.database(`archived_${++count}`, sql);
const archived = { ...old, archive: true };
const destination = (name: string) => ({ kind: 'local' as const, path: join(world.folder, name) });

const shop = `
  create table orders (id bigint generated always as identity primary key, at timestamptz not null, total numeric,
                       doubled numeric generated always as (total * 2) stored, note text);
  create table lines (order_id bigint references orders on delete cascade, n int, note text, primary key (order_id, n));
  create index on orders (at);
  insert into orders (at, total, note)
    select '2001-01-01'::timestamptz + n * interval '1 microsecond', n / 7.0, E'tab\\t line\\n \\\\ “x” ' || n from generate_series(1, 1200) n;
  insert into lines select o, n, case when n = 1 then null else 'line' end from generate_series(1, 1200) o, generate_series(1, 2) n;`;
const content = `select (select md5(string_agg(o::text, '|' order by id)) from orders o) as orders,
                        (select md5(string_agg(l::text, '|' order by order_id, n)) from lines l) as lines`;

describe('rows are archived before they are deleted', () => {
  test('with those that CASCADE takes along, and stock tools put all of them back', async () => {
    const target = await database(shop);
    const before = await world.query(target, content);
    const { data } = await clean(world, target, [{ table: 'orders', column: 'at', olderThan: '90d', batchRows: 500 }]);
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 1200, cascadedRows: 2400 });
    expect(data.archive).toMatchObject({ isEncrypted: true, destinations: [world.storage.name] });
    expect(await world.query(target, 'select from orders')).toEqual([]);
    const folder = join(world.backups, data.archive!.folder);
    const manifests = await manifestsIn(folder);
    expect(sum(manifests, 'orders')).toBe(1200);
    expect(sum(manifests, 'lines')).toBe(2400);
    for (const { part } of manifests) {
      const stored = await readFile(join(world.backups, part.key));
      expect(stored.length).toBe(part.storedBytes);
      expect(createHash('sha256').update(stored).digest('hex')).toBe(part.storedSha256);
    }
    await restoreByDocument(folder, target);
    expect(await world.query(target, content)).toEqual(before);
    // What is there already stays as it is.
    await restoreByDocument(folder, target);
    expect(await world.query(target, content)).toEqual(before);
  });

  test('without recipients: not encrypted, and unpacked again to be sure', async () => {
    const target = await database(events(900, 1000));
    const { data } = await clean(world, target, [archived], { env: { BACKUP_AGE_RECIPIENTS: undefined } });
    expect(data.archive).toMatchObject({ isEncrypted: false });
    const folder = join(world.backups, data.archive!.folder);
    await restoreByDocument(folder, target);
    expect(await world.query(target, 'select count(*)::int as n from events')).toEqual([{ n: 1000 }]);
  });

  test('a destination that cannot take them: nothing of that rule is deleted, nothing is left in the others, and other rules are followed', async () => {
    const target = await database(`${events()} create table visits (at timestamptz not null);
      insert into visits select now() - n * interval '1 day' from generate_series(1, 100) n;`);
    // A file where the folder of the archives should be.
    await writeFile(join(world.folder, 'blocked'), '');
    const rules = [archived, { ...old, table: 'visits', olderThan: '30d' }];
    const { data, checks } = await clean(world, target, rules, {
      config: { backup: { destinations: [destination('other'), destination('blocked/x')] } },
      cleanup: { keepArchives: '1d' },
      env: { BACKUP_LOCAL_PATH: undefined },
    });
    const byTable = Object.fromEntries(data.rules.map(rule => [rule.table, rule]));
    expect(byTable['public.events']).toMatchObject({ status: 'failed', code: 'ARCHIVE_FAILED', deletedRows: 0 });
    expect(byTable['public.events']!.message).toContain(
      `could not be archived in local:${join(world.folder, 'blocked')}`,
    );
    expect(byTable['public.visits']).toMatchObject({ status: 'done', deletedRows: 71 });
    expect(checks.map(check => [check.target, check.status])).toContainEqual(['public.events', 'critical']);
    expect(filesBelow(join(world.folder, 'other')).filter(file => !file.endsWith('RESTORE.md'))).toEqual([]);
    expect(await world.query(target, 'select count(*)::int as n from events')).toEqual([{ n: 5000 }]);
    // What went wrong must not cost what is left of earlier runs.
    expect(data).toMatchObject({ archive: null, pruned: [] });
  });

  test('no destination at all is an error before anything is deleted', async () => {
    const target = await database(events());
    const error = await failureOf(clean(world, target, [old, archived], { env: { BACKUP_LOCAL_PATH: undefined } }));
    expect(error).toMatchObject({
      code: 'CONFIG_MISSING_VALUE',
      exitCode: 2,
      hint: expect.stringContaining('archive: false'),
    });
    expect(await world.query(target, 'select count(*)::int as n from events')).toEqual([{ n: 5000 }]);
  });
});

describe('archives that are older than they are kept', () => {
  /** Archived long ago, as far as anybody can tell. @returns the folder */
  async function age(target: PostgresTarget, id: string, config: CleanupGiven['config'] = {}): Promise<string> {
    const { data } = await clean(world, target, [archived], { config });
    const folder = join(world.backups, 'archives', id);
    await rename(join(world.backups, data.archive!.folder), folder);
    await world.query(
      target,
      "insert into events select n, now() - interval '365 days', 'debug', '' from generate_series(9001, 9005) n",
    );
    return folder;
  }

  /** One archive under each of these names. */
  async function aged(target: PostgresTarget, ids: string[]): Promise<string[]> {
    const [first, ...others] = ids as [string, ...string[]];
    const folder = await age(target, first);
    for (const id of others) await cp(folder, join(folder, '..', id), { recursive: true });
    return ids.map(id => join(folder, '..', id));
  }

  test('go at the end of a run, those of this database alone, and nothing that is not ours', async () => {
    const [target, other] = [await database(events(100, 200)), await database(events(100, 200))];
    const gone = await age(target, '20200101T000000Z-0001');
    const foreign = await age(other, '20200101T000000Z-0002');
    const namesake = await age(target, '20200101T000000Z-0004', { platform: 'the other shop' });
    const unsaid = await age(target, '20200101T000000Z-0005');
    await editManifests(unsaid, ({ platform: _, ...manifest }) => manifest);
    await writeFile(join(gone, 'notes.txt'), 'of a person');
    const before = filesBelow(world.backups);

    const planned = await clean(world, target, [archived], { cleanup: { keepArchives: '30d' }, dryRun: true });
    expect(planned.data.pruned).toMatchObject([{ destination: world.storage.name, runs: 1, problem: null }]);
    const ofArchives = (checks: Check[]) => checks.find(check => check.id === 'database.cleanup.archives');
    expect(ofArchives(planned.checks)?.message).toMatch(/^1 archive \(.*\) older than they are kept would be removed/);
    expect(planned.checks.map(check => check.message)).toContain('Nothing was deleted, so there is nothing to vacuum');
    expect(filesBelow(world.backups)).toEqual(before);

    const { data, checks } = await clean(world, target, [archived], { cleanup: { keepArchives: '30d' } });
    expect(data.pruned).toEqual(planned.data.pruned);
    expect(data.pruned[0]!.bytes).toBeGreaterThan(0);
    expect(ofArchives(checks)).toMatchObject({
      status: 'ok',
      value: 1,
      message: expect.stringContaining('were removed'),
    });
    expect(data.archive).toMatchObject({ keptSeconds: 30 * 86_400 });
    expect(filesBelow(gone)).toEqual(['notes.txt']);
    for (const kept of [foreign, namesake, unsaid]) expect(filesBelow(kept).length).toBeGreaterThan(2);
    // That of this run is young.
    expect(await manifestsIn(join(world.backups, data.archive!.folder))).toHaveLength(1);
  });

  test('stay when nobody says how long they are kept', async () => {
    const target = await database(events(100, 200));
    const kept = await age(target, '20200101T000000Z-0003');
    const { data } = await clean(world, target, [archived]);
    expect(data).toMatchObject({ pruned: [], archive: { keptSeconds: null } });
    expect(filesBelow(kept).length).toBeGreaterThan(2);
  });

  test('are removed part by part with the manifest behind it, whatever else lies there', () => {
    const object = (key: string) => ({ key: `archives/${key}`, sizeBytes: 10 });
    const id = '20200101T000000Z-00ff';
    const objects = [
      object(`${id}/000001.manifest.json`),
      object(`${id}/000001.sql.zst.age`),
      object(`${id}/000002.manifest.json`),
      object(`${id}/000002.sql.zst`),
      object(`${id}/RESTORE.md`),
      object(`${id}/deeper/000001.sql.zst`),
      object(`${id}/000001.sql`),
      object('20991231T000000Z-0001/000001.sql.zst'),
      object('before/000001.sql.zst'),
    ];
    expect(planArchivePrune(objects, new Date('2026-01-01'))).toEqual([
      {
        id,
        objects: [
          '000001.sql.zst.age',
          '000002.sql.zst',
          '000001.manifest.json',
          '000002.manifest.json',
          'RESTORE.md',
        ].map(name => object(`${id}/${name}`)),
      },
    ]);
  });

  test('of which one is damaged, one vanishes and one was cut off: each of the others goes, and what stays is told', async () => {
    const target = await database(events(100, 200));
    const ids = ['1001', '1002', '1003', '1004', '1005'].map(end => `20200101T000000Z-${end}`);
    const [damaged, vanished, begun, ended, whole] = (await aged(target, ids)) as Five;
    await editManifests(damaged, () => undefined);
    // What a run that was killed before its first manifest leaves, and a removal before its last file.
    for (const name of filesBelow(begun)) if (name.endsWith('.manifest.json')) await rm(join(begun, name));
    for (const name of filesBelow(ended)) if (name !== 'RESTORE.md') await rm(join(ended, name));
    const owner = { platform: 'platform', database: target.database };
    const vanishing: Storage = {
      ...world.storage,
      async get(key, options) {
        if (key.includes('-1002/') && key.endsWith('.manifest.json'))
          await rm(vanished, { recursive: true, force: true });
        return world.storage.get(key, options);
      },
    };
    const pruned = await pruneArchives(vanishing, owner, new Date('2020-01-02'), {
      isDryRun: false,
      signal: new AbortController().signal,
    });
    expect(pruned).toMatchObject({
      runs: 3,
      problems: [
        expect.stringMatching(/^20200101T000000Z-1001: no manifest of it can be read, so it stays/),
        expect.stringMatching(/^20200101T000000Z-1002: /),
      ],
    });
    expect([begun, ended, whole].flatMap(filesBelow)).toEqual([]);
    expect(filesBelow(damaged).length).toBeGreaterThan(2);
    await rm(damaged, { recursive: true });
  });

  test('are counted as far as they went, and a removal that was cut off is finished by the next run', async () => {
    const target = await database(events(100, 200));
    const [first, second] = (await aged(target, ['20200101T000000Z-2001', '20200101T000000Z-2002'])) as [
      string,
      string,
    ];
    const bytesIn = (folder: string) =>
      filesBelow(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    const wanted = { before: new Date('2020-01-02'), owner: { platform: 'platform', database: target.database } };
    const options = { isDryRun: false, signal: new AbortController().signal };
    const all = bytesIn(first) + bytesIn(second);
    const failing: Storage = {
      ...world.storage,
      async remove(key, given) {
        if (key.includes('-2002/') && key.endsWith('RESTORE.md')) throw new OpsError('STORAGE_DENIED', 'not this one');
        await world.storage.remove(key, given);
      },
    };
    const pruned = await pruneArchives(failing, wanted.owner, wanted.before, options);
    expect(filesBelow(second)).toEqual(['RESTORE.md']);
    const left = bytesIn(second);
    expect(pruned).toEqual({ runs: 1, bytes: all - left, problems: ['20200101T000000Z-2002: not this one'] });
    expect(pruneMessage({ destination: 'd', runs: 1, bytes: 2e6, problem: 'not this one' }, false)).toMatch(
      /^1 archive \(.*\) older than they are kept were removed from d; others stay: not this one$/,
    );
    const again = await pruneArchives(world.storage, wanted.owner, wanted.before, options);
    expect(again).toEqual({ runs: 1, bytes: left, problems: [] });
    expect(filesBelow(second)).toEqual([]);
  });

  test('in a destination that cannot be opened are told, when no rule archives; when one does, nothing is deleted', async () => {
    const target = await database(events(100, 200));
    const s3 = { kind: 's3' as const, bucket: 'old-rows', region: 'eu-central-1' };
    const given: CleanupGiven = {
      config: { backup: { destinations: [destination('open'), s3] } },
      cleanup: { keepArchives: '30d' },
      env: { BACKUP_LOCAL_PATH: undefined, BACKUP_S3_ACCESS_KEY_ID: 'half of two' },
    };
    expect(await failureOf(clean(world, target, [archived], given))).toMatchObject({
      code: 'CONFIG_MISSING_VALUE',
      message: expect.stringContaining('BACKUP_S3_SECRET_ACCESS_KEY is not set'),
    });
    expect(await world.query(target, 'select count(*)::int as n from events')).toEqual([{ n: 200 }]);
    const { data, checks } = await clean(world, target, [old], given);
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 100 });
    expect(data.pruned).toMatchObject([
      { destination: 's3:old-rows', problem: expect.stringContaining('BACKUP_S3_SECRET_ACCESS_KEY is not set') },
      { destination: expect.stringContaining('open'), problem: null },
    ]);
    expect(checks.find(check => check.target === 's3:old-rows')).toMatchObject({ status: 'warning', value: 0 });
  });

  test('that a destination does not give up are told, and the rules are followed all the same', async () => {
    const target = await database(events(100, 200));
    await writeFile(join(world.folder, 'in-the-way'), '');
    const kept = join(world.folder, 'kept', 'archives');
    await mkdir(join(world.folder, 'kept'));
    // A folder of that name is there, and is none.
    await symlink(join(world.folder, 'in-the-way', 'x'), kept);
    const { data, checks } = await clean(world, target, [old], {
      config: { backup: { destinations: [destination('kept')] } },
      cleanup: { keepArchives: '30d' },
      env: { BACKUP_LOCAL_PATH: undefined },
    });
    expect(data.rules[0]).toMatchObject({ status: 'done', deletedRows: 100 });
    expect(data.pruned).toMatchObject([{ runs: 0, problem: expect.any(String) }]);
    expect(checks.find(check => check.id === 'database.cleanup.archives')).toMatchObject({ status: 'warning' });
  });
});

test('killed between batches: what is gone is archived, and the next run goes on', { timeout: 180_000 }, async () => {
  await using stage = await Stage.open();
  const target = await stage.database('shop', events(9000, 10_000));
  const env = stage.env('shop');
  await writeFile(
    join(stage.work, 'ops.yml'),
    `database: { cleanup: { rules: [{ table: events, column: at, olderThan: 90d, batchRows: 200 }] } }`,
  );
  const left = async () => Number((await stage.sql(target, 'select count(*) as n from events'))[0]!.n);
  const { child, ended } = stage.start('database cleanup --config ops.yml', env);
  await whenTrue(async () => (await left()) < 9500);
  child.kill('SIGKILL');
  await ended;
  const remaining = await left();
  expect(remaining).toBeGreaterThan(1000);
  const inManifests = async () => {
    const folders = new Set(filesBelow(stage.destination).flatMap(file => /^archives\/[^/]+/.exec(file) ?? []));
    const all = await Promise.all([...folders].map(folder => manifestsIn(join(stage.destination, folder))));
    return sum(all.flat(), 'events');
  };
  // At most the batch at hand was archived and not deleted.
  const gone = 10_000 - (await left());
  expect(await inManifests()).toBeGreaterThanOrEqual(gone);
  expect(await inManifests()).toBeLessThanOrEqual(gone + 200);
  await writeFile(
    join(stage.work, 'ops.yml'),
    `database: { cleanup: { rules: [{ table: events, column: at, olderThan: 90d }] } }`,
  );
  const second = await stage.report('database cleanup --config ops.yml', env);
  expect(second, second.stderr).toMatchObject({ exitCode: 0, kind: 'database.cleanup' });
  expect(await left()).toBe(1000);
  expect(await inManifests()).toBeGreaterThanOrEqual(9000);
});

async function manifestsIn(folder: string): Promise<ArchiveManifest[]> {
  const names = filesBelow(folder).filter(name => name.endsWith('.manifest.json'));
  return Promise.all(
    names.map(async name => archiveManifestSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))),
  );
}

type Five = [string, string, string, string, string];

/** @param edit undefined: half of the text is left */
async function editManifests(folder: string, edit: (manifest: ArchiveManifest) => object | undefined): Promise<void> {
  for (const name of filesBelow(folder).filter(each => each.endsWith('.manifest.json'))) {
    const text = await readFile(join(folder, name), 'utf8');
    const edited = edit(archiveManifestSchema.parse(JSON.parse(text)));
    await writeFile(join(folder, name), edited ? JSON.stringify(edited) : text.slice(0, text.length / 2));
  }
}

function sum(manifests: readonly ArchiveManifest[], table: string): number {
  return manifests
    .flatMap(manifest => manifest.tables)
    .filter(({ name }) => name === table)
    .reduce((total, { rows }) => total + rows, 0);
}

/** The last command of RESTORE.md, as it stands there. */
async function restoreByDocument(folder: string, target: PostgresTarget): Promise<void> {
  const text = await readFile(join(folder, 'RESTORE.md'), 'utf8');
  const command = /^ {4}(for f .*)$/m.exec(text)![1]!;
  await writeFile(join(folder, 'identity.txt'), `${world.identity}\n`);
  const env = { ...process.env, DATABASE_URL: target.url, PGCONNECT_TIMEOUT: '10' };
  await run('bash', ['-ec', `set -o pipefail; ${command.replace('|| break', '|| exit 1')}`], { cwd: folder, env });
}
