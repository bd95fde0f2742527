import {
  appendFile,
  chmod,
  chown,
  copyFile,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chainOf } from '../../../actions/lib/backup/files/chain.ts';
import { compareTree } from '../../../actions/lib/backup/files/compare-tree.ts';
import { evidenceEntries } from '../../../actions/lib/backup/files/evidence.ts';
import { ExpectedTree } from '../../../actions/lib/backup/files/expected-tree.ts';
import { readPart } from '../../../actions/lib/backup/parts/part-reader.ts';
import type { FilesManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { FilesPlatform, makeOddTree } from './fixture.ts';

const madeAt = 1_600_000_000;

describe('a restored tree that is not the one that was backed up', () => {
  let platform: FilesPlatform;
  let manifest: FilesManifest;
  let restored: string;
  beforeAll(async () => {
    platform = await FilesPlatform.create();
    await makeOddTree(name => platform.path(name));
    // Two files that differ in nothing but their content.
    for (const name of ['*', 'back\\slash']) await utimes(platform.path(name), madeAt, madeAt);
    manifest = await platform.backup();
  });
  afterAll(() => platform[Symbol.asyncDispose]());

  const at = (name: string) => join(restored, 'uploads', name);
  const keepTime = async (name: string, work: () => Promise<unknown>) => {
    const before = await stat(at(name));
    await work();
    await utimes(at(name), before.atime, before.mtime);
  };
  const inside = (name: string, work: () => Promise<unknown>) => keepTime('.', () => keepTime(name, work));

  test.each<[string, () => Promise<unknown>, string[]]>([
    ['nothing was changed', async () => {}, []],
    ['a file is missing', () => keepTime('.', () => unlink(at('large'))), ['uploads/large is missing']],
    [
      'a file with an odd name is there in excess',
      () => keepTime('.', () => writeFile(at('ex\ntra'), '')),
      ['uploads/ex\\x0atra is there, and is not in the backup'],
    ],
    [
      'a byte is different',
      () =>
        keepTime('large', async () => {
          const file = await open(at('large'), 'r+');
          await file.write('?', 1_000_000);
          await file.close();
        }),
      ['uploads/large has other content'],
    ],
    [
      'a byte is different in a hole of a sparse file',
      () =>
        keepTime('sparse', async () => {
          const file = await open(at('sparse'), 'r+');
          await file.write('?', 30_000_000);
          await file.close();
        }),
      ['uploads/sparse has other content'],
    ],
    [
      'a file is longer',
      () => keepTime('-C/inside', () => appendFile(at('-C/inside'), '!')),
      [`uploads/-C/inside has 30 bytes, not 29`],
    ],
    ['a mode is different', () => chmod(at('-rf'), 0o755), ['uploads/-rf has mode 755, not 4755']],
    [
      'a time is different',
      () => utimes(at('empty'), 5, 5),
      ['uploads/empty was changed at 5, not at 1111111111 (seconds since 1970)'],
    ],
    [
      'a link points elsewhere',
      () => keepTime('.', () => relink('link to folder', 'deep')),
      ['uploads/link to folder points to deep, not to courses'],
    ],
    [
      'a hard link is a copy',
      () => inside('courses', () => unlinkAndCopy('third name', 'courses/second name')),
      ['uploads/plain.txt is no longer one file with its other names'],
    ],
    [
      'two files have become one',
      () =>
        keepTime('.', async () => {
          await unlink(at('*'));
          await link(at('back\\slash'), at('*'));
          await utimes(at('*'), madeAt, madeAt);
        }),
      ['uploads/* has 31 bytes, not 13', 'uploads/back\\slash is one file with another name, and should not be'],
    ],
    [
      'a folder has become a file',
      () =>
        keepTime('.', async () => {
          await rm(at('empty'), { recursive: true });
          await writeFile(at('empty'), '');
        }),
      ['uploads/empty is a file, and should be a folder'],
    ],
    [
      'a folder was moved',
      () => keepTime('.', () => rename(at('courses'), at('kurse'))),
      ['uploads/courses is missing', 'uploads/kurse is there, and is not in the backup'],
    ],
  ])('%s', async (_what, alter, findings) => {
    restored = join(platform.root, 'restored');
    await rm(restored, { recursive: true, force: true });
    await platform.restore(manifest, restored);
    await alter();
    expect((await compare()).sort()).toEqual(findings);
  });

  test.runIf(process.getuid?.() === 0)('an owner is different', async () => {
    restored = join(platform.root, 'restored');
    await rm(restored, { recursive: true, force: true });
    await platform.restore(manifest, restored);
    await chown(at('nothing'), 1234, 0);
    expect(await compare()).toEqual(['uploads/nothing belongs to 1234:0, not to 0:0']);
  });

  test('a tree that is wrong everywhere is told in a hundred lines', async () => {
    restored = join(platform.root, 'restored');
    await rm(restored, { recursive: true, force: true });
    await platform.restore(manifest, restored);
    await mkdir(at('junk'));
    for (let i = 0; i < 250; i++) await writeFile(at(`junk ${i}`), '');
    const findings = await compare();
    expect(findings).toHaveLength(101);
    expect(findings.at(-1)).toMatch(/^and 15\d more$/);
  });

  async function compare(): Promise<string[]> {
    const { signal } = platform.context();
    const expected = new ExpectedTree();
    for (const { evidence } of chainOf(manifest)) {
      const bytes = readPart(platform.storage, evidence, { identities: [platform.identity], signal });
      for await (const entry of evidenceEntries(bytes)) expected.apply(entry);
    }
    const task = { advance() {}, done() {} };
    return (await compareTree(restored, expected, { signal, task })).findings;
  }

  async function relink(name: string, target: string): Promise<void> {
    const before = await lstat(at(name));
    await unlink(at(name));
    await symlink(target, at(name));
    await lutimes(at(name), before.atime, before.mtime);
  }

  async function unlinkAndCopy(from: string, to: string): Promise<void> {
    const before = await stat(at(from));
    await unlink(at(to));
    await copyFile(at(from), at(to));
    await chmod(at(to), before.mode);
    await utimes(at(to), before.atime, before.mtime);
  }
});
