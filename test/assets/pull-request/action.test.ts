import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { assetsInputs } from '../../../actions/lib/run/inputs.ts';
import { Runner, type RunOptions } from '../../actions/bundles.ts';
import { looseCss } from '../tree-fixture.ts';
import { heavyImage, World } from './world.ts';
import { zipOf } from './zip-of.ts';

const photo = await sharp(heavyImage).resize(600, 400).jpeg({ quality: 100 }).toBuffer();
const include = "include: ['**/*.{jpg,css}']";

describe('the built action, in a folder without node_modules', () => {
  let world: World;
  let runner: Runner;

  beforeAll(async () => {
    world = await World.open();
    runner = await Runner.open(['assets']);
  });
  afterAll(async () => {
    await runner?.[Symbol.asyncDispose]();
    await world?.close();
  });

  /** The workspace is what actions/checkout would have put there: the clone, as it is now. */
  beforeEach(async () => {
    await world.reset();
    await world.branch('work', { 'img/photo.jpg': photo, 'css/new.css': looseCss });
    const { workspace, temporary } = runner;
    await rm(join(temporary, 'production-ops'), { recursive: true, force: true });
    for (const name of await readdir(workspace)) {
      if (!['.github', '.ops'].includes(name)) await rm(join(workspace, name), { recursive: true });
    }
    await cp(world.clone, workspace, { recursive: true, filter: path => !path.endsWith('.git') });
  });

  const act = (inputs: Record<string, string>, options: RunOptions = {}) =>
    runner.run('assets', {
      config: `assets: { ${include} }\n`,
      inputs,
      ...options,
      env: {
        GITHUB_TOKEN: 'ghs_5ecret',
        GITHUB_REPOSITORY: 'acme/shop',
        GITHUB_API_URL: world.proxy.url,
        ...options.env,
      },
    });
  const event = (repository = 'acme/shop') => {
    const { number, head } = world.api.pulls.at(-1)!;
    return {
      name: 'pull_request',
      payload: {
        repository: { full_name: 'acme/shop', default_branch: 'main' },
        pull_request: { number, head: { sha: head.sha, ref: head.ref, repo: { full_name: repository } } },
      },
    };
  };

  test('checks a pull request: one comment, annotations, a patch that git applies, exit 3; then a commit, exit 0', async () => {
    await world.api.open('work');
    const red = await act({ fix: 'patch' }, { event: event() });
    expect(red.code, red.visible).toBe(3);
    expect(red.stdout).toMatch(/^::error title=Heavy image,file=img\/photo\.jpg::It could be [\d.]+ %25 smaller/m);
    expect(red.outputs).toMatchObject({
      status: 'warning',
      files: '2',
      'heavy-images': '1',
      'broken-budgets': '0',
      'saved-bytes': '0',
      'pull-request': '1',
      comment: 'created',
      results: '',
      'report-url': '',
    });
    const { outputs } = parse(await readFile(join(import.meta.dirname, '../../../actions/assets/action.yml'), 'utf8'));
    expect(Object.keys(red.outputs).sort()).toEqual(Object.keys(outputs).sort());
    expect(red.summary).toContain('`img/photo.jpg`');
    await world.inClone('apply', '--check', red.outputs.patch!);

    const green = await act({ fix: 'commit' }, { event: event(), env: { GITHUB_RUN_ATTEMPT: '3' } });
    expect(green.code, green.visible).toBe(0);
    expect(green.outputs).toMatchObject({ status: 'ok', comment: 'updated', patch: '', 'possible-bytes': '0' });
    const [comment, ...more] = world.api.commentsOf(1);
    expect(more).toEqual([]);
    expect(comment!.body).toContain('2 files made smaller by commit');
    expect(await world.git.objects.git('diff', '--name-only', 'main...work')).toBe('css/new.css\nimg/photo.jpg');
    // No report of a pull request is committed.
    expect(await world.git.objects.git('log', '--format=%s', 'main')).toBe('First commit');
    expect(red.visible + green.visible).not.toContain('5ecret');
  });

  test('of a fork hands over what the second workflow comments', async () => {
    await world.api.open('work', 'main', 'Theirs', 'stranger/shop');
    const first = await act({ fix: 'commit' }, { event: event('stranger/shop') });
    expect(first.code, first.visible).toBe(3);
    expect(world.proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(first.outputs.comment).toBe('');
    const handedOver = await readFile(first.outputs.results!, 'utf8');
    expect(existsSync(first.outputs.patch!)).toBe(true);
    world.api.upload(4711, 'assets-review', zipOf([['assets-review.json', handedOver]]));

    const finished = {
      name: 'workflow_run',
      payload: {
        workflow_run: {
          id: 4711,
          run_attempt: 2,
          html_url: 'https://github.example/acme/shop/actions/runs/4711',
          event: 'pull_request',
          head_sha: world.api.pulls[0]!.head.sha,
          head_branch: 'work',
          head_repository: { full_name: 'stranger/shop' },
        },
      },
    };
    const second = await act({ mode: 'comment' }, { event: finished });
    expect(second.code, second.visible).toBe(0);
    expect(second.outputs).toMatchObject({ comment: 'created', 'pull-request': '1', files: '' });
    expect(world.api.commentsOf(1)).toHaveLength(1);
    expect(world.api.commentsOf(1)[0]!.body).toContain('`img/photo.jpg`');

    const onPush = { ...finished.payload.workflow_run, event: 'push' };
    const nothing = await act(
      { mode: 'comment' },
      { event: { name: 'workflow_run', payload: { workflow_run: onPush } } },
    );
    expect(nothing.code).toBe(0);
    expect(world.api.commentsOf(1)).toHaveLength(1);
  });

  test('proposes what two jobs found as one pull request', async () => {
    await world.inClone('push', '--quiet', 'origin', 'work:main');
    await writeFile(join(runner.workspace, '.git'), '');
    const shared = { mode: 'optimize', 'pull-request': 'true' };
    for (const index of ['1', '2']) {
      const bundle = join(runner.temporary, `bundles/assets-${index}`);
      const part = await act({ ...shared, shard: `${index}/2`, bundle, 'fail-on-breach': 'false' });
      expect(part.code, part.visible).toBe(0);
      expect(part.outputs['report-path']).toBe('');
    }
    const whole = await act(
      { ...shared, bundles: join(runner.temporary, 'bundles'), 'fail-on-breach': 'false' },
      { config: `reports: { publish: false }\nassets: { ${include} }\n` },
    );
    expect(whole.code, whole.visible).toBe(0);
    expect(whole.outputs).toMatchObject({ files: '3', 'pull-request': '1', 'heavy-images': '1' });
    expect(world.api.pulls).toMatchObject([
      { head: { ref: 'ops/assets' }, title: expect.stringMatching(/^Make 3 files lighter/) },
    ]);
    expect(whole.summary).toContain('https://github.example/acme/shop/pull/1');
  });

  test('writes what a site needs, without a token and without a configuration', async () => {
    const run = await act(
      { mode: 'optimize', files: 'img/*.{jpg,png}\ncss/**', out: 'public', manifest: 'public/assets.json' },
      { config: undefined, env: { GITHUB_TOKEN: '' } },
    );
    expect(run.code, run.visible).toBe(0);
    const written = await readdir(join(runner.workspace, 'public'), { recursive: true });
    expect(written).toEqual(
      expect.arrayContaining([
        'assets.json',
        'img/photo.jpg',
        'img/photo.jpg.600w.avif',
        'css/new.css',
        'css/new.css.br',
      ]),
    );
    expect((await sharp(join(runner.workspace, 'public/img/photo.jpg.600w.avif')).metadata()).width).toBe(600);
  });

  test.each([
    [{ mode: 'optimize' }, /It is not said where to put what is made/],
    [{ shard: '5/4' }, /'5\/4' is not a shard/],
    [{ out: 'public' }, /The input 'out' is 'public', and that is for mode: optimize/],
    [{ mode: 'comment' }, /mode: comment runs on workflow_run, and this is workflow_dispatch/],
  ])('%j is refused with exit 2', async (inputs, message) => {
    const run = await act(inputs as Record<string, string>);
    expect(run.code).toBe(2);
    expect(run.stdout).toMatch(message);
  });

  test('is refused where strangers would have rights', async () => {
    await world.api.open('work');
    const run = await act({}, { event: { ...event(), name: 'pull_request_target' } });
    expect(run.code).toBe(2);
    expect(run.stdout).toContain('Pull requests are not checked on pull_request_target');
  });
});

describe('inputs', () => {
  const nothing = Object.fromEntries(Object.keys(assetsInputs.shape).map(name => [name, '']));

  test.each([
    [{ fix: 'patch', mode: 'optimize' }, 'fix', /for mode: check/],
    [{ bundles: 'a\nb' }, 'bundles', /for mode: optimize/],
    [{ files: '**/*.css', mode: 'comment' }, 'files', /for mode: check and optimize/],
    [{ 'pull-request': 'true', mode: 'optimize', 'in-place': 'true' }, 'in-place', /nothing is written here/],
    [{ name: '--> @acme' }, 'name', /must be letters/],
  ])('%j are refused: %s', (inputs, name, message) => {
    const [issue] = assetsInputs.safeParse({ ...nothing, ...inputs }).error!.issues;
    expect(issue!.path).toEqual([name]);
    expect(issue!.message).toMatch(message);
  });

  test('globs stand one a line, with their commas', () => {
    const { files } = assetsInputs.parse({ ...nothing, files: ' **/*.{jpg,png}\n\ncss/**\n' });
    expect(files).toEqual(['**/*.{jpg,png}', 'css/**']);
  });
});
