import { lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listTree, matchesGlob, signatureOf, writeFileWhole } from '../../actions/lib/assets/tree/index.ts';
import { Tree } from './tree-fixture.ts';

describe('globs', () => {
  test.each([
    ['**/*.{jpg,png}', ['a.jpg', 'x/y/A.JPG', '.hidden/a.png'], ['a.gif', 'jpg', 'a.jpg.bak']],
    ['*.css', ['a.css', '.css'], ['x/a.css']],
    ['public/**', ['public/a', 'public/x/y.z'], ['public', 'other/public/a']],
    ['**/img-[0-9]?.png', ['img-1a.png', 'x/img-9_.png'], ['img-a1.png', 'img-1.png']],
    ['a.{b,c{d,e}}', ['a.b', 'a.cd', 'a.ce'], ['a.c', 'a.d']],
    ['a{b}.c', ['a{b}.c'], ['ab.c']],
    ['a\\*.c', ['a*.c'], ['ab.c']],
    ['x/**/y', ['x/y', 'x/a/y', 'x/a/b/y'], ['xy', 'x/ay']],
    ['[!a]b', ['cb'], ['ab', '/b']],
  ])('%s', (glob, matching, others) => {
    for (const path of matching) expect([path, matchesGlob(glob, path)]).toEqual([path, true]);
    for (const path of others) expect([path, matchesGlob(glob, path)]).toEqual([path, false]);
  });

  test('name the same files here as in the tree', async () => {
    const paths = ['a.js', 'b.JS', 'x/a.js', 'x/y/c.css', 'x/y/.d.css', 'z.d/e.svg', 'x/[1].js'];
    await using tree = await Tree.open(Object.fromEntries(paths.map(path => [path, 'x'])));
    const piece = fc.constantFrom('**/', '*', '.js', '.css', 'x/', 'y/', '{a,b}', '?', 'c', '*.{js,css}');
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 4 }), async pieces => {
        const glob = pieces.join('');
        // Two stars that are not a whole part of the path mean nothing that anybody agrees on.
        fc.pre(!/[^/]\*\*|\*\*[^/]|\*\*\/?$|\/$/.test(glob));
        const listed = await listTree(tree.root, [glob], []);
        expect([glob, listed.paths]).toEqual([glob, paths.filter(path => matchesGlob(glob, path)).sort()]);
      }),
      { numRuns: 150 },
    );
  });
});

describe('what is looked at', () => {
  test('suffixes count in whatever case; what was made here, and what is excluded, is left out', async () => {
    await using tree = await Tree.open({
      'A.JPG': 'x',
      'b.jpg': 'x',
      'b.jpg.640w.webp': 'x',
      'b.jpg.640w.1a2b3c4d.avif': 'x',
      'node_modules/c.jpg': 'x',
      'b.webp': 'x',
    });
    const { paths } = await listTree(tree.root, ['**/*.{jpg,webp,avif}'], ['**/node_modules/**']);
    expect(paths).toEqual(['A.JPG', 'b.jpg', 'b.webp']);
  });

  test('links out of the tree are refused with a line, links inside are passed over, links to nothing are unreadable', async () => {
    await using outside = await Tree.open({ 'secret.css': 'a{}' });
    await using tree = await Tree.open({ 'a.css': 'a{}' });
    await symlink(join(outside.root, 'secret.css'), join(tree.root, 'file.css'));
    await symlink(outside.root, join(tree.root, 'folder.css'));
    await symlink(join(tree.root, 'a.css'), join(tree.root, 'inside.css'));
    await symlink('nowhere', join(tree.root, 'broken.css'));
    const { paths, refused } = await listTree(tree.root, ['**/*.css'], []);
    expect(paths).toEqual(['a.css']);
    expect(refused.map(({ path, code }) => [path, code])).toEqual([
      ['broken.css', 'UNREADABLE'],
      ['file.css', 'LINK_OUTSIDE'],
      ['folder.css', 'LINK_OUTSIDE'],
    ]);
  });

  test.each(['../*.css', '/etc/*', 'a/../../b', 'a\0b'])('%j leads out of the tree', async glob => {
    await using tree = await Tree.open();
    await expect(listTree(tree.root, [glob], [])).rejects.toMatchObject({ code: 'ASSETS_PATH', exitCode: 2 });
  });

  test('a tree that is not there is said', async () => {
    await expect(listTree('/nowhere/at/all', ['*'], [])).rejects.toMatchObject({ code: 'ASSETS_ROOT' });
  });
});

describe('writing', () => {
  test('keeps the mode, and leaves nothing beside the file', async () => {
    await using tree = await Tree.open();
    await writeFile(join(tree.root, 'a.sh'), 'long', { mode: 0o755 });
    await writeFileWhole({ root: tree.root, path: 'a.sh', bytes: Buffer.from('s') });
    expect((await lstat(join(tree.root, 'a.sh'))).mode & 0o777).toBe(0o755);
    expect(await readdir(tree.root)).toEqual(['a.sh']);
  });

  test('never goes over a file that was changed meanwhile', async () => {
    await using tree = await Tree.open({ 'a.css': 'before' });
    const expected = await signatureOf(join(tree.root, 'a.css'));
    await tree.write('a.css', 'mine');
    await expect(
      writeFileWhole({ root: tree.root, path: 'a.css', bytes: Buffer.from('theirs'), expected }),
    ).rejects.toMatchObject({ code: 'CHANGED' });
    expect(await tree.read('a.css')).toBe('mine');
    expect(await readdir(tree.root)).toEqual(['a.css']);
  });

  test('never goes through a link out of the tree', async () => {
    await using outside = await Tree.open();
    await using tree = await Tree.open();
    await symlink(outside.root, join(tree.root, 'link'));
    await expect(
      writeFileWhole({ root: tree.root, path: 'link/a.css', bytes: Buffer.from('x') }),
    ).rejects.toMatchObject({ code: 'LINK_OUTSIDE' });
    expect(await readdir(outside.root)).toEqual([]);
  });

  test('that fails leaves what was there', async () => {
    await using tree = await Tree.open();
    await mkdir(join(tree.root, 'a.css'));
    await expect(writeFileWhole({ root: tree.root, path: 'a.css', bytes: Buffer.from('x') })).rejects.toMatchObject({
      code: 'WRITE',
    });
    expect(await readdir(tree.root)).toEqual(['a.css']);
  });
});
