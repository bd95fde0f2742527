import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assetsCheckOperation, assetsProposeOperation, parseShard } from '../../../actions/lib/assets/index.ts';
import { commitSmaller, type Replacement } from '../../../actions/lib/assets/pull-request/index.ts';
import { looseCss } from '../tree-fixture.ts';
import { globs, heavyImage, World } from './world.ts';

describe('the scheduled pull request', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  beforeEach(async () => {
    await world.reset();
    await checkoutMain();
  });
  afterAll(() => world.close());

  const git = (...args: string[]) => world.git.objects.git(...args);
  const checkoutMain = async () => {
    await world.inClone('fetch', '--quiet');
    await world.inClone('checkout', '--quiet', '--force', '-B', 'main', 'origin/main');
  };
  const propose = async (bundles: string[] = []) => {
    await checkoutMain();
    return assetsProposeOperation.execute({ globs: [], bundles }, world.context({ include: globs }));
  };

  test('is opened once, and brought up to date', async () => {
    const { data } = await propose();
    expect(data).toMatchObject({ committedFiles: 1, pullRequest: { number: 1, isNew: true } });
    expect(world.api.pulls).toMatchObject([
      {
        state: 'open',
        head: { ref: 'ops/assets' },
        base: { ref: 'main' },
        title: expect.stringMatching(/^Make 1 file lighter by /),
        body: expect.stringContaining('| `css/old.css` |'),
      },
    ]);
    expect((await propose()).data).toMatchObject({ committedFiles: 0, pullRequest: { number: 1, isNew: false } });
    await world.write('css/more.css', looseCss);
    await world.push('main', 'More');
    expect((await propose()).data).toMatchObject({ committedFiles: 1, pullRequest: { number: 1, isNew: false } });
    expect(world.api.pulls).toHaveLength(1);
    expect(world.api.pulls[0]!.title).toMatch(/^Make 2 files lighter/);
    expect(await git('diff', '--stat', 'main...ops/assets')).toContain('2 files changed');
  });

  test('keeps what a person added to its branch', async () => {
    await propose();
    await world.inClone('fetch', '--quiet');
    await world.inClone('checkout', '--quiet', '-B', 'ops/assets', 'origin/ops/assets');
    await world.write('css/old.css', '.by-hand { color: red }\n');
    await world.push('ops/assets', 'By hand');
    const theirs = (await world.inClone('rev-parse', 'HEAD')).stdout.trim();
    await propose();
    expect(await git('show', 'ops/assets:css/old.css')).toBe('.by-hand { color: red }');
    await git('merge-base', '--is-ancestor', theirs, 'ops/assets');
  });

  test('with conflicts says what to do, and forces nothing', async () => {
    await propose();
    await checkoutMain();
    await world.write('css/old.css', `${looseCss}\n.more { color: red }`);
    await world.push('main', 'More');
    const before = await git('rev-parse', 'ops/assets');
    await expect(propose()).rejects.toMatchObject({
      code: 'ASSETS_BRANCH',
      hint: expect.stringContaining('delete the branch ops/assets'),
    });
    expect(await git('rev-parse', 'ops/assets')).toBe(before);
  });

  test('that was squashed into the default branch is not opened again for nothing', async () => {
    await propose();
    await checkoutMain();
    await world.inClone('fetch', '--quiet');
    await world.inClone('merge', '--quiet', '--squash', 'origin/ops/assets');
    await world.push('main', 'Squashed');
    world.api.pulls[0]!.state = 'closed';
    expect((await propose()).data).toMatchObject({ pullRequest: null, committedFiles: 0 });
    expect(world.api.pulls).toHaveLength(1);
  });

  test('is not opened where nothing could be smaller', async () => {
    await world.inClone('rm', '--quiet', 'css/old.css');
    await world.push('main', 'Nothing');
    expect((await propose()).data).toMatchObject({ pullRequest: null, committedFiles: 0 });
    expect(await git('branch', '--list', 'ops/assets')).toBe('');
  });

  test('that may not be opened says which switch', async () => {
    world.proxy.fail('POST *pulls', {
      kind: 'status',
      status: 403,
      body: { message: 'GitHub Actions is not permitted to create or approve pull requests.' },
    });
    await expect(propose()).rejects.toMatchObject({
      code: 'GITHUB_PERMISSION',
      hint: expect.stringContaining('Allow GitHub Actions to create'),
    });
  });

  test('is made of what the jobs of a matrix found', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 4 }, (_, at) => [`css/${at}.css`, `${looseCss}.x${at} {}\n`]),
    );
    for (const [path, content] of Object.entries(files)) await world.write(path, content);
    await world.write('img/a.jpg', heavyImage);
    await world.push('main', 'Files');
    await checkoutMain();
    for (const text of ['1/2', '2/2']) {
      const bundle = join(world.folder, 'bundles', `assets-${text[0]}`);
      const input = { globs: [], shard: parseShard(text), bundle };
      const { isDryRun } = await assetsCheckOperation.execute(input, world.context({ include: globs }));
      // Half of the files is no report on the site.
      expect(isDryRun).toBe(true);
    }
    const { data } = await propose([join(world.folder, 'bundles')]);
    expect(data).toMatchObject({ mode: 'merge', files: 6, committedFiles: 6 });
    expect((await git('diff', '--name-only', 'main...ops/assets')).split('\n')).toHaveLength(6);
    await rm(join(world.folder, 'bundles/assets-2'), { recursive: true });
    await expect(propose([join(world.folder, 'bundles')])).rejects.toThrow('shard 2/2 is missing');
  });

  test('takes no more than GitHub lets one run write, and the next one goes on', async () => {
    const paths = ['a.css', 'b.css', 'c.css'];
    for (const path of paths) await world.write(path, looseCss);
    await world.push('main', 'Three');
    const replacements = paths.map(
      (path): Replacement => ({
        savedBytes: 1,
        files: [
          {
            path,
            before: async () => Buffer.from(looseCss),
            after: async () => Buffer.from('.small { color: red }'),
            mode: async () => '100644',
          },
        ],
      }),
    );
    const commit = () =>
      commitSmaller(world.github(), {
        branch: 'main',
        replacements,
        most: 2,
        message: files => `Make ${files.join(' and ')} smaller`,
        protectedHint: '',
        signal: new AbortController().signal,
      });
    expect(await commit()).toMatchObject({ committed: ['a.css', 'b.css'], waiting: 1 });
    expect(await commit()).toMatchObject({ committed: ['c.css'], waiting: 0 });
    expect(await commit()).toMatchObject({ sha: null, committed: [], skipped: [], waiting: 0 });
    expect(await git('log', '-2', '--format=%s', 'main')).toBe('Make c.css smaller\nMake a.css and b.css smaller');
  });
});
