import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArchiveManifest, archiveManifestSchema } from '../../../actions/lib/backup/index.ts';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import { filesBelow, Stage, whenTrue } from '../../backup/failures/stage.ts';
import { failureOf, openWorld, type World } from '../../backup/harness.ts';
import { clean, events, old } from './stage.ts';

const run = promisify(execFile);
let world: World;
let count = 0;
beforeAll(async () => {
  world = await openWorld({ settings: { autovacuum: false } });
});
afterAll(() => world?.close());

const database = (sql: string) => world.database(`archived_${++count}`, sql);
const archived = { ...old, archive: true };

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

  test('a destination that cannot take them: nothing is deleted, nothing is left in the others', async () => {
    const target = await database(events());
    // A file where the folder of the archives should be.
    await writeFile(join(world.folder, 'blocked'), '');
    const { data, checks } = await clean(world, target, [archived], {
      config: {
        backup: {
          destinations: [
            { kind: 'local', path: join(world.folder, 'other') },
            { kind: 'local', path: join(world.folder, 'blocked', 'x') },
          ],
        },
      },
      env: { BACKUP_LOCAL_PATH: undefined },
    }).catch(error => ({ data: undefined, checks: [{ status: 'critical', message: String(error) }] }));
    expect(checks[0]!.status).toBe('critical');
    expect(data?.rules[0]?.deletedRows ?? 0).toBe(0);
    expect(filesBelow(join(world.folder, 'other')).filter(file => !file.endsWith('RESTORE.md'))).toEqual([]);
    expect(await world.query(target, 'select count(*)::int as n from events')).toEqual([{ n: 5000 }]);
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
