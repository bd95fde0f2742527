import { execFile } from 'node:child_process';
import { chmod, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checksOf } from '../../../actions/lib/assets/checks.ts';
import { summarise } from '../../../actions/lib/assets/data.ts';
import { type AssetsData, assetsReviewOperation } from '../../../actions/lib/assets/index.ts';
import { type FileResult, leftFile } from '../../../actions/lib/assets/result.ts';
import { looseCss } from '../tree-fixture.ts';
import { heavyImage, World, workRun } from './world.ts';

const run = promisify(execFile);
let world: World;

beforeAll(async () => {
  world = await World.open();
});
beforeEach(() => world.reset());
afterAll(() => world.close());

describe('the check of a pull request', () => {
  test('looks at the changed files only, and says so in one comment that it updates', async () => {
    await world.branch('work', { 'css/new.css': looseCss, 'img/a|b.jpg': heavyImage, 'notes.md': 'x' });
    await world.api.open('work');
    const { data, checks } = await world.review();
    expect(data).toMatchObject({ files: 2, comment: 'created', heavyImages: 1, results: null, patch: null });
    expect(checks.find(({ id }) => id === 'assets.images')?.status).toBe('warning');
    const [comment, ...more] = world.api.commentsOf(1);
    expect(more).toEqual([]);
    expect(comment!.body).toContain('❌ too heavy');
    expect(comment!.body).toMatch(/\| file \| before \| after \| saved \| score \|/);
    expect(comment!.body).toContain('`img/a\\|b.jpg`');
    expect(comment!.body).not.toContain('old.css');
    const annotated = assetsReviewOperation.annotations!({ data, checks } as never);
    expect(annotated).toMatchObject([{ level: 'error', file: 'img/a|b.jpg', title: 'Heavy image' }]);

    expect((await world.review({ run: { ...workRun, attempt: 2 } })).data.comment).toBe('updated');
    expect(world.api.commentsOf(1)).toHaveLength(1);
  });

  test('lists every page of what is changed, and leaves out what is removed', async () => {
    world.api.pageSize = 3;
    await world.inClone('checkout', '--quiet', 'main');
    await rm(join(world.clone, 'css/old.css'));
    await world.branch('work', Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`css/${at}.css`, looseCss])));
    await world.api.open('work');
    expect((await world.review()).data.files).toBe(8);
  });

  test.each([
    ['an error of GitHub', { kind: 'status', status: 404 } as const],
    ['an empty page', { kind: 'status', status: 200, body: [] } as const],
  ])('never takes %s for leave to look at everything', async (_, fault) => {
    await world.branch('work', { 'css/new.css': looseCss });
    await world.api.open('work');
    world.proxy.fail('GET *pulls/1/files', fault);
    await expect(world.review()).rejects.toMatchObject({
      code: expect.stringMatching(/^(GITHUB_NOT_FOUND|ASSETS_PULL_REQUEST)$/),
    });
    expect(world.api.commentsOf(1)).toEqual([]);
  });

  test('says nothing where nothing is changed that it looks at', async () => {
    await world.branch('work', { 'notes.md': 'x' });
    await world.api.open('work');
    const budgets = { total: { '**/*.css': 1 }, perFile: { '**/*.css': 1 } };
    const { data, checks } = await world.review({}, { budgets });
    expect(data).toMatchObject({ files: 0, comment: 'none', results: null });
    // That the site is too heavy already is not its doing.
    expect(checks.every(({ status }) => status === 'ok')).toBe(true);
    expect(world.api.commentsOf(1)).toEqual([]);
  });

  test('a name cannot break out of the table, mention anybody or run', async () => {
    await world.branch('work', { 'css/`](https:x) @acme <img src=x> #1.css': 'a { *zoom: 1; }}' });
    await world.api.open('work');
    const { data, checks } = await world.review();
    const { body } = world.api.commentsOf(1)[0]!;
    expect(body).toContain('| ``css/`](https:x) @acme <img src=x> #1.css`` |');
    expect(assetsReviewOperation.annotations!({ data, checks } as never)).toMatchObject([
      { level: 'warning', line: 1, title: 'Left as it is' },
    ]);
  });

  test('a pointer of Git LFS is no damaged image', async () => {
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'a'.repeat(64)}\nsize 12345\n`;
    await world.branch('work', { 'img/a.jpg': pointer });
    await world.api.open('work');
    const { data, checks } = await world.review();
    expect(data.left).toMatchObject([{ path: 'img/a.jpg', code: 'LFS_POINTER', isDamaged: false }]);
    expect(checks.every(({ status }) => status === 'ok')).toBe(true);
  });

  test('says of damaged files that they are, and not that they are heavy; under the name of the check', async () => {
    await world.branch('work', { 'img/cut.jpg': heavyImage.subarray(0, 2000) });
    await world.api.open('work');
    const { data, checks } = await world.review({ name: 'shop' });
    const { body } = world.api.commentsOf(1)[0]!;
    expect(body).toMatch(/^<!-- production-ops:assets:shop run=7\.1 -->\n### Assets \(shop\): ❌ damaged files/);
    expect(assetsReviewOperation.annotations!({ data, checks } as never)).toMatchObject([
      { level: 'error', file: 'img/cut.jpg', title: 'Damaged or unreadable' },
    ]);
  });

  test('where it may not comment it hands over what it would say, and does not fail', async () => {
    await world.branch('work', { 'css/new.css': looseCss });
    await world.api.open('work');
    world.proxy.fail('POST *comments', {
      kind: 'status',
      status: 403,
      body: { message: 'Resource not accessible by integration' },
    });
    const { data } = await world.review();
    expect(data).toMatchObject({ comment: 'refused', results: join(world.outputs, 'assets-review.json') });
    expect(JSON.parse(await readFile(data.results!, 'utf8'))).toMatchObject({ pullRequest: 1, data: { files: 1 } });
  });

  test('that is not to comment says nothing anywhere', async () => {
    await world.branch('work', { 'css/new.css': looseCss });
    await world.api.open('work');
    expect((await world.review({ comment: false })).data).toMatchObject({ comment: null, results: null });
    expect(world.api.commentsOf(1)).toEqual([]);
  });
});

test('an image that was not taken is not forgotten behind a hundred that were', () => {
  const results = Array.from({ length: 120 }, (_, at): FileResult => {
    const made = { sha256: 'a'.repeat(64), score: 80, tool: 'jpeg' };
    const result = leftFile(`${at}.jpg`, 'image', { bytes: 100_000, sha256: 'b'.repeat(64) }, '', '');
    return { ...result, left: null, status: 'smaller', after: { ...made, bytes: 100 + at } };
  });
  const rule = { savingRatio: 0.1, savingBytes: 1024 };
  const isTaken = ({ path }: FileResult) => Number.parseInt(path, 10) < 115;
  const summary = summarise(results, { isTaken, rule });
  expect(summary).toMatchObject({ heavyImages: 5, changes: { length: 100 } });
  expect(checksOf({ ...summary } as AssetsData, [], rule)).toContainEqual(
    expect.objectContaining({
      id: 'assets.images',
      status: 'warning',
      value: 5,
      message: expect.stringMatching(/^5 images/),
    }),
  );
});

describe('budgets', () => {
  const broken = async (budgets: object) => {
    const { checks } = await world.review({}, { budgets });
    return checks.filter(({ id, status }) => id === 'assets.budget' && status !== 'ok').map(({ target }) => target);
  };
  const size = looseCss.length;
  beforeEach(async () => {
    await world.branch('work', { 'css/new.css': looseCss, 'a.txt': 'text', 'img/a.jpg': heavyImage });
    await world.api.open('work');
  });

  test.each([
    ['of a file hold for the changed ones', { perFile: { '**/*.css': size - 1 } }, ['perFile css/new.css']],
    ['of a file hold for those that are not looked at, too', { perFile: { '*.txt': 3 } }, ['perFile a.txt']],
    ['of a folder hold for all of it', { perFolder: { 'css/*.css': size * 2 - 1 } }, ['perFolder css']],
    ['of a folder that is not touched are not asked', { perFolder: { '*.md': 1 } }, []],
    ['of all hold for all', { total: { '**/*.css': size * 2 - 1, '**/*.md': 1 } }, ['total **/*.css']],
    ['by pixels hold for images', { perMegapixel: { '**/*.jpg': 1000 } }, ['perMegapixel img/a.jpg']],
    ['that are kept are kept', { total: { '**/*.css': size * 2 } }, []],
  ])('%s', async (_, budgets, expected) => {
    expect(await broken(budgets)).toEqual(expected);
    const { body } = world.api.commentsOf(1)[0]!;
    if (expected.length > 0) expect(body).toContain('**Budgets**');
  });
});

describe('what could be smaller', () => {
  test('is committed on the branch, images as they are, and the check is then fine', async () => {
    await world.branch('work', { 'css/new.css': looseCss, 'img/a.jpg': heavyImage });
    await world.api.open('work');
    const budgets = { perFile: { '**/*.css': looseCss.length - 1 } };
    const { data, checks } = await world.review({ fix: 'commit' }, { budgets });
    expect(data.fix).toMatch(/^2 files made smaller by commit [0-9a-f]{12}\.$/);
    expect(data).toMatchObject({ possibleBytes: 0, heavyImages: 0 });
    expect(checks.every(({ status }) => status === 'ok')).toBe(true);
    await world.inClone('fetch', '--quiet');
    const show = ['-C', world.clone, 'show', 'origin/work:img/a.jpg'];
    const { stdout } = await run('git', show, { encoding: 'buffer' });
    expect(stdout.length).toBeLessThan(heavyImage.length);
    expect((await sharp(stdout).metadata()).width).toBe(300);
    expect(await world.git.objects.git('log', '-1', '--format=%s', 'work')).toBe('Make 2 files smaller');
    await world.git.objects.git('fsck', '--strict');
  });

  test('is not written over what came to the branch meanwhile, in whatever moment', async () => {
    await world.branch('work', { 'css/a.css': looseCss, 'css/b.css': looseCss, 'css/c.css': looseCss });
    await world.api.open('work');
    const here = (await world.inClone('rev-parse', 'HEAD')).stdout.trim();
    const change = async (path: string) => {
      await world.inClone('checkout', '--quiet', '-B', 'work', 'origin/work');
      await world.write(path, '.mine { color: red }\n');
      await world.push('work', `By hand: ${path}`);
      await world.inClone('checkout', '--quiet', '--detach', here);
    };
    await change('css/a.css');
    world.proxy.before('PATCH *refs/heads/work', () => change('css/b.css'));
    const { data, checks } = await world.review({ fix: 'commit' }, { budgets: { perFile: { 'css/*.css': 4000 } } });
    expect(data.fix).toMatch(
      /^1 file made smaller by commit .*\. 2 files left, since the branch has another version\.$/,
    );
    expect(await world.git.objects.git('show', 'work:css/a.css')).toBe('.mine { color: red }');
    expect(await world.git.objects.git('show', 'work:css/b.css')).toBe('.mine { color: red }');
    expect(await world.git.objects.git('show', 'work:css/c.css')).not.toContain('    ');
    // What was sent for the first try is not sent again.
    expect(world.proxy.count('POST *git/blobs')).toBe(2);
    // What is left is as heavy as it was.
    const over = checks.filter(({ id, status }) => id === 'assets.budget' && status !== 'ok');
    expect(over.map(({ target }) => target)).toEqual(['perFile css/a.css', 'perFile css/b.css']);
  });

  test('goes with its source map or not at all', async () => {
    const source = 'export function add(first, second) {\n  return first + second;\n}\n';
    const map = JSON.stringify({ version: 3, sources: ['a.ts'], names: [], mappings: 'AAAA' });
    await world.branch('work', { 'a.js': `${source}//# sourceMappingURL=a.js.map\n`, 'a.js.map': map });
    await world.api.open('work');
    const here = (await world.inClone('rev-parse', 'HEAD')).stdout.trim();
    await world.write('a.js.map', map.replace('a.ts', 'b.ts'));
    await world.push('work', 'Another map');
    await world.inClone('checkout', '--quiet', '--detach', here);
    const { data } = await world.review({ fix: 'commit' });
    expect(data.fix).toBe('Nothing was committed. 1 file left, since the branch has another version.');
    expect(await world.git.objects.git('show', 'work:a.js')).toContain('first + second');
  });

  test('of a branch that is gone is left', async () => {
    await world.branch('work', { 'css/a.css': looseCss });
    await world.api.open('work');
    await world.inClone('push', '--quiet', 'origin', ':work');
    expect((await world.review({ fix: 'commit' })).data.fix).toMatch(/^Nothing was committed\./);
    expect(await world.git.objects.git('branch', '--list', 'work')).toBe('');
  });

  test('is a patch that git applies, of images too, with its modes', async () => {
    await world.branch('work', { 'css/ünï "x".css': looseCss, 'img/a b.jpg': heavyImage });
    await chmod(join(world.clone, 'css/ünï "x".css'), 0o755);
    await world.inClone('commit', '--quiet', '-am', 'mode');
    await world.api.open('work');
    const image = join(world.clone, 'img/a b.jpg');
    const { data } = await world.review({ fix: 'patch' });
    expect(data.fix).toMatch(/^The run has a patch with 2 files made smaller \(.+\): git apply assets\.patch$/);
    expect(await readFile(image)).toEqual(heavyImage);
    const patch = data.patch!;
    expect(patch).toBe(join(world.outputs, 'assets.patch'));
    await world.inClone('apply', '--check', patch);
    await world.inClone('apply', '--index', patch);
    const { stdout } = await world.inClone('diff', '--cached', '--numstat', '--summary');
    expect(stdout).not.toContain('mode change');
    expect((await readFile(image)).length).toBeLessThan(heavyImage.length);
    expect(await readFile(join(world.clone, 'css/ünï "x".css'), 'utf8')).not.toContain('\n    ');
    await expect(world.inClone('apply', patch)).rejects.toThrow();
    await world.inClone('apply', '--index', '--reverse', patch);
    expect(await readFile(image)).toEqual(heavyImage);
  });

  test('of a protected branch says what to do', async () => {
    await world.branch('guarded', { 'css/new.css': looseCss });
    await world.api.open('guarded');
    world.git.protect('guarded');
    await expect(world.review({ fix: 'commit' })).rejects.toMatchObject({
      code: 'GITHUB_PROTECTED',
      hint: expect.stringContaining('fix: patch'),
    });
  });
});
