import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bundle } from '../../scripts/build.ts';
import { type ExternalPackage, planExternals, platformsOf } from '../../scripts/externals.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const here = `${process.platform}-${process.arch}`;

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'ops-externals-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Bundles a program and runs it where nothing but its own folder has packages. */
async function bundled(program: string) {
  const entry = join(folder, 'entry.ts');
  await writeFile(entry, program);
  const out = join(folder, 'out');
  const made = await bundle(entry, out);
  const { stdout } = await run(process.execPath, [join(out, 'main.mjs')], { cwd: tmpdir(), env: { PATH: '' } });
  return { ...made, out, said: JSON.parse(stdout) };
}

describe('a bundle whose packages load files of their own', () => {
  test('makes a picture with the sharp that was copied beside it', async () => {
    const { out, said, externals } = await bundled(`
      import sharp from 'sharp';
      import { z } from 'zod';
      const image = { width: 40, height: 30, channels: 3, background: '#c33' } as const;
      const bytes = await sharp({ create: image }).resize(20).avif().toBuffer();
      const { format, width, height } = await sharp(bytes).metadata();
      console.log(JSON.stringify({ from: import.meta.resolve('sharp'), format, width: z.int().parse(width), height }));
    `);
    expect(said).toEqual({
      from: expect.stringContaining(`${out}/node_modules/sharp/`),
      format: 'heif',
      width: 20,
      height: 15,
    });
    expect(externals.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['sharp', 'detect-libc', 'semver', '@img/colour']),
    );
    expect(platformsOf(externals)).toEqual([here]);
    // What was bundled is not there a second time, and nothing that is only read while one develops.
    expect(existsSync(join(out, 'node_modules/zod'))).toBe(false);
    const files = await readdir(out, { recursive: true });
    expect(files.filter(file => /\.(d\.[cm]?ts|map)$/.test(file))).toEqual([]);
  });

  test('names the licence of each of them, also of the libraries inside', async () => {
    const { out } = await bundled(`import sharp from 'sharp';\nconsole.log(JSON.stringify(typeof sharp));`);
    const licenses = readFileSync(join(out, 'licenses.txt'), 'utf8');
    expect(licenses).toMatch(/^sharp \d+\.\d+\.\d+\nApache-2\.0\n/m);
    expect(licenses).toMatch(/^@img\/sharp-libvips-\S+ \d+\.\d+\.\d+\nLGPL-3\.0-or-later\n/m);
    expect(licenses).toMatch(/^\| glib +\| LGPLv3/m);
  });

  test('parses SQL, CSS and JavaScript with what was copied beside it', async () => {
    const { said } = await bundled(`
      import { parse } from 'libpg-query';
      import { transform } from 'lightningcss';
      import { parseSync } from 'oxc-parser';
      const { minify } = await import('oxc-minify');
      const { stmts } = await parse('SELECT 1');
      const css = transform({ filename: 'a.css', code: Buffer.from('a { color: #ff0000 }'), minify: true });
      const script = await minify('a.js', 'const sum = (first, second) => first + second; globalThis.sum = sum;');
      console.log(JSON.stringify({
        statement: Object.keys(stmts[0].stmt)[0],
        css: css.code.toString(),
        program: parseSync('a.js', 'let a = 1').program.body[0].type,
        isShorter: script.code.length < 50,
      }));
    `);
    expect(said).toEqual({
      statement: 'SelectStmt',
      css: 'a{color:red}',
      program: 'VariableDeclaration',
      isShorter: true,
    });
  });

  test('without any has nothing beside it', async () => {
    const { out, externals } = await bundled(`console.log('1');`);
    expect(externals).toEqual([]);
    expect(await readdir(out)).toEqual(['licenses.txt', 'main.mjs']);
  });
});

describe('what is copied', () => {
  /** A `node_modules` by path and manifest. */
  async function tree(name: string, packages: Record<string, object>): Promise<string> {
    for (const [path, manifest] of Object.entries(packages)) {
      const file = join(folder, name, 'node_modules', path, 'package.json');
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, JSON.stringify({ version: '1.0.0', ...manifest }));
    }
    return join(folder, name);
  }
  const paths = (packages: readonly ExternalPackage[]) => packages.map(({ path }) => path);
  const picture = (binaries: readonly string[]) => ({
    picture: { dependencies: { shared: '1' }, optionalDependencies: Object.fromEntries(binaries.map(b => [b, '1'])) },
    shared: {},
  });
  const binary = (os: string, cpu: string, libc?: string) => ({ os: [os], cpu: [cpu], ...(libc && { libc: [libc] }) });

  test('is found as Node finds it: what is nested stays nested', async () => {
    const here = await tree('a', {
      first: { dependencies: { shared: '2' } },
      'first/node_modules/shared': { version: '2.0.0' },
      shared: {},
      second: { dependencies: { shared: '1', first: '1' } },
      stranger: {},
    });
    const plan = await planExternals(['first', 'second'], [here]);
    expect(paths(plan)).toEqual([
      'node_modules/first',
      'node_modules/first/node_modules/shared',
      'node_modules/second',
      'node_modules/shared',
    ]);
  });

  test('is for all the platforms that the trees are for', async () => {
    const names = ['picture-x64', 'picture-arm64', 'picture-mac'];
    const x64 = await tree('x64', { ...picture(names), 'picture-x64': binary('linux', 'x64', 'glibc') });
    const arm64 = await tree('arm64', { ...picture(names), 'picture-arm64': binary('linux', 'arm64', 'glibc') });
    expect(platformsOf(await planExternals(['picture'], [x64]))).toEqual(['linux-x64']);
    const both = await planExternals(['picture'], [x64, arm64]);
    expect(platformsOf(both)).toEqual(['linux-arm64', 'linux-x64']);
    expect(paths(both)).toHaveLength(4);
  });

  test('runs where each of its families has machine code', async () => {
    const here = await tree('a', {
      picture: { optionalDependencies: { 'picture-x64': '1', 'picture-arm64': '1' } },
      'picture-x64': binary('linux', 'x64'),
      'picture-arm64': binary('linux', 'arm64'),
      style: { optionalDependencies: { 'style-x64': '1', 'style-x64-musl': '1' } },
      'style-x64': binary('linux', 'x64', 'glibc'),
      'style-x64-musl': binary('linux', 'x64', 'musl'),
    });
    expect(platformsOf(await planExternals(['picture', 'style'], [here]))).toEqual(['linux-x64']);
  });

  test('is refused when something is missing, or two trees differ', async () => {
    const incomplete = await tree('a', { picture: { dependencies: { shared: '1' } } });
    await expect(planExternals(['picture'], [incomplete])).rejects.toThrow(
      'shared, which picture needs, is not installed',
    );
    const older = await tree('b', picture([]));
    const newer = await tree('c', { ...picture([]), shared: { version: '1.1.0' } });
    await expect(planExternals(['picture'], [older, newer])).rejects.toThrow(/shared is 1\.0\.0 in .* and 1\.1\.0 in/);
  });

  test('of this repository is complete for this machine', async () => {
    const { externalPackages } = await import('../../scripts/externals.ts');
    expect(platformsOf(await planExternals(externalPackages, [root]))).toEqual([here]);
  });
});
