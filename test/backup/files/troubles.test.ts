import { randomBytes } from 'node:crypto';
import { appendFileSync, unlinkSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { generateIdentity } from '../../../actions/lib/age/index.ts';
import { backupFiles } from '../../../actions/lib/backup/backup-files.ts';
import { proveFiles } from '../../../actions/lib/backup/files/prove-files.ts';
import { openPart } from '../../../actions/lib/backup/parts/part-writer.ts';
import type { FilesManifest, Part } from '../../../actions/lib/backup/sets/manifest.ts';
import { listSets } from '../../../actions/lib/backup/sets/set-store.ts';
import { verifySet } from '../../../actions/lib/backup/verify-set.ts';
import type { Storage } from '../../../actions/lib/storage/index.ts';
import { describeTree, FilesPlatform, run } from './fixture.ts';

describe('files that change while they are read', () => {
  test('one grows and one vanishes: warnings that name them, and a set that is PROVED', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a growing'), randomBytes(24 * 1024 * 1024));
    await writeFile(platform.path('b vanishing\n'), 'soon gone');
    await writeFile(platform.path('c staying'), 'still here');
    // tar is in the middle of the first file: as much of it has arrived as the pipes hold, and nobody takes more.
    const storage = heldBack(platform.storage, async body => {
      while (body.readableLength < 1024 * 1024) await wait(5);
      appendFileSync(platform.path('a growing'), 'more');
      unlinkSync(platform.path('b vanishing\n'));
    });
    const manifest = await platform.backup([storage]);
    expect(manifest.warnings).toEqual([
      './uploads/a growing: file changed as we read it',
      './uploads/b vanishing\\n: File removed before we read it',
    ]);
    expect(manifest.files.unreadEntries).toBe(1);
    const proof = await proveFiles(platform.context(), platform.storage, manifest);
    expect(proof).toMatchObject({ verdict: 'PROVED', findings: [] });
    const restored = await platform.restore(manifest);
    expect(await readdir(join(restored, 'uploads'))).toEqual(['a growing', 'c staying']);

    const next = await platform.backup();
    expect(next.warnings).toEqual([]);
    expect((await proveFiles(platform.context(), platform.storage, next)).verdict).toBe('PROVED');
    const whole = await platform.restore(next, join(platform.root, 'next'));
    expect(await describeTree(join(whole, 'uploads'))).toEqual(await describeTree(platform.uploads));
  });

  // As another user nobody could lift the locks for the second run; root's tar loses the right to ignore them.
  test.runIf(process.getuid?.() === 0)(
    'one that may not be read is a warning, and is sent as soon as it may be, though it did not change',
    async () => {
      await using platform = await FilesPlatform.create();
      await mkdir(platform.path('locked folder'));
      await writeFile(platform.path('locked folder/inside'), 'inside');
      await writeFile(platform.path('lock\ted'), 'secret');
      await writeFile(platform.path('open'), 'open');
      await chmod(platform.path('locked folder'), 0);
      await chmod(platform.path('lock\ted'), 0);
      const first = await withoutOverride(platform.root, () => platform.settledBackup());
      expect(first.warnings.sort()).toEqual([
        './uploads/lock\\ted: Cannot open: Permission denied',
        './uploads/locked folder: Cannot open: Permission denied',
      ]);
      expect((await proveFiles(platform.context(), platform.storage, first)).findings).toEqual([]);
      // As if another user ran it now, who may: nothing about the files has changed.
      const second = await platform.backup();
      expect(second).toMatchObject({ warnings: [], files: { level: 1, sentEntries: 2 } });
      const restored = await platform.restore(second);
      expect(await describeTree(join(restored, 'uploads'))).toEqual(await describeTree(platform.uploads));
      // And locked again: what is known of it stays.
      const third = await withoutOverride(platform.root, () => platform.settledBackup());
      expect(third.warnings).toHaveLength(1);
      expect((await proveFiles(platform.context(), platform.storage, third)).findings).toEqual([]);
    },
  );

  test('a folder that nobody may read fails the run and leaves nothing behind', async () => {
    await using platform = await FilesPlatform.create();
    await chmod(platform.uploads, 0);
    await expect(withoutOverride(platform.root, () => platform.backup())).rejects.toMatchObject({
      code: 'FILES_ROOT_MISSING',
    });
    await chmod(platform.uploads, 0o755);
    expect(await filesBelow(join(platform.root, 'backups'))).toEqual([]);
  });
});

describe('what cannot be backed up', () => {
  test.each([
    ['a folder that does not exist', ['gone'], 'FILES_ROOT_MISSING'],
    ['a file', ['uploads/file'], 'FILES_ROOT_INVALID'],
    ['a folder within another', ['uploads', 'uploads/inner'], 'FILES_ROOT_INVALID'],
    ['the whole machine', ['/'], 'FILES_ROOT_INVALID'],
    ['nothing', [], 'CONFIG_MISSING_VALUE'],
  ])('%s is refused before anything is written', async (_what, paths, code) => {
    await using platform = await FilesPlatform.create({ paths });
    await mkdir(platform.path('inner'));
    await writeFile(platform.path('file'), 'x');
    await expect(platform.backup()).rejects.toMatchObject({ code });
    expect(await readdir(platform.root)).toEqual(['uploads']);
  });

  test('a machine without GNU tar is told so', async () => {
    await using platform = await FilesPlatform.create();
    const bin = join(platform.root, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'tar'), '#!/bin/sh\necho "bsdtar 3.7.2 - libarchive 3.7.2"\n', { mode: 0o755 });
    const failure = await withPath(bin, () => platform.backup()).catch(error => error);
    expect(failure).toMatchObject({ code: 'TOOL_MISSING', hint: expect.stringContaining('apt-get install tar') });
  });

  test('a run that is cancelled leaves no set and no part', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), randomBytes(8 * 1024 * 1024));
    const abort = new AbortController();
    const storage = heldBack(platform.storage, async body => {
      while (body.readableLength < 1024 * 1024) await wait(5);
      abort.abort();
    });
    const running = backupFiles({ ...platform.context(), signal: abort.signal }, [storage]);
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await listSets(platform.storage, 'files')).toEqual([]);
    // Whether the declaration is withdrawn now or by the next run, nothing else is left.
    const left = await filesBelow(join(platform.root, 'backups'));
    expect(left.filter(path => !path.includes('/backups/pending/'))).toEqual([]);
  });
});

describe('a damaged set', () => {
  test.each(['archive', 'evidence', 'state'] as const)(
    'with a flipped byte in its %s is found and named',
    async role => {
      await using platform = await FilesPlatform.create();
      await writeFile(platform.path('a'), randomBytes(200_000));
      await platform.backup();
      await writeFile(platform.path('b'), randomBytes(200_000));
      const manifest = await platform.backup();
      const part = manifest.parts.find(p => p.role === role)!;
      const path = join(platform.root, 'backups', part.key);
      const bytes = await readFile(path);
      bytes[bytes.length - 20]! ^= 1;
      await writeFile(path, bytes);
      const context = platform.context();
      for (const level of ['stored', 'content'] as const) {
        const { findings } = await verifySet(context, platform.storage, manifest, level);
        expect(findings, level).toEqual([expect.stringContaining(part.key)]);
      }
      const proof = await proveFiles(context, platform.storage, manifest);
      if (role === 'state')
        expect(proof.verdict).toBe('PROVED'); // only the next backup needs it
      else expect(proof).toMatchObject({ verdict: 'FAILED', findings: [expect.stringContaining(part.key)] });
      if (role !== 'archive') return;
      const target = join(platform.root, 'restored');
      await expect(platform.restore(manifest)).rejects.toMatchObject({
        code: 'SET_DAMAGED',
        message: expect.stringContaining(part.key),
      });
      await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );

  test('whose archives were swapped is FAILED', async () => {
    await using platform = await FilesPlatform.create({ isEncrypted: false });
    await writeFile(platform.path('a'), 'one');
    const first = await platform.backup();
    await writeFile(platform.path('a'), 'two');
    const second = await platform.backup();
    const swapped: FilesManifest = {
      ...second,
      parts: [...first.parts.filter(part => part.role !== 'state'), ...second.parts.slice(2)].map(part =>
        part.role === 'archive' ? { ...first.parts[0]!, isReused: part.isReused } : part,
      ),
    };
    const proof = await proveFiles(platform.context(), platform.storage, swapped);
    expect(proof).toMatchObject({ verdict: 'FAILED' });
    expect(proof.findings.join()).toContain('uploads/a has other content');
  });

  test('with the wrong identity, or none, is COULD NOT VERIFY', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), 'one');
    const manifest = await platform.backup();
    const context = platform.context();
    for (const ageIdentity of [await generateIdentity(), undefined]) {
      const proof = await proveFiles(
        { ...context, secrets: { ...context.secrets, ageIdentity } },
        platform.storage,
        manifest,
      );
      expect(proof.verdict).toBe('COULD NOT VERIFY');
    }
    expect((await readdir(join(platform.root))).sort()).toEqual(['backups', 'uploads']);
  });
});

describe('restoring', () => {
  test('into a folder with something in it is refused, unless forced', async () => {
    await using platform = await FilesPlatform.create();
    await writeFile(platform.path('a'), 'from the backup');
    const manifest = await platform.backup();
    const target = join(platform.root, 'target');
    await mkdir(join(target, 'uploads'), { recursive: true });
    await writeFile(join(target, 'uploads/a'), 'mine');
    await writeFile(join(target, 'other'), 'mine');
    await expect(platform.restore(manifest, target)).rejects.toMatchObject({ code: 'RESTORE_NOT_EMPTY' });
    expect(await readFile(join(target, 'uploads/a'), 'utf8')).toBe('mine');
    await platform.restore(manifest, target, true);
    expect(await readFile(join(target, 'uploads/a'), 'utf8')).toBe('from the backup');
    expect(await readFile(join(target, 'other'), 'utf8')).toBe('mine');
  });

  test.each<[string, (folder: string) => Promise<string[][]>, string]>([
    ['an absolute name', async folder => [['-P', join(folder, 'evil')]], 'evil'],
    ['a name with ..', async () => [['-P', '--transform=s,^evil,a/../../evil,', 'evil']], 'a/../../evil'],
    [
      'a hard link to outside',
      async () => [['-P', '--transform=s,^evil,/etc/passwd,h', '--transform=s,^second,link,r', 'evil', 'second']],
      '/etc/passwd',
    ],
    [
      'a file below a symbolic link of the same archive',
      async () => [['out', 'evil', '--transform=s,^evil,out/evil,r']],
      'out/evil',
    ],
    [
      'a file below a symbolic link of an earlier archive',
      async () => [['out'], ['evil', '--transform=s,^evil,out/evil,r']],
      'out/evil',
    ],
    [
      'a file below the second name of a symbolic link',
      async () => [['out', 'out2', 'evil', '--transform=s,^evil,out2/evil,r']],
      'out2/evil',
    ],
  ])('an archive with %s is refused, and nothing is written', async (_what, archives, entry) => {
    await using platform = await FilesPlatform.create({ isEncrypted: false });
    const folder = join(platform.root, 'hostile');
    await mkdir(folder);
    await writeFile(join(folder, 'evil'), 'evil');
    await run('ln', ['evil', 'second'], { cwd: folder });
    await symlink(join(platform.root, 'outside'), join(folder, 'out'));
    await run('ln', ['-P', 'out', 'out2'], { cwd: folder });
    await mkdir(join(platform.root, 'outside'));
    const manifest = await hostileSet(platform, await archives(folder), folder);
    const target = join(platform.root, 'target');
    await expect(platform.restore(manifest, target)).rejects.toMatchObject({
      code: 'FILES_ESCAPE',
      message: expect.stringContaining(entry),
    });
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(join(platform.root, 'outside'))).toEqual([]);
    expect((await proveFiles(platform.context(), platform.storage, manifest)).verdict).toBe('FAILED');
  });

  test('something that is not a tar archive is refused', async () => {
    await using platform = await FilesPlatform.create({ isEncrypted: false });
    const manifest = await setOf(platform, [Buffer.alloc(20_480, 'not a tar ')]);
    await expect(platform.restore(manifest)).rejects.toMatchObject({ code: 'FILES_ARCHIVE' });
  });
});

/** A storage that, before it takes the first byte of an archive, waits until something has happened. */
function heldBack(storage: Storage, until: (body: Readable) => Promise<void>): Storage {
  return {
    ...storage,
    async put(key, body, options) {
      if (key.includes('/archive-')) await until(body as Readable);
      return storage.put(key, body, options);
    },
  };
}

/** With tar as a user who may not read everything: root keeps its name and loses the right to ignore modes. */
async function withoutOverride<T>(folder: string, work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work();
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const real = (await run('sh', ['-c', 'command -v tar'])).stdout.trim();
  const script = `#!/bin/sh\nexec setpriv --bounding-set=-dac_override,-dac_read_search ${real} "$@"\n`;
  await writeFile(join(bin, 'tar'), script, { mode: 0o755 });
  try {
    return await withPath(`${bin}:${process.env.PATH}`, work);
  } finally {
    await rm(bin, { recursive: true });
  }
}

async function withPath<T>(path: string, work: () => Promise<T>): Promise<T> {
  const before = process.env.PATH;
  process.env.PATH = path;
  try {
    return await work();
  } finally {
    process.env.PATH = before;
  }
}

async function hostileSet(platform: FilesPlatform, archives: string[][], folder: string): Promise<FilesManifest> {
  const bytes: Buffer[] = [];
  for (const args of archives) {
    const { stdout } = await run('tar', ['--create', '--format=posix', '--file=-', ...args], {
      cwd: folder,
      encoding: 'buffer',
    });
    bytes.push(stdout);
  }
  return setOf(platform, bytes);
}

/** A set with these archives, whole in every other respect. */
async function setOf(platform: FilesPlatform, archives: Buffer[]): Promise<FilesManifest> {
  const honest = await platform.backup();
  const parts: Part[] = [];
  for (const [level, archive] of archives.entries()) {
    for (const [role, content] of [
      ['archive', archive],
      ['evidence', Buffer.alloc(0)],
    ] as const) {
      const key = `parts/files/${honest.id}/hostile-${role}-${level}`;
      const { signal } = platform.context();
      const destinations = [{ storage: platform.storage, failure: undefined }];
      const writer = await openPart({ key, destinations, recipients: [], compressionLevel: 1, signal });
      await writer.write(content);
      parts.push({ key, role, isReused: false, isEncrypted: false, isCompressed: true, ...(await writer.finish()) });
    }
  }
  return { ...honest, parts, files: { ...honest.files, level: archives.length - 1 } };
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
}
