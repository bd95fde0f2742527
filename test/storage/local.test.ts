import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLocalStorage } from '../../actions/lib/storage/index.ts';
import { temporaryName } from '../../actions/lib/storage/key.ts';
import { linkOrClaim } from '../../actions/lib/storage/local-publish.ts';
import { failingAfter, keysOf, mebibyte, readText, storageContract } from './contract.ts';
import { mountTmpfs } from './tmpfs.ts';

let base: string;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'ops-local-'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

describe('local storage', () => {
  storageContract(() => createLocalStorage({ path: join(base, 'contract') }));

  test('files are readable by their owner alone, whatever the umask', async () => {
    const root = join(base, 'modes');
    const before = process.umask(0o000);
    try {
      await createLocalStorage({ path: root }).put('a/b/c', Buffer.from('secret'));
    } finally {
      process.umask(before);
    }
    expect((await stat(join(root, 'a/b/c'))).mode & 0o777).toBe(0o600);
    for (const folder of ['', 'a', 'a/b']) expect((await stat(join(root, folder))).mode & 0o777).toBe(0o700);
  });

  test('2,500 objects are listed in order', async () => {
    const root = join(base, 'many');
    await mkdir(join(root, 'n/x'), { recursive: true });
    const names = Array.from({ length: 2500 }, (_, i) => `${i % 2 ? 'x/' : ''}${i}`);
    for (const name of names) await writeFile(join(root, 'n', name), '');
    const keys = await keysOf(createLocalStorage({ path: root }), 'n/');
    expect(keys).toEqual(names.map(name => `n/${name}`).sort());
  });

  test('a symbolic link below the folder is neither followed nor listed', async () => {
    const root = join(base, 'links');
    const outside = join(base, 'outside');
    await mkdir(root);
    await mkdir(outside);
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(root, 'out'));
    await symlink(join(outside, 'secret'), join(root, 'file'));
    const storage = createLocalStorage({ path: root });
    for (const key of ['out/secret', 'out/new/deep', 'file']) {
      await expect(storage.get(key)).rejects.toMatchObject({ code: 'STORAGE_KEY' });
      await expect(storage.put(key, Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_KEY' });
      await expect(storage.remove(key)).rejects.toMatchObject({ code: 'STORAGE_KEY' });
    }
    expect(await keysOf(storage, '')).toEqual([]);
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
  });

  test('an unfinished upload of a dead process is never listed, and swept once it is old', async () => {
    const root = join(base, 'sweep');
    const storage = createLocalStorage({ path: root });
    await storage.put('sets/a/manifest.json', Buffer.from('{}'));
    for (const path of ['sets/a/.tmp-old', 'sets/dead/.tmp-old', 'sets/a/.tmp-young', 'other/.tmp-old']) {
      await mkdir(join(root, path, '..'), { recursive: true });
      await writeFile(join(root, path), 'half');
      const age = path.endsWith('old') ? 7200 : 60;
      await utimes(join(root, path), Date.now() / 1000 - age, Date.now() / 1000 - age);
    }
    expect(await keysOf(storage, '')).toEqual(['sets/a/manifest.json']);
    const swept = await storage.sweepAbandoned({ olderThanSeconds: 3600, prefix: 'sets/' });
    expect(swept).toEqual(['sets/a/.tmp-old', 'sets/dead/.tmp-old']);
    expect(await readdir(join(root, 'sets'))).toEqual(['a']);
    expect(await storage.sweepAbandoned({ olderThanSeconds: 3600 })).toEqual(['other/.tmp-old']);
    expect(await readdir(join(root, 'sets/a'))).toEqual(['.tmp-young', 'manifest.json']);
  });

  test('of a process of this machine that is gone it is swept at once, of a living one never before its time', async () => {
    const root = join(base, 'sweep-dead');
    const storage = createLocalStorage({ path: root });
    const gone = temporaryName(spawnSync('true').pid);
    const living = temporaryName(process.pid);
    await mkdir(join(root, 'pending'), { recursive: true });
    for (const name of [gone, living]) await writeFile(join(root, 'pending', name), 'half');
    expect(await storage.sweepAbandoned({ olderThanSeconds: 3600 })).toEqual([`pending/${gone}`]);
    expect(await readdir(join(root, 'pending'))).toEqual([living]);
  });

  test('without hard links exactly one of ten writers still wins, and a dead claim does not block for ever', async () => {
    const folder = join(base, 'claims');
    await mkdir(folder);
    const target = join(folder, 'a');
    const noLinks = () => Promise.reject(Object.assign(new Error('no links'), { code: 'EPERM' }));
    const temporaries = Array.from({ length: 10 }, (_, i) => join(folder, `.tmp-${i}`));
    for (const path of temporaries) await writeFile(path, path);
    const won = await Promise.all(temporaries.map(path => linkOrClaim(path, target, noLinks)));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await readFile(target, 'utf8')).toBe(temporaries[won.indexOf(true)]);
    expect((await readdir(folder)).filter(name => name.includes('claim'))).toEqual([]);

    const claim = join(folder, `.tmp-claim-${createHash('sha256').update('a').digest('hex').slice(0, 32)}`);
    const loser = temporaries[won.indexOf(false)]!;
    await rm(target);
    await writeFile(claim, '');
    expect(await linkOrClaim(loser, target, noLinks)).toBe(false);
    await utimes(claim, Date.now() / 1000 - 120, Date.now() / 1000 - 120);
    expect(await linkOrClaim(loser, target, noLinks)).toBe(true);
    expect(await readFile(target, 'utf8')).toBe(loser);
  });

  test('a disk that is full says STORAGE_FULL, stops the producer, leaves nothing and works again when there is room', async context => {
    const root = await mountTmpfs(context, 'size=2m');
    const storage = createLocalStorage({ path: root });
    const source = Readable.from(failingAfter(64 * mebibyte, new Error('unused')), { objectMode: false });
    await expect(storage.put('sets/big', source)).rejects.toMatchObject({
      code: 'STORAGE_FULL',
      message: expect.stringContaining('no space left'),
    });
    expect(source.destroyed).toBe(true);
    expect(await storage.head('sets/big')).toBeUndefined();
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60 })).toEqual([]);
    await storage.put('sets/small', randomBytes(mebibyte));
    expect((await storage.head('sets/small'))!.sizeBytes).toBe(mebibyte);
  });

  test('a folder that cannot be written to says STORAGE_DENIED and can still be read', async context => {
    // Root may write whatever the mode says, so it needs a disk that is mounted read-only.
    const isRoot = process.getuid?.() === 0;
    const root = isRoot ? await mountTmpfs(context, 'size=1m') : join(base, 'read-only');
    const storage = createLocalStorage({ path: root });
    await storage.put('a', Buffer.from('kept'));
    if (isRoot) execFileSync('mount', ['-o', 'remount,ro', root]);
    else await chmod(root, 0o500);
    context.onTestFinished(() => (isRoot ? undefined : chmod(root, 0o700)));
    await expect(storage.put('b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_DENIED' });
    await expect(storage.remove('a')).rejects.toMatchObject({ code: 'STORAGE_DENIED' });
    expect(await readText(storage, 'a')).toBe('kept');
  });

  test('an object in the way of a folder is one clear error', async () => {
    const storage = createLocalStorage({ path: join(base, 'way') });
    await storage.put('a', Buffer.from('x'));
    await expect(storage.put('a/b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await storage.head('a/b')).toBeUndefined();
  });
});
