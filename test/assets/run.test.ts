import { appendFile, chmod, readdir, readFile, rename, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openCache } from '../../actions/lib/assets/cache/index.ts';
import { assetsDataSchema } from '../../actions/lib/assets/data.ts';
import {
  assetsCheckOperation,
  assetsMergeOperation,
  assetsOptimizeOperation,
  manifestSchema,
  parseShard,
} from '../../actions/lib/assets/index.ts';
import { leftFile } from '../../actions/lib/assets/result.ts';
import { bomb, photo, slowToDeflate } from './images/pictures.ts';
import { looseCss, Tree } from './tree-fixture.ts';

const optimize = (
  tree: Tree,
  input: Partial<Parameters<typeof assetsOptimizeOperation.execute>[0]> = {},
  assets = {},
) =>
  assetsOptimizeOperation.execute(
    { globs: ['**/*.{css,js,json,html,svg}'], inPlace: true, ...input },
    tree.context(assets),
  );
const check = (tree: Tree, assets = {}) =>
  assetsCheckOperation.execute({ globs: ['**/*.{css,js,json,html,svg}'], shard: undefined }, tree.context(assets));

describe('optimize', () => {
  test('replaces sources, and puts beside them what servers send compressed', async () => {
    await using tree = await Tree.open({ 'css/A.CSS': looseCss, 'small.json': '{ "a": 1 }\n' });
    const { data, checks } = await optimize(tree);
    expect(await tree.list()).toEqual(['css/A.CSS', 'css/A.CSS.br', 'css/A.CSS.gz', 'small.json']);
    expect(await tree.read('small.json')).toBe('{"a":1}');
    const css = await readFile(join(tree.root, 'css/A.CSS'));
    expect(css.length).toBeLessThan(looseCss.length / 1.5);
    expect(brotliDecompressSync(await readFile(join(tree.root, 'css/A.CSS.br'))).equals(css)).toBe(true);
    expect(gunzipSync(await readFile(join(tree.root, 'css/A.CSS.gz'))).equals(css)).toBe(true);
    expect(data).toMatchObject({
      files: 2,
      bytes: looseCss.length + 11,
      savedBytes: looseCss.length - css.length + 4,
      possibleBytes: 0,
      writtenFiles: 4,
      cachedFiles: 0,
    });
    expect(checks.every(({ status }) => status === 'ok')).toBe(true);
    assetsDataSchema.parse(data);
  });

  test('the second time changes nothing, and reads nothing', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss, 'b.js': 'function f ( argument ) { return argument }\n' });
    await optimize(tree);
    const before = await tree.list();
    const { data } = await optimize(tree);
    expect(data).toMatchObject({ cachedFiles: 2, writtenFiles: 0, savedBytes: 0 });
    expect(await tree.list()).toEqual(before);
  });

  test('what changed without changing in size is brought up to date: the copy, and what is compressed', async () => {
    const css = (colour: string) => `${looseCss}.last { color: ${colour} }\n`;
    for (const input of [{ inPlace: true }, { inPlace: false, out: 'dist' }]) {
      await using tree = await Tree.open({ 'a.css': css('red'), 'b.bin': 'one' });
      const globs = ['*.css', '*.bin'];
      const served = async () => {
        const folder = join(tree.root, input.out ?? '');
        const [plain, gzip] = [await readFile(join(folder, 'a.css')), await readFile(join(folder, 'a.css.gz'))];
        expect(gunzipSync(gzip).equals(plain)).toBe(true);
        return { css: plain.toString().slice(-20), bin: await readFile(join(folder, 'b.bin'), 'utf8') };
      };
      await optimize(tree, { ...input, globs }, { hashedNames: false });
      expect(await served()).toMatchObject({ css: expect.stringContaining('red'), bin: 'one' });
      await tree.write('a.css', css('tan'));
      await tree.write('b.bin', 'two');
      // Looked at before it is written, it is known to the cache.
      await check(tree, { hashedNames: false });
      await optimize(tree, { ...input, globs }, { hashedNames: false });
      expect(await served()).toMatchObject({ css: expect.stringContaining('tan'), bin: 'two' });
      expect((await optimize(tree, { ...input, globs }, { hashedNames: false })).data.writtenFiles).toBe(0);
    }
  });

  test('a compressed file that is not made any more is taken away, and that of a person stays', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss, 'b.css': 'a{color:red}', 'b.css.gz': 'of a person' });
    await optimize(tree);
    expect(await tree.list()).toEqual(['a.css', 'a.css.br', 'a.css.gz', 'b.css', 'b.css.gz']);
    await tree.write('a.css', 'a{color:tan}');
    await optimize(tree);
    expect(await tree.list()).toEqual(['a.css', 'b.css', 'b.css.gz']);
  });

  test('files of one content are all replaced, and the second time changes none of them', async () => {
    const paths = Array.from({ length: 20 }, (_, at) => `${at}.css`);
    await using tree = await Tree.open(Object.fromEntries(paths.map(path => [path, looseCss])));
    await optimize(tree);
    const sizes = await Promise.all(paths.map(async path => (await tree.read(path)).length));
    expect(new Set(sizes).size).toBe(1);
    expect(sizes[0]).toBeLessThan(looseCss.length / 1.5);
    expect((await optimize(tree)).data).toMatchObject({ cachedFiles: 20, writtenFiles: 0, savedBytes: 0 });
  });

  test('into a folder leaves the tree as it is, and the folder has every file', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss, 'bad.css': '}', 'done.json': '1' });
    await optimize(
      tree,
      { inPlace: false, out: 'dist', manifest: 'dist/assets.json' },
      { hashedNames: true, publicPath: '/static' },
    );
    expect(await tree.read('a.css')).toBe(looseCss);
    expect((await tree.list()).map(path => path.replace(/\.[0-9a-f]{8}\./, '.HASH.'))).toEqual([
      'a.css',
      'bad.css',
      'dist/a.HASH.css',
      'dist/a.HASH.css.br',
      'dist/a.HASH.css.gz',
      'dist/assets.json',
      'dist/bad.HASH.css',
      'dist/done.HASH.json',
      'done.json',
    ]);
    const manifest = manifestSchema.parse(JSON.parse(await tree.read('dist/assets.json')));
    for (const asset of manifest.assets) {
      expect(asset.path.startsWith('/static/')).toBe(true);
      expect((await readFile(join(tree.root, 'dist', asset.path.slice('/static/'.length)))).length).toBe(asset.bytes);
    }
    // What it made is not what it works on.
    expect(
      (
        await optimize(
          tree,
          { inPlace: false, out: 'dist', manifest: 'dist/assets.json' },
          { hashedNames: true, publicPath: '/static' },
        )
      ).data,
    ).toMatchObject({ files: 3, writtenFiles: 0 });
  });

  test('what is narrower in the format of an image itself is offered together with it', async () => {
    await using tree = await Tree.open({ 'a.webp': await photo(400, 300).webp({ quality: 75 }).toBuffer() });
    await optimize(tree, { globs: ['*.webp'], manifest: 'assets.json' }, { images: { widths: [120] } });
    const [asset] = manifestSchema.parse(JSON.parse(await tree.read('assets.json'))).assets;
    expect(asset!.srcset!['image/webp']).toBe('/a.webp.120w.webp 120w, /a.webp 400w');
    expect(asset!.picture).toContain('src="/a.webp" srcset="/a.webp.120w.webp 120w, /a.webp 400w"');
    expect(asset!.variants.at(-1)).toMatchObject({ path: '/a.webp', width: 400, sha256: asset!.sha256, score: null });
    await optimize(tree, { globs: ['*.webp'], manifest: 'assets.json' }, { images: { widths: [120], maxWidth: 120 } });
    const [bounded] = manifestSchema.parse(JSON.parse(await tree.read('assets.json'))).assets;
    expect(bounded!.srcset!['image/webp']).toBe('/a.webp.120w.webp 120w');
  });

  test('a source map goes with its file', async () => {
    const code = 'function price( amount ) {\n  return amount ;\n}\n//# sourceMappingURL=maps/a.js.map\n';
    const map = { version: 3, sources: ['a.ts'], names: [], mappings: 'AAAA;AACA;AACA' };
    await using tree = await Tree.open({ 'js/a.js': code, 'js/maps/a.js.map': JSON.stringify(map) });
    await optimize(tree, { globs: ['**/*.js'] });
    expect(await tree.read('js/a.js')).toMatch(
      /^function price\(\w\)\{return \w\}\n\/\/# sourceMappingURL=maps\/a\.js\.map$/,
    );
    const made = JSON.parse(await tree.read('js/maps/a.js.map'));
    expect(made.sources).toEqual(['a.ts']);
    expect(made.mappings).not.toBe(map.mappings);
    expect((await optimize(tree, { globs: ['**/*.js'] })).data).toMatchObject({ writtenFiles: 0, cachedFiles: 1 });
  });

  test('a source map outside of the tree is not read, and the file stays', async () => {
    await using outside = await Tree.open({ 'a.js.map': '{"version":3,"sources":["x"],"names":[],"mappings":""}' });
    const code = 'function price( amount ) {\n  return amount ;\n}\n//# sourceMappingURL=a.js.map\n';
    await using tree = await Tree.open({ 'a.js': code });
    await symlink(join(outside.root, 'a.js.map'), join(tree.root, 'a.js.map'));
    expect((await optimize(tree)).data.left).toMatchObject([{ path: 'a.js', code: 'MAP' }]);
    expect(await tree.read('a.js')).toBe(code);
  });

  test('says where to put it, or it is not begun', async () => {
    await using tree = await Tree.open();
    await expect(optimize(tree, { inPlace: false })).rejects.toMatchObject({ code: 'USAGE', exitCode: 2 });
  });

  test('of globs that match nothing is an error, not a green check', async () => {
    await using tree = await Tree.open();
    const misspelt = { globs: ['publik/**'], shard: undefined };
    await expect(assetsCheckOperation.execute(misspelt, tree.context())).rejects.toMatchObject({
      code: 'ASSETS_NONE',
      exitCode: 2,
      message: 'No file here matches publik/**',
    });
  });
});

describe('the cache', () => {
  test('a fresh checkout costs reading, and no work', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss });
    await check(tree);
    await utimes(join(tree.root, 'a.css'), new Date(), new Date());
    expect((await check(tree)).data).toMatchObject({ cachedFiles: 1 });
    await tree.write('moved/b.css', looseCss);
    expect((await check(tree)).data).toMatchObject({ cachedFiles: 2, files: 2 });
  });

  test('files that became alike keep what was made of each; what was replaced is not known by its old content', async () => {
    await using tree = await Tree.open();
    const cache = await openCache({ folder: join(tree.root, 'cache'), keepDays: 30, now: () => new Date() });
    const [key, before, after] = ['key', 'a'.repeat(64), 'b'.repeat(64)];
    const remember = (path: string, content: string, note: string) => {
      const result = { ...leftFile(path, 'image', { bytes: 1, sha256: content }, '', ''), notes: [note] };
      cache.remember({ path, key, content, inputs: [], signatures: [], checkedAt: 0, result });
    };
    remember('one.jpg', before, 'made of the first');
    expect(cache.byContent('copy.jpg', key, before)?.notes).toEqual(['made of the first']);
    remember('one.jpg', after, 'made of the first');
    remember('two.jpg', after, 'made of the second');
    expect(cache.byContent('copy.jpg', key, before)).toBeUndefined();
    expect(cache.byContent('one.jpg', key, after)?.notes).toEqual(['made of the first']);
    expect(cache.byContent('two.jpg', key, after)?.notes).toEqual(['made of the second']);
    expect(cache.byContent('moved.jpg', key, after)?.notes).toEqual(['made of the second']);
  });

  test('a changed file is worked on again, although size and times are the same', async () => {
    await using tree = await Tree.open({ 'a.json': '[ 1 ]' });
    const then = new Date(1_700_000_000_000);
    await utimes(join(tree.root, 'a.json'), then, then);
    expect((await check(tree)).data.possibleBytes).toBe(2);
    await writeFile(join(tree.root, 'a.json'), '[100]');
    await utimes(join(tree.root, 'a.json'), then, then);
    expect((await check(tree)).data).toMatchObject({ possibleBytes: 0, cachedFiles: 0 });
  });

  test('other settings are other results', async () => {
    const code = '(() => { class Invoice { total() { return 1 } } globalThis.x = new Invoice() })()\n';
    await using tree = await Tree.open({ 'a.js': code });
    const kept = (await check(tree)).data.possibleBytes;
    const given = await check(tree, { text: { keepNames: false } });
    expect(given.data.cachedFiles).toBe(0);
    expect(given.data.possibleBytes).toBeGreaterThan(kept);
  });

  test('a blob that is damaged is never written: the file is worked on again', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss });
    await optimize(tree, { inPlace: false, bundle: 'bundle' });
    const blobs = (
      await readdir(join(tree.root, '.ops/assets-cache/blobs'), { recursive: true, withFileTypes: true })
    ).filter(each => each.isFile());
    expect(blobs.length).toBe(3);
    for (const { parentPath, name } of blobs) await appendFile(join(parentPath, name), 'x');
    const { data } = await optimize(tree);
    expect(data.left).toMatchObject([{ path: 'a.css', code: 'ASSETS_CACHE' }]);
    expect(await tree.read('a.css')).toBe(looseCss);
    expect((await optimize(tree)).data.left).toEqual([]);
    expect((await tree.read('a.css')).length).toBeLessThan(looseCss.length / 1.5);
  });

  test('what was made of a script is not taken for a module, nor for text, of the same bytes', async () => {
    const code = 'const message = document.title ;\nconsole.log( message , message ) ;\n';
    const names = ['a.mjs', 'a.js', 'a.txt', 'a.JS'];
    const alone: Record<string, string> = {};
    for (const name of names) {
      await using tree = await Tree.open({ [name]: code });
      await optimize(tree, { globs: ['*.{mjs,js,txt}'] });
      alone[name] = await tree.read(name);
    }
    // At its top level a script has names that others may use, and a module has none.
    expect(alone['a.js']).toMatch(/^const message=\S/);
    expect(alone['a.mjs']).not.toContain('message');
    expect(alone['a.txt']).toBe(code);
    await using tree = await Tree.open();
    for (const name of names) {
      await tree.write(name, code);
      const { data } = await optimize(tree, { globs: [name] });
      expect([name, await tree.read(name), data.cachedFiles]).toEqual([name, alone[name], name === 'a.JS' ? 1 : 0]);
    }
  });

  test('a wrong suffix is found, and found to be put right, whatever is known of the same bytes', async () => {
    const jpeg = await photo(64, 48).jpeg({ quality: 95 }).toBuffer();
    await using tree = await Tree.open({ 'a.png': jpeg });
    const left = async (globs: string[]) => {
      const { data } = await assetsCheckOperation.execute({ globs, shard: undefined }, tree.context());
      return { codes: data.left.map(({ code }) => code), cached: data.cachedFiles };
    };
    expect(await left(['*.png'])).toEqual({ codes: ['IMAGE_WRONG_EXTENSION'], cached: 0 });
    await rename(join(tree.root, 'a.png'), join(tree.root, 'a.jpg'));
    expect(await left(['*.jpg'])).toEqual({ codes: [], cached: 0 });
    await rename(join(tree.root, 'a.jpg'), join(tree.root, 'b.JPEG'));
    expect(await left(['*.jpeg'])).toEqual({ codes: [], cached: 1 });
    await rename(join(tree.root, 'b.JPEG'), join(tree.root, 'b.webp'));
    expect(await left(['*.webp'])).toEqual({ codes: ['IMAGE_WRONG_EXTENSION'], cached: 0 });
  });

  test('what took too long once is tried again: another machine, or another hour, has more time', async () => {
    await using tree = await Tree.open({ 'slow.png': await slowToDeflate(3000) });
    const images = { limits: { timeoutSeconds: 1 } };
    for (let run = 0; run < 2; run++) {
      const { data, checks } = await assetsCheckOperation.execute(
        { globs: ['*.png'], shard: undefined },
        tree.context({ images }),
      );
      expect(data.left).toMatchObject([{ path: 'slow.png', code: 'IMAGE_TIMEOUT', isDamaged: true }]);
      expect(data.cachedFiles).toBe(0);
      expect(checks.find(({ id }) => id === 'assets.files')?.status).toBe('warning');
    }
  });

  test('an index that is damaged is one that is made anew', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss });
    await check(tree);
    await writeFile(join(tree.root, '.ops/assets-cache/index.ndjson'), '{"path":\n{}\nnonsense');
    expect((await check(tree)).data).toMatchObject({ cachedFiles: 0, files: 1 });
    expect((await check(tree)).data).toMatchObject({ cachedFiles: 1 });
  });

  test('what was not used for long goes', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss });
    await optimize(tree);
    const context = tree.context();
    const later = { ...context, now: () => new Date(Date.now() + 40 * 86_400_000) };
    await tree.write('b.json', '[ 1 ]');
    await assetsCheckOperation.execute({ globs: ['b.json'], shard: undefined }, later);
    const index = await readFile(join(tree.root, '.ops/assets-cache/index.ndjson'), 'utf8');
    expect(
      index
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).path),
    ).toEqual(['b.json']);
    const blobs = (
      await readdir(join(tree.root, '.ops/assets-cache/blobs'), { recursive: true, withFileTypes: true })
    ).filter(each => each.isFile());
    expect(blobs).toHaveLength(1);
  });
});

describe('what bad input gets: one line each, and the others go on', () => {
  test('in one tree', async () => {
    const files = {
      'good.css': looseCss,
      'broken.css': 'a { color: red }}',
      'cut.css': 'a {',
      'broken.js': 'function (',
      'broken.json': '{"a":1',
      'broken.html': '<p <',
      'latin1.css': Buffer.from([0x61, 0x7b, 0x7d, 0xe9]),
      'script.svg': '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
      'entity.svg':
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>',
      'empty.js': '',
    };
    await using tree = await Tree.open(files);
    await symlink('/etc/hostname', join(tree.root, 'link.css'));
    const { data } = await optimize(tree);
    expect(Object.fromEntries(data.left.map(({ path, code }) => [path, code]))).toEqual({
      'broken.css': 'INVALID',
      'cut.css': 'UNSURE',
      'broken.js': 'INVALID',
      'broken.json': 'INVALID',
      'broken.html': 'INVALID',
      'latin1.css': 'ENCODING',
      'script.svg': 'UNSAFE',
      'entity.svg': 'UNSAFE',
      'empty.js': 'EMPTY',
      'link.css': 'LINK_OUTSIDE',
    });
    for (const { reason } of data.left) expect(reason).toMatch(/^[^\n]{5,}$/);
    for (const [path, content] of Object.entries(files)) {
      if (path !== 'good.css')
        expect([path, await readFile(join(tree.root, path))]).toEqual([path, Buffer.from(content as string)]);
    }
    expect((await tree.read('good.css')).length).toBeLessThan(looseCss.length);
  });

  test('among images', async () => {
    const jpeg = await photo(320, 240).jpeg({ quality: 97 }).toBuffer();
    const files = {
      'GOOD.JPG': jpeg,
      'cut.jpg': jpeg.subarray(0, jpeg.length / 2),
      'empty.png': Buffer.alloc(0),
      'bomb.png': bomb(60_000, 60_000),
      'wrong.png': jpeg,
      'page.webp': Buffer.from('<!doctype html><p>404</p>'),
    };
    await using tree = await Tree.open(files);
    await symlink('/etc/hostname', join(tree.root, 'link.jpg'));
    const images = { formats: ['webp' as const], widths: [], minSavingBytes: 1 };
    const { data, checks } = await optimize(tree, { globs: ['**/*.{jpg,png,webp}'] }, { images });
    expect(Object.fromEntries(data.left.map(({ path, code }) => [path, code]))).toEqual({
      'cut.jpg': 'IMAGE_DAMAGED',
      'empty.png': 'IMAGE_EMPTY',
      'bomb.png': 'IMAGE_TOO_MANY_PIXELS',
      'wrong.png': 'IMAGE_WRONG_EXTENSION',
      'page.webp': 'IMAGE_UNKNOWN_FORMAT',
      'link.jpg': 'LINK_OUTSIDE',
    });
    for (const { reason } of data.left) expect(reason).toMatch(/^[^\n]{5,}$/);
    for (const [path, content] of Object.entries(files).slice(1)) {
      expect([path, (await readFile(join(tree.root, path))).equals(content)]).toEqual([path, true]);
    }
    expect((await readFile(join(tree.root, 'GOOD.JPG'))).length).toBeLessThan(jpeg.length);
    expect(checks.find(({ id }) => id === 'assets.files')).toMatchObject({ status: 'warning' });
  });

  test('a file that may not be read', async context => {
    await using tree = await Tree.open({ 'a.css': 'a { color: red }', 'secret.css': 'a { color: red }' });
    await chmod(join(tree.root, 'secret.css'), 0);
    await chmod(tree.root, 0o777);
    if (process.getuid?.() !== 0) return;
    if (!process.seteuid) return context.skip('no other user to become');
    process.seteuid(65_534);
    try {
      const { data, checks } = await check(tree);
      expect(data.left).toMatchObject([
        { path: 'secret.css', code: 'UNREADABLE', reason: 'it cannot be read (EACCES)' },
      ]);
      expect(data.files).toBe(2);
      expect(checks.find(({ id }) => id === 'assets.files')).toMatchObject({ status: 'warning', value: 1 });
    } finally {
      process.seteuid(0);
    }
  });

  test('a run that is cancelled writes nothing half', async () => {
    const stop = new AbortController();
    await using tree = await Tree.open(
      Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`${at}.css`, `${looseCss}/* ${at} */`])),
    );
    const run = assetsOptimizeOperation.execute({ globs: ['*.css'], inPlace: true }, tree.context({}, stop.signal));
    stop.abort(new Error('cancelled'));
    await expect(run).rejects.toThrow('cancelled');
    for (const path of await tree.list()) expect(path).not.toContain('ops-tmp');
  });
});

describe('budgets', () => {
  const files = {
    'a/one.css': 'x'.repeat(600),
    'a/two.css': 'x'.repeat(600),
    'b/three.css': 'x'.repeat(100),
    'b/four.js': ';'.repeat(50),
  };
  test.each([
    ['kept', { perFile: { '**/*.css': '1 KB' }, total: { '**': '2KB' } }, []],
    ['of a file', { perFile: { '**/*.css': 599 } }, ['perFile a/one.css', 'perFile a/two.css']],
    ['of a folder', { perFolder: { '**/*.css': '1KB' } }, ['perFolder a']],
    ['of all', { total: { '**/*.{css,js}': '1.3KB' } }, ['total **/*.{css,js}']],
    ['in another case', { perFile: { '**/*.CSS': 599 } }, ['perFile a/one.css', 'perFile a/two.css']],
  ])('%s', async (_, budgets, broken) => {
    await using tree = await Tree.open(files);
    const { checks, data } = await check(tree, { budgets });
    const found = checks.filter(({ id, status }) => id === 'assets.budget' && status !== 'ok');
    expect(found.map(({ target }) => target)).toEqual(broken);
    expect(data.brokenBudgets).toBe(broken.length);
  });
});

describe('shards', () => {
  const files = Object.fromEntries(
    Array.from({ length: 30 }, (_, at) => [`f${at}/a.css`, `${looseCss}\n.x${at} { color: red }`]),
  );

  test('share the files between them; merged, they are what one run makes', async () => {
    await using alone = await Tree.open(files);
    await using shared = await Tree.open(files);
    await optimize(alone, { manifest: 'assets.json' });
    const counts: number[] = [];
    for (const text of ['1/3', '2/3', '3/3']) {
      const { data } = await optimize(shared, {
        inPlace: false,
        shard: parseShard(text),
        bundle: `.ops/bundles/${text.replace('/', '-')}`,
      });
      counts.push(data.files);
    }
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(30);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    const bundles = ['.ops/bundles/1-3', '.ops/bundles/2-3', '.ops/bundles/3-3'];
    const { data } = await assetsMergeOperation.execute(
      { bundles, inPlace: true, manifest: 'assets.json' },
      shared.context(),
    );
    expect(data).toMatchObject({ mode: 'merge', files: 30, leftFiles: 0 });
    const list = await shared.list();
    expect(list).toEqual(await alone.list());
    for (const path of list)
      expect([path, await readFile(join(shared.root, path))]).toEqual([path, await readFile(join(alone.root, path))]);
  });

  test('that are not all there, or not of the same run, are not merged', async () => {
    await using tree = await Tree.open(files);
    for (const text of ['1/2', '2/2'])
      await optimize(tree, { inPlace: false, shard: parseShard(text), bundle: text.replace('/', '-') });
    await optimize(tree, { inPlace: false, shard: parseShard('1/3'), bundle: '1-3' });
    const merge = (bundles: string[], assets = {}) =>
      assetsMergeOperation.execute({ bundles, inPlace: true }, tree.context(assets));
    await expect(merge(['1-2'])).rejects.toThrow('shard 2/2 is missing');
    await expect(merge(['1-2', '1-2'])).rejects.toThrow('shard 2/2 is missing');
    await expect(merge(['1-2', '2-2', '2-2'])).rejects.toThrow('a shard comes twice');
    await expect(merge(['1-3', '2-2'])).rejects.toThrow('different numbers');
    await expect(merge(['1-2', 'nowhere'])).rejects.toThrow('nowhere has no results.json');
    await expect(merge(['1-2', '2-2'], { text: { keepNames: false } })).rejects.toThrow('other settings');
    await writeFile(
      join(tree.root, '2-2/results.json'),
      '{"schema":"production-ops/assets-results/1","results":[{"path":"../../etc/passwd"}]}',
    );
    await expect(merge(['1-2', '2-2'])).rejects.toMatchObject({ code: 'ASSETS_BUNDLE', exitCode: 2 });
    for (const [path, content] of Object.entries(files)) expect(await tree.read(path)).toBe(content);
  });

  test('a file that was changed since is not written over', async () => {
    await using tree = await Tree.open({ 'a.css': looseCss, 'b.css': looseCss });
    await optimize(tree, { inPlace: false, bundle: 'bundle' });
    await tree.write('a.css', '.mine { color: red }');
    const { data } = await assetsMergeOperation.execute({ bundles: ['bundle'], inPlace: true }, tree.context());
    expect(data.left).toMatchObject([{ path: 'a.css', code: 'CHANGED' }]);
    expect(await tree.read('a.css')).toBe('.mine { color: red }');
    expect(await tree.read('b.css')).not.toBe(looseCss);
  });

  test.each(['0/2', '3/2', '1', '1/0', 'a/b', '1/2/3'])('%s is not a shard', text => {
    expect(() => parseShard(text)).toThrow(`'${text}' is not a shard`);
  });
});
