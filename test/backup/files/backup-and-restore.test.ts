import {
  appendFile,
  link,
  lstat,
  mkdir,
  readFile,
  rename,
  rm,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mayBuildOn } from '../../../actions/lib/backup/backup-files.ts';
import { proveFiles } from '../../../actions/lib/backup/files/prove-files.ts';
import { restoreDocument } from '../../../actions/lib/backup/sets/restore-doc.ts';
import { createLocalStorage } from '../../../actions/lib/storage/index.ts';
import { describeTree, FilesPlatform, followRestoreDocument, makeOddTree } from './fixture.ts';

describe('a full set of files', () => {
  test('brings back every odd name, link, hole, mode and time, and is PROVED', async () => {
    await using platform = await FilesPlatform.create();
    await makeOddTree(name => platform.path(name));
    await utimes(platform.path('-rf'), 4_294_967_297, 4_294_967_297);
    const manifest = await platform.backup();
    expect(manifest.files).toMatchObject({ level: 0, fullSetId: manifest.id, members: ['./uploads'] });
    expect(manifest.warnings).toEqual([]);
    const before = await describeTree(platform.uploads);
    expect(manifest.files.entries).toBe(Object.keys(before).length);
    const restored = await platform.restore(manifest);
    expect(await describeTree(join(restored, 'uploads'))).toEqual(before);
    const proof = await proveFiles(platform.context(), platform.storage, manifest);
    expect(proof).toMatchObject({ verdict: 'PROVED', findings: [] });
    expect(proof.notes.join()).toContain(`compared ${Object.keys(before).length} entries`);
  });

  test('sparse files stay small on their way, and in the restored folder', async () => {
    await using platform = await FilesPlatform.create();
    await makeOddTree(name => platform.path(name));
    const manifest = await platform.backup();
    const archive = manifest.parts.find(part => part.role === 'archive')!;
    expect(archive.plainBytes).toBeLessThan(10_000_000);
    expect(manifest.files.sentFileBytes).toBeGreaterThan(59_000_000);
    const restored = await platform.restore(manifest);
    expect((await lstat(join(restored, 'uploads/sparse'))).blocks * 512).toBeLessThan(1_000_000);
  });

  test('of several folders far apart keeps the way to each, so that equal names do not collide', async () => {
    await using platform = await FilesPlatform.create();
    for (const folder of ['shop/media', 'blog/media']) {
      await mkdir(join(platform.root, folder), { recursive: true });
      await writeFile(join(platform.root, folder, 'a.txt'), folder);
    }
    platform.options.paths = ['shop/media', './blog/media/'];
    const manifest = await platform.backup();
    const restored = await platform.restore(manifest);
    expect(await readFile(join(restored, 'shop/media/a.txt'), 'utf8')).toBe('shop/media');
    expect(await readFile(join(restored, 'blog/media/a.txt'), 'utf8')).toBe('blog/media');
    expect((await proveFiles(platform.context(), platform.storage, manifest)).findings).toEqual([]);
  });

  test('leaves out what is excluded, and the backups themselves when they lie inside', async () => {
    await using platform = await FilesPlatform.create();
    for (const folder of ['cache', 'pictures/cache', 'kept']) await mkdir(platform.path(folder), { recursive: true });
    for (const name of ['a.tmp', 'kept/b.tmp', 'kept/c', 'cache/d', 'pictures/cache/e']) {
      await writeFile(platform.path(name), name);
    }
    platform.options.exclude = ['*.tmp', join(platform.uploads, 'cache')];
    const inside = createLocalStorage({ path: join(platform.uploads, 'kept/back*ups') });
    await platform.backup([inside, platform.storage]);
    const manifest = await platform.backup([inside, platform.storage]);
    expect(manifest.files.level).toBe(1);
    const restored = await platform.restore(manifest);
    expect(Object.keys(await describeTree(join(restored, 'uploads'))).sort()).toEqual(
      ['.', './kept', './kept/c', './pictures', './pictures/cache', './pictures/cache/e'].sort(),
    );
    expect((await proveFiles(platform.context(), platform.storage, manifest)).findings).toEqual([]);
  });

  test('of a folder given as a symbolic link is of what it points to', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), 'a');
    await symlink('uploads', join(platform.root, 'current'));
    platform.options.paths = ['current'];
    const restored = await platform.restore(await platform.backup());
    expect(await readFile(join(restored, 'uploads/a'), 'utf8')).toBe('a');
  });

  test('without recipients is not encrypted, and restores and proves the same', async () => {
    await using platform = await FilesPlatform.create({ isEncrypted: false });
    await makeOddTree(name => platform.path(name));
    const manifest = await platform.backup();
    expect(manifest.parts.every(part => !part.isEncrypted)).toBe(true);
    const restored = await platform.restore(manifest);
    expect(await describeTree(join(restored, 'uploads'))).toEqual(await describeTree(platform.uploads));
    expect((await proveFiles(platform.context(), platform.storage, manifest)).verdict).toBe('PROVED');
  });
});

describe('an incremental chain', () => {
  test('over three levels restores each state, sends only what changed, and proves it', async () => {
    await using platform = await FilesPlatform.create();
    await makeOddTree(name => platform.path(name));
    const states = [{ manifest: await platform.settledBackup(), tree: await describeTree(platform.uploads) }];

    await appendFile(platform.path('plain.txt'), ' and more');
    await writeFile(platform.path('courses/new\nfile'), 'new');
    await unlink(platform.path('third name'));
    await rm(platform.path('deep'), { recursive: true });
    await rename(platform.path('courses/weaving'), platform.path('weaving moved'));
    states.push({ manifest: await platform.settledBackup(), tree: await describeTree(platform.uploads) });

    await unlink(platform.path('large'));
    await mkdir(platform.path('large'));
    await writeFile(platform.path('large/now a folder'), 'x');
    await rm(platform.path('empty'), { recursive: true });
    await writeFile(platform.path('empty'), 'now a file');
    await unlink(platform.path('link'));
    await writeFile(platform.path('link'), 'now a file, too');
    await unlink(platform.path('courses/second name'));
    await rename(platform.path('courses'), platform.path('courses.old'));
    await rename(platform.path('weaving moved'), platform.path('courses'));
    states.push({ manifest: await platform.settledBackup(), tree: await describeTree(platform.uploads) });

    states.push({ manifest: await platform.settledBackup(), tree: await describeTree(platform.uploads) });

    expect(states.map(({ manifest }) => manifest.files.level)).toEqual([0, 1, 2, 3]);
    expect(states.map(({ manifest }) => manifest.baseId)).toEqual([
      null,
      ...states.slice(0, 3).map(s => s.manifest.id),
    ]);
    const last = states[3]!.manifest;
    expect(last.files).toMatchObject({ sentEntries: 0, sentFileBytes: 0, fullSetId: states[0]!.manifest.id });
    expect(states[1]!.manifest.files.sentFileBytes).toBeLessThan(1000);
    expect(last.parts.map(part => [part.role, part.isReused])).toEqual([
      ...Array.from({ length: 3 }, () => [
        ['archive', true],
        ['evidence', true],
      ]).flat(),
      ['archive', false],
      ['evidence', false],
      ['state', false],
    ]);
    for (const [level, { manifest, tree }] of states.entries()) {
      const restored = await platform.restore(manifest, join(platform.root, `restored-${level}`));
      expect(await describeTree(join(restored, 'uploads')), `level ${level}`).toEqual(tree);
      expect((await proveFiles(platform.context(), platform.storage, manifest)).findings, `level ${level}`).toEqual([]);
    }
  });

  test('notices a file that was swapped for an older one of the same name inside a swapped folder', async () => {
    await using platform = await FilesPlatform.create();
    for (const folder of ['live', 'staged']) {
      await mkdir(platform.path(folder));
      await writeFile(platform.path(`${folder}/page`), folder);
      await utimes(platform.path(`${folder}/page`), 1000, 1000);
    }
    await platform.settledBackup();
    await rename(platform.path('live'), platform.path('retired'));
    await rename(platform.path('staged'), platform.path('live'));
    const manifest = await platform.settledBackup();
    expect(manifest.files.level).toBe(1);
    const restored = await platform.restore(manifest);
    expect(await readFile(join(restored, 'uploads/live/page'), 'utf8')).toBe('staged');
    expect(await describeTree(join(restored, 'uploads'))).toEqual(await describeTree(platform.uploads));
    expect((await proveFiles(platform.context(), platform.storage, manifest)).verdict).toBe('PROVED');
  });

  test('keeps the content of a hard link that leads out of a moved folder, as a file of its own until the next full set', async () => {
    await using platform = await FilesPlatform.create({ fullEveryDays: 1 });
    await mkdir(platform.path('folder'));
    await writeFile(platform.path('first name'), 'content');
    await link(platform.path('first name'), platform.path('folder/second name'));
    await platform.settledBackup();
    // The file itself does not change by this, so tar sees no reason to send its first name again.
    await rename(platform.path('folder'), platform.path('moved'));
    const manifest = await platform.settledBackup();
    const restored = await platform.restore(manifest);
    expect(await readFile(join(restored, 'uploads/moved/second name'), 'utf8')).toBe('content');
    expect((await lstat(join(restored, 'uploads/first name'))).nlink).toBe(1);
    expect((await proveFiles(platform.context(), platform.storage, manifest)).verdict).toBe('PROVED');
    platform.passHours(24);
    const whole = await platform.restore(await platform.settledBackup(), join(platform.root, 'whole'));
    expect(await describeTree(join(whole, 'uploads'))).toEqual(await describeTree(platform.uploads));
  });

  test('begins anew when time is up, or folders, exclusions or recipients change, or the clock was put back', async () => {
    await using platform = await FilesPlatform.create({ fullEveryDays: 2 });
    await writeFile(platform.path('a'), 'a');
    const level = async () => (await platform.backup()).files.level;
    expect([await level(), await level()]).toEqual([0, 1]);
    platform.passHours(48);
    expect([await level(), await level()]).toEqual([0, 1]);
    platform.options.exclude = ['*.tmp'];
    expect([await level(), await level()]).toEqual([0, 1]);
    platform.options.isEncrypted = false;
    expect([await level(), await level()]).toEqual([0, 1]);
    await mkdir(join(platform.root, 'more'));
    platform.options.paths = ['uploads', 'more'];
    expect([await level(), await level()]).toEqual([0, 1]);
    const base = await platform.backup();
    const context = { ...platform.context(), now: () => new Date(Date.parse(base.snapshotAt) - 1000) };
    expect(mayBuildOn(base, { roots: base.files.roots }, context)).toContain('from the future');
  });

  test('goes on with a full set when what the last run left for this one is damaged', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), 'a');
    const first = await platform.backup();
    const state = join(platform.root, 'backups', first.parts.find(part => part.role === 'state')!.key);
    const bytes = await readFile(state);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(state, bytes);
    const second = await platform.backup();
    expect(second.files).toMatchObject({ level: 0, fullSetId: second.id });
    expect(platform.warnings.join()).toMatch(/A full set is made: .*state-0/);
    expect((await proveFiles(platform.context(), platform.storage, second)).verdict).toBe('PROVED');
  });

  test('says when everything is gone at once', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), 'a');
    const first = await platform.backup();
    await unlink(platform.path('a'));
    const second = await platform.backup();
    expect(second.warnings).toEqual([expect.stringContaining(`had 2 entries in set ${first.id}`)]);
  });
});

describe('RESTORE.md', () => {
  test.each([{ isEncrypted: true }, { isEncrypted: false }])(
    'its commands restore the same tree ($isEncrypted)',
    async options => {
      await using platform = await FilesPlatform.create(options);
      await makeOddTree(name => platform.path(name));
      await platform.settledBackup();
      await rm(platform.path('courses'), { recursive: true });
      await writeFile(platform.path("it's new"), 'new');
      const manifest = await platform.backup();
      expect(manifest.files.level).toBe(1);
      const identityFile = join(platform.root, 'identity.txt');
      await writeFile(identityFile, `${platform.identity}\n`, { mode: 0o600 });
      const target = join(platform.root, 'by hand');
      const destination = join(platform.root, 'backups');
      const stored = await readFile(join(destination, `sets/files/${manifest.id}/RESTORE.md`), 'utf8');
      expect(stored).toBe(restoreDocument(manifest));
      const environment = { TARGET: target, ...(options.isEncrypted && { AGE_IDENTITY: identityFile }) };
      await followRestoreDocument(stored, { destination, environment });
      expect(await describeTree(join(target, 'uploads'))).toEqual(await describeTree(platform.uploads));
    },
  );
});
