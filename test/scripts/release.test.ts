import { execFile } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actionNames } from '../../scripts/build.ts';
import { planRelease, pushArguments } from '../../scripts/release/plan.ts';
import { type GitServer, startGitServer } from '../services/git-server.ts';
import { run } from '../services/processes.ts';

const root = join(import.meta.dirname, '../..');

describe('the tags of a release', () => {
  const tags = (...names: string[]) => new Map(names.map(name => [name, `commit of ${name}`]));

  test.each<[string, string[], string | undefined]>([
    ['0.1.0', [], 'v0'],
    ['1.0.0', ['v0.9.0', 'v0'], 'v1'],
    ['1.3.1', ['v1.3.0', 'v1.2.9', 'v1'], 'v1'],
    ['1.10.0', ['v1.9.0', 'v1'], 'v1'],
    // A repair of an older line.
    ['1.2.10', ['v1.3.0', 'v1.2.9', 'v1'], undefined],
    ['2.0.0-rc.1', ['v1.3.0', 'v1'], undefined],
    ['2.0.0', ['v2.0.0-rc.1', 'v1'], 'v2'],
    ['1.0.0', ['something', 'v1.0', 'vx'], 'v1'],
  ])('%s beside %j', (version, there, majorTag) => {
    const plan = planRelease(version, tags(...there));
    expect(plan).toMatchObject({ tag: `v${version}`, majorTag });
    if (majorTag) expect(plan.majorWas).toBe(there.includes(majorTag) ? `commit of ${majorTag}` : undefined);
  });

  test('one that is there is never made again', () => {
    expect(() => planRelease('1.0.0', tags('v1.0.0'))).toThrow(expect.objectContaining({ code: 'RELEASE_EXISTS' }));
  });

  test.each(['1.0', 'v1.0.0', '01.0.0', '1.0.0 ', ''])("'%s' is no version", version => {
    expect(() => planRelease(version, tags())).toThrow(
      expect.objectContaining({ code: 'RELEASE_VERSION', exitCode: 2 }),
    );
  });

  test('are pushed at once, and only from where they were seen', () => {
    expect(pushArguments({ tag: 'v1.1.0', majorTag: 'v1', majorWas: 'abc' }, 'def')).toEqual([
      '--atomic',
      '--force-with-lease=refs/tags/v1.1.0:',
      '--force-with-lease=refs/tags/v1:abc',
      'def:refs/tags/v1.1.0',
      'def:refs/tags/v1',
    ]);
  });
});

describe('a release of this repository', { timeout: 600_000 }, () => {
  let folder: string;
  let source: string;
  let bare: string;
  let server: GitServer;
  const git = async (where: string, ...args: string[]) => {
    const who = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', '-c', 'commit.gpgsign=false'];
    return (await run('git', ['-C', where, ...who, ...args], { maxBuffer: 64 * 1024 * 1024 })).stdout.trim();
  };
  /** Not spawnSync: the git server answers from this process. */
  const start = (args: readonly string[], options: { cwd: string; env: Record<string, string | undefined> }) =>
    new Promise<{ status: number; stdout: string; stderr: string }>(resolve => {
      execFile(process.execPath, args, options, (error, stdout, stderr) =>
        resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
      );
    });
  const release = (...args: string[]) =>
    start(['scripts/release.ts', '--platforms', `${process.platform}-${process.arch}`, ...args], {
      cwd: source,
      env: { PATH: process.env.PATH, HOME: folder, TMPDIR: tmpdir(), NODE_COMPILE_CACHE: join(folder, 'compiled') },
    });
  const tagsThere = async () => (await git(bare, 'tag', '--list')).split('\n').filter(Boolean);
  const commit = async (message: string) => {
    await git(source, 'commit', '--quiet', '--all', '-m', message);
    await git(source, 'push', '--quiet', 'origin', 'HEAD');
  };
  /** For what is about tags: the actions are bundled for each release, and one of them does. */
  const keepOneAction = async () => {
    const others = (await actionNames(source)).filter(name => name !== 'watchdog').map(name => `actions/${name}`);
    await git(source, 'rm', '-r', '--quiet', ...others);
    await commit('One action');
  };
  const takeBackTheOthers = async () => {
    await git(source, 'revert', '--no-edit', 'HEAD');
    await git(source, 'push', '--quiet', 'origin', 'HEAD');
  };
  const setVersion = async (version: string) => {
    const file = join(source, 'package.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace(/"version": "[^"]+"/, `"version": "${version}"`));
    await commit(version);
  };

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'ops-release-test-')));
    source = join(folder, 'source');
    bare = join(folder, 'shop.git');
    const kept = ['actions', 'scripts', 'test', '.github', 'package.json', 'package-lock.json', '.npmrc', 'LICENSE'];
    for (const path of [...kept, '.gitignore', 'tsconfig.json'])
      await cp(join(root, path), join(source, path), {
        recursive: true,
        filter: from => !/\/(dist|node_modules)$/.test(from),
      });
    await symlink(join(root, 'node_modules'), join(source, 'node_modules'));
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', bare]);
    await git(folder, 'init', '--quiet', '--initial-branch=main', source);
    // 50 MB of machine code: to look for what it has in common with itself, and to press it, takes longer than to send it.
    for (const repository of [source, bare]) {
      await git(repository, 'config', 'core.compression', '1');
      await git(repository, 'config', 'pack.window', '0');
    }
    await appendFile(join(source, '.git/info/exclude'), 'node_modules\n');
    await git(source, 'add', '--all');
    await git(source, 'commit', '--quiet', '-m', 'First');
    server = await startGitServer(bare);
    await git(source, 'remote', 'add', 'origin', server.url);
    await git(source, 'push', '--quiet', 'origin', 'HEAD');
    await setVersion('1.2.0');
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('is refused from a tree with changes, and from a commit that others cannot see', async () => {
    await writeFile(join(source, 'actions/new.ts'), '');
    expect(await release()).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^RELEASE_DIRTY .*actions\/new\.ts/),
    });
    await git(source, 'add', '--all');
    await git(source, 'commit', '--quiet', '-m', 'Not pushed');
    expect(await release()).toMatchObject({ status: 2, stderr: expect.stringMatching(/^RELEASE_UNPUSHED/) });
    await git(source, 'reset', '--quiet', '--hard', 'HEAD~1');
    expect(await tagsThere()).toEqual([]);
  });

  test('that is only tried pushes nothing', async () => {
    await keepOneAction();
    const dry = await release('--dry-run');
    expect(dry, dry.stderr).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/Would put [0-9a-f]{12} on v1\.2\.0 and v1;/),
    });
    expect(await tagsThere()).toEqual([]);
    await takeBackTheOthers();
  });

  test('holds the actions, their bundles and licences, and nothing else; and an action of it runs', async () => {
    const made = await release();
    expect(made, made.stderr).toMatchObject({ status: 0 });
    expect(await tagsThere()).toEqual(['v1', 'v1.2.0']);
    expect(await git(bare, 'rev-parse', 'v1')).toBe(await git(bare, 'rev-parse', 'v1.2.0'));

    const paths = (await git(bare, 'ls-tree', '-r', '--name-only', 'v1.2.0')).split('\n');
    const names = await actionNames(root);
    const expected = names.flatMap(name =>
      ['action.yml', 'README.md', 'dist/main.mjs', 'dist/licenses.txt'].map(file => `actions/${name}/${file}`),
    );
    // Threads begin with modules of their own.
    expected.push(...['image', 'text'].map(kind => `actions/assets/dist/${kind}-worker.mjs`));
    expect(paths).toEqual(expect.arrayContaining(['LICENSE', 'README.md', ...expected]));
    const others = paths.filter(path => !/^actions\/[a-z-]+\/dist\/node_modules\//.test(path));
    expect(others.sort()).toEqual(['LICENSE', 'README.md', ...expected].sort());
    const head = await git(source, 'rev-parse', 'HEAD');
    expect(await git(bare, 'log', '-1', '--format=%P|%B', 'v1.2.0')).toBe(`|v1.2.0\n\nBuilt from ${head}.`);

    const clone = join(folder, 'used');
    await run('git', ['clone', '--quiet', '--depth=1', '--branch=v1', server.url, clone]);
    const ran = await start([join(clone, 'actions/backup/dist/main.mjs')], {
      cwd: folder,
      env: { PATH: process.env.PATH, INPUT_WHAT: 'databse', GITHUB_WORKSPACE: folder, GITHUB_OUTPUT: '' },
    });
    expect(ran).toMatchObject({
      status: 2,
      stdout: expect.stringContaining("::error title=USAGE::The input 'what' is 'databse'"),
    });

    // With machine code and threads: an image, by what was cloned alone.
    const site = join(folder, 'site');
    await mkdir(site);
    const noise = { type: 'gaussian', mean: 128, sigma: 20 } as const;
    const image = { width: 200, height: 100, channels: 3, background: '#888', noise } as const;
    await sharp({ create: image }).blur(2).jpeg({ quality: 100 }).toFile(join(site, 'a.jpg'));
    const before = (await stat(join(site, 'a.jpg'))).size;
    const optimized = await start([join(clone, 'actions/assets/dist/main.mjs')], {
      cwd: site,
      env: {
        PATH: process.env.PATH,
        INPUT_MODE: 'optimize',
        'INPUT_IN-PLACE': 'true',
        GITHUB_WORKSPACE: site,
        GITHUB_OUTPUT: '',
      },
    });
    expect(optimized, optimized.stdout).toMatchObject({ status: 0 });
    expect((await stat(join(site, 'a.jpg'))).size).toBeLessThan(before);
  });

  test('is never made again; the next one moves the major tag, a repair of an older line does not', async () => {
    expect(await release()).toMatchObject({ status: 2, stderr: expect.stringMatching(/^RELEASE_EXISTS v1\.2\.0/) });
    const first = await git(bare, 'rev-parse', 'v1.2.0');
    await keepOneAction();
    await setVersion('1.3.0');
    expect(await release()).toMatchObject({ status: 0 });
    const second = await git(bare, 'rev-parse', 'v1.3.0');
    expect(await git(bare, 'rev-parse', 'v1.2.0')).toBe(first);
    expect(await git(bare, 'rev-parse', 'v1')).toBe(second);
    await setVersion('1.2.1');
    expect(await release()).toMatchObject({ status: 0, stdout: expect.stringContaining('v1.2.1 is at') });
    expect(await git(bare, 'rev-parse', 'v1')).toBe(second);
  });
});
