import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createArgs } from '../../../actions/lib/backup/files/gnu-tar.ts';
import { fromJsonName, pathBytes, pathKey, showPath, toJsonName } from '../../../actions/lib/backup/files/paths.ts';
import { planRoots } from '../../../actions/lib/backup/files/roots.ts';
import { rewriteSnar, type SnarRules } from '../../../actions/lib/backup/files/snar.ts';
import { judgeTar, mostWarnings, unquote } from '../../../actions/lib/backup/files/tar-warnings.ts';
import { FilesPlatform, run } from './fixture.ts';

describe('where the folders are', () => {
  test.each([
    [['/srv/app/uploads'], '/srv/app', ['./uploads']],
    [['/srv/app/uploads', '/srv/app/media'], '/srv/app', ['./media', './uploads']],
    [['/srv/app/uploads', '/srv/app/uploads'], '/srv/app', ['./uploads']],
    [['/srv/a/media', '/srv/b/media'], '/srv', ['./a/media', './b/media']],
    [['/srv/a', '/srv/ab/c'], '/srv', ['./a', './ab/c']],
    [['/srv/media', '/var/media'], '/', ['./srv/media', './var/media']],
    [['/media', '/-rf'], '/', ['./-rf', './media']],
  ])('%j', (paths, base, members) => {
    expect(planRoots(paths)).toMatchObject({ base, members });
  });

  test.each([[['/srv', '/srv/a']], [['/']], [[]]])('%j is refused', paths => {
    expect(() => planRoots(paths)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});

test('no name and no pattern can become an option of tar', () => {
  const plan = planRoots(['/srv/-rf', '/srv/--exec']);
  const args = createArgs(plan, {
    snar: '/tmp/s',
    exclude: ['--checkpoint=1', '/srv/-rf/x*'],
    outside: ['/srv/-rf/b'],
  });
  expect(args.slice(args.indexOf('--listed-incremental=/tmp/s') + 1)).toEqual([
    '--exclude=--checkpoint=1',
    '--anchored',
    '--exclude=./-rf/x*',
    '--anchored',
    '--no-wildcards',
    '--exclude=./-rf/b',
    '--directory=/srv',
    './--exec',
    './-rf',
  ]);
});

describe('what tar said', () => {
  const judge = (exitCode: number, ...lines: string[]) => judgeTar(exitCode, Readable.from(lines));

  test.each([
    [0, ['tar: ./a: socket ignored'], []],
    [0, ['tar: ./a: Directory is new', 'tar: ./b: Directory has been renamed from ‘./c’'], []],
    [1, ['/usr/bin/tar: ./a: file changed as we read it'], ['./a: file changed as we read it']],
    [1, ['tar: ./a: File shrank by 5 bytes; padding with zeros'], ['./a: File shrank by 5 bytes; padding with zeros']],
    [
      2,
      [
        'tar: ./a: b: Cannot open: Permission denied',
        'tar: ./c: Warning: Cannot stat: No such file or directory',
        'tar: Exiting with failure status due to previous errors',
      ],
      ['./a: b: Cannot open: Permission denied', './c: Warning: Cannot stat: No such file or directory'],
    ],
  ])('with exit code %i and %j is a warning at most', async (exitCode, lines, warnings) => {
    expect((await judge(exitCode, ...lines)).warnings).toEqual(warnings);
  });

  test.each([
    ['tar: ./a: Read error at byte 0, while reading 512 bytes: Input/output error'],
    ['tar: -: Wrote only 4096 of 10240 bytes', 'tar: Error is not recoverable: exiting now'],
    ['tar: ./a: Cannot open: Too many open files'],
    ['tar: Exiting with failure status due to previous errors'],
    [],
  ])('with exit code 2 and %j is a failure', async (...lines: string[]) => {
    await expect(judge(2, ...lines)).rejects.toMatchObject({ code: 'FILES_TAR' });
  });

  test('ten thousand times is told in fifty lines, and every name is remembered', async () => {
    const lines = Array.from({ length: 10_000 }, (_, i) => `tar: ./f\\n${i}: Cannot open: Permission denied`);
    const verdict = await judge(2, ...lines);
    expect(verdict.warnings).toHaveLength(mostWarnings + 1);
    expect(verdict.warnings.at(-1)).toBe('and 9950 more of this kind');
    expect(verdict.unread.size).toBe(10_000);
    expect(verdict.unread.has('./f\n77')).toBe(true);
  });

  test.each([
    ['plain', 'plain'],
    ['new\\nline \\t \\\\ \\303\\274', 'new\nline \t \\ \xc3\xbc'],
    ['\\a\\b\\f\\v\\r \\377', '\x07\b\f\v\r \xff'],
  ])('about %s is understood', (quoted, name) => expect(unquote(quoted)).toBe(name));
});

describe('names of files', () => {
  const anyName = fc.uint8Array({ minLength: 1 }).map(bytes => Buffer.from(bytes));

  test('come back from JSON as the same bytes', () => {
    fc.assert(
      fc.property(anyName, name => {
        expect(fromJsonName(JSON.parse(JSON.stringify(toJsonName(name))))).toEqual(name);
      }),
    );
    expect(toJsonName(Buffer.from('ü\n'))).toBe('ü\n');
    expect(toJsonName(Buffer.from([0xff]))).toEqual({ base64: '/w==' });
  });

  test('never lead out of the folder, and are shown on one line', () => {
    for (const bad of ['', '/etc', '../x', 'a/../../x', 'a/..', '..', 'a\0b']) {
      expect(pathKey(Buffer.from(bad)), bad).toBeUndefined();
    }
    expect(pathKey(Buffer.from('./a//b/./..c/'))).toEqual(['a', 'b', '..c']);
    fc.assert(
      fc.property(anyName, name => {
        const key = pathKey(name);
        if (key) expect(pathKey(Buffer.from(pathBytes(key)))).toEqual(key.length > 0 ? key : undefined);
        expect(showPath(name)).not.toMatch(/[\u0000-\u001f\u007f]/);
      }),
    );
  });
});

describe("tar's memory of the run before", () => {
  test('is rewritten as tar wrote it, except for what the rules take out', async () => {
    await using platform = await FilesPlatform.create();
    for (const name of ['one', 'two\n', '\u00fc']) await writeFile(platform.path(name), name);
    await run('mkdir', ['-p', 'inner/deep', 'empty'], { cwd: platform.uploads });
    const snar = join(platform.root, 'snar');
    const args = ['--create', '--file=/dev/null', `--listed-incremental=${snar}`, '-C', platform.root, './uploads'];
    await run('tar', args, { env: { PATH: process.env.PATH, LC_ALL: 'C' } });
    const original = await readFile(snar);
    const rewrite = async (rules: SnarRules, step = 7) => {
      const chunks = Array.from({ length: Math.ceil(original.length / step) }, (_, i) =>
        original.subarray(i * step, (i + 1) * step),
      );
      const out: Buffer[] = [];
      for await (const chunk of rewriteSnar(Readable.from(chunks), rules)) out.push(chunk);
      return Buffer.concat(out).toString('latin1');
    };
    const before = original.toString('latin1');
    expect(await rewrite({})).toBe(before);
    expect(await rewrite({}, 1)).toBe(before);
    const seconds = /-2\n(\d+)\0/.exec(before)![1]!;
    expect(await rewrite({ marginSeconds: 3 })).toBe(before.replace(seconds, String(Number(seconds) - 3)));
    const without = await rewrite({ keepName: (folder, name) => `${folder}/${name}` !== './uploads/two\n' });
    expect(without).toBe(before.replace('Ytwo\n\0', ''));
    const folders: string[] = [];
    const pruned = await rewrite({
      async keepFolder(name, inode) {
        folders.push(name.toString());
        expect(inode).toMatch(/^\d+$/);
        return name.toString() !== './uploads/inner';
      },
    });
    expect(folders.sort()).toEqual(['./uploads', './uploads/empty', './uploads/inner', './uploads/inner/deep']);
    expect(pruned).not.toContain('\0./uploads/inner\0');
    expect(pruned.length).toBeLessThan(before.length);
  });

  test.each(['', 'GNU tar-1.34-1\n5\0', 'GNU tar-1.34-2\n5\0', 'GNU tar-1.34-2\n5\x005\x000\x001\x00', 'nonsense'])(
    '%j is refused',
    async text => {
      const read = Array.fromAsync(rewriteSnar(Readable.from([Buffer.from(text)]), {}));
      await expect(read).rejects.toMatchObject({ code: 'FILES_STATE' });
    },
  );
});
