import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  assetsCommentOperation,
  assetsProposeOperation,
  assetsReviewOperation,
} from '../../actions/lib/assets/index.ts';
import { upsertComment } from '../../actions/lib/assets/pull-request/index.ts';
import { createGitHub } from '../../actions/lib/github/index.ts';
import { silentLog } from '../../actions/lib/log/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../services/git-data-api.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { PullsApi } from '../services/pulls-api.ts';
import { looseCss, Tree } from './tree-fixture.ts';

const run = promisify(execFile);
let folder: string;
let git: GitDataApi;
let api: PullsApi;
let proxy: GitHubProxy;
let clone: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-pull-'));
  git = await createGitDataApi(join(folder, 'shop.git'));
  await seedBranch(git, 'main', { 'README.md': 'Shop\n', 'css/old.css': looseCss });
  api = new PullsApi(git);
  proxy = await startGitHubProxy(api.handle);
  clone = join(folder, 'clone');
  await run('git', ['clone', '--quiet', git.objects.folder, clone]);
});
afterEach(async () => {
  await proxy.stop();
  await git.close();
  await rm(folder, { recursive: true, force: true });
  expect(proxy.violations).toEqual([]);
});

const inClone = (...args: string[]) =>
  run('git', ['-C', clone, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args]);

/** A person's branch, checked out here and pushed. */
async function branch(name: string, files: Record<string, string | Uint8Array>): Promise<void> {
  await inClone('checkout', '--quiet', '-B', name, 'origin/main');
  for (const [path, content] of Object.entries(files)) {
    await run('mkdir', ['-p', join(clone, path, '..')]);
    await writeFile(join(clone, path), content);
  }
  await inClone('add', '-A');
  await inClone('commit', '--quiet', '-m', 'By hand');
  await inClone('push', '--quiet', 'origin', name);
}

const client = () =>
  createGitHub({
    token: 'ghs_test',
    repository: 'acme/shop',
    apiUrl: proxy.url,
    log: silentLog,
    signal: new AbortController().signal,
    sleep: async () => {},
    timeoutMs: 5000,
  });

const globs = ['**/*.{css,js,json,png,jpg}'];
async function context(assets = {}) {
  await using tree = await Tree.open();
  const secrets = {
    githubToken: 'ghs_test',
    githubRepository: 'acme/shop',
    githubApiUrl: proxy.url,
    githubServerUrl: 'https://github.example',
  };
  return { ...tree.context(assets), cwd: clone, secrets: secrets as ReturnType<Tree['context']>['secrets'] };
}

const workRun = { id: 7, attempt: 1, url: 'https://github.example/acme/shop/actions/runs/7' };
async function review(input: Partial<Parameters<typeof assetsReviewOperation.execute>[0]> = {}, assets = {}) {
  const pull = api.pulls.at(-1)!;
  const pullRequest = { number: pull.number, headSha: pull.head.sha, headRef: pull.head.ref, isFork: false };
  return assetsReviewOperation.execute(
    {
      pullRequest,
      globs,
      fix: 'none',
      patch: 'assets.patch',
      comment: true,
      results: undefined,
      run: workRun,
      ...input,
    },
    await context(assets),
  );
}

const heavy = () =>
  sharp({
    create: {
      width: 300,
      height: 200,
      channels: 3,
      background: '#888',
      noise: { type: 'gaussian', mean: 128, sigma: 30 },
    },
  })
    .blur(2)
    .jpeg({ quality: 100 })
    .toBuffer();

describe('the check of a pull request', () => {
  test('looks at the changed files only, and says so in one comment that it updates', async () => {
    await branch('work', { 'css/new.css': looseCss, 'img/a|b.jpg': await heavy(), 'notes.md': 'x' });
    await api.open('work');
    const { data, checks } = await review();
    expect(data).toMatchObject({ files: 2, comment: 'created', heavyImages: 1 });
    expect(checks.find(({ id }) => id === 'assets.images')?.status).toBe('warning');
    const [comment, ...more] = api.commentsOf(1);
    expect(more).toEqual([]);
    expect(comment!.body).toContain('❌ too heavy');
    expect(comment!.body).toContain('`img/a\\|b.jpg`');
    expect(comment!.body).not.toContain('old.css');
    const annotated = assetsReviewOperation.annotations!({ data, checks } as never);
    expect(annotated).toMatchObject([{ level: 'error', file: 'img/a|b.jpg', title: 'Heavy image' }]);

    expect((await review({ run: { ...workRun, attempt: 2 } })).data.comment).toBe('updated');
    expect(api.commentsOf(1)).toHaveLength(1);
  });

  test('lists every page of what is changed, and leaves out what is removed', async () => {
    api.pageSize = 3;
    await inClone('checkout', '--quiet', 'main');
    await rm(join(clone, 'css/old.css'));
    await branch('work', Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`css/${at}.css`, looseCss])));
    await api.open('work');
    expect((await review()).data.files).toBe(8);
  });

  test.each([
    ['an error of GitHub', { kind: 'status', status: 500 } as const],
    ['an empty page', { kind: 'status', status: 200, body: [] } as const],
  ])('never takes %s for leave to look at everything', async (_, fault) => {
    await branch('work', { 'css/new.css': looseCss });
    await api.open('work');
    proxy.fail('GET *pulls/1/files', fault, 9);
    await expect(review()).rejects.toMatchObject({ code: expect.stringMatching(/^(GITHUB_|ASSETS_PULL_REQUEST)/) });
    expect(api.commentsOf(1)).toEqual([]);
  });

  test('says nothing where nothing is changed that it looks at', async () => {
    await branch('work', { 'notes.md': 'x' });
    await api.open('work');
    expect((await review()).data).toMatchObject({ files: 0, comment: 'none' });
    expect(api.commentsOf(1)).toEqual([]);
  });

  test('holds budgets of a folder against all of it', async () => {
    await branch('work', { 'css/new.css': looseCss });
    await api.open('work');
    const { checks, data } = await review({}, { budgets: { perFolder: { 'css/*.css': looseCss.length * 2 - 1 } } });
    expect(checks.filter(({ id }) => id === 'assets.budget')).toMatchObject([
      { target: 'perFolder css', value: looseCss.length * 2, status: 'warning' },
    ]);
    expect(data.files).toBe(1);
  });

  test('a name cannot break out of the table, mention anybody or run', async () => {
    await branch('work', { 'css/`](https:x) @acme <img src=x> #1.css': 'a { *zoom: 1; }}' });
    await api.open('work');
    await review();
    const { body } = api.commentsOf(1)[0]!;
    expect(body).toContain('``css/`](https:x) @acme <img src=x> #1.css``');
  });

  test('a comment that may not be written is no failure of the check', async () => {
    await branch('work', { 'css/new.css': looseCss });
    await api.open('work');
    proxy.fail('POST *comments', {
      kind: 'status',
      status: 403,
      body: { message: 'Resource not accessible by integration' },
    });
    expect((await review()).data.comment).toBe(null);
  });
});

describe('one comment', () => {
  const say = (id: number, body = `of ${id}`, attempt = 1) =>
    upsertComment(client(), { number: 1, body, run: { id, attempt }, mayCreate: true });
  beforeEach(async () => {
    await branch('work', { 'a.md': 'x' });
    await api.open('work');
  });

  test('of two runs at once there is one, the later one', async () => {
    proxy.before('POST *comments', async () => void (await say(9)));
    expect(await say(8)).toBe('superseded');
    expect(api.commentsOf(1).map(({ body }) => body.split('\n')[1])).toEqual(['of 9']);
  });

  test('of two runs at once the later one writes into the first', async () => {
    proxy.before('POST *comments', async () => void (await say(8)));
    expect(await say(9)).toBe('updated');
    expect(api.commentsOf(1).map(({ body }) => body.split('\n')[1])).toEqual(['of 9']);
  });

  test('a run that is late does not write over a later one', async () => {
    await say(9);
    expect(await say(8)).toBe('superseded');
    expect(await say(9, 'again', 2)).toBe('updated');
    expect(api.commentsOf(1)[0]!.body).toContain('again');
  });

  test('what a person wrote is not touched, whatever it begins with', async () => {
    const theirs = api.say(1, '<!-- production-ops:assets run=1.1 -->\nmine', { login: 'anna', type: 'User' });
    expect(await say(9)).toBe('created');
    expect(theirs.body).toContain('mine');
    expect(api.commentsOf(1)).toHaveLength(2);
  });

  test('is found on whatever page', async () => {
    api.pageSize = 2;
    for (let at = 0; at < 5; at++) api.say(1, `talk ${at}`, { login: 'anna', type: 'User' });
    await say(8);
    for (let at = 0; at < 5; at++) api.say(1, `talk ${at}`, { login: 'anna', type: 'User' });
    expect(await say(9)).toBe('updated');
    expect(await say(9)).toBe('unchanged');
  });

  test.each([
    { kind: 'timeout', isDone: true },
    { kind: 'cut', isDone: true },
    { kind: 'cut', isDone: false },
    { kind: 'truncated' },
  ] as const)('whose answer is lost does not come twice: %j', async fault => {
    proxy.fail('POST *comments', fault);
    expect(await say(9)).toBe('created');
    expect(api.commentsOf(1)).toHaveLength(1);
  });
});

describe('what could be smaller', () => {
  test('is committed on the branch, images as they are, and the check is then fine', async () => {
    const image = await heavy();
    await branch('work', { 'css/new.css': looseCss, 'img/a.jpg': image });
    await api.open('work');
    const { data, checks } = await review({ fix: 'commit' });
    expect(data.fix).toMatch(/^2 smaller files were committed as [0-9a-f]{12}\.$/);
    expect(checks.every(({ status }) => status === 'ok')).toBe(true);
    await inClone('fetch', '--quiet');
    const { stdout } = await run('git', ['-C', clone, 'show', 'origin/work:img/a.jpg'], { encoding: 'buffer' });
    expect(stdout.length).toBeLessThan(image.length);
    expect((await sharp(stdout).metadata()).width).toBe(300);
    expect(await git.objects.git('log', '-1', '--format=%s', 'work')).toBe('Make 2 files smaller');
    await git.objects.git('fsck', '--strict');
  });

  test('is not written over what came to the branch meanwhile', async () => {
    await branch('work', { 'css/a.css': looseCss, 'css/b.css': looseCss });
    await api.open('work');
    const here = await inClone('rev-parse', 'HEAD');
    await branch('work2', { 'css/a.css': '.mine { color: red }\n', 'css/b.css': looseCss });
    await inClone('push', '--quiet', '--force', 'origin', 'work2:work');
    await inClone('checkout', '--quiet', '--detach', here.stdout.trim());
    const { data } = await review({ fix: 'commit' });
    expect(data.fix).toMatch(/^1 smaller files were committed as .*\. 1 differ on the branch and were left\.$/);
    expect(await git.objects.git('show', 'work:css/a.css')).toBe('.mine { color: red }');
  });

  test('is a patch that git applies, of images too, with its modes', async () => {
    await branch('work', { 'css/ünï "x".css': looseCss, 'img/a b.jpg': await heavy() });
    await run('chmod', ['755', join(clone, 'css/ünï "x".css')]);
    await inClone('commit', '--quiet', '-am', 'mode');
    await api.open('work');
    const before = await readFile(join(clone, 'img/a b.jpg'));
    const { data } = await review({ fix: 'patch' });
    expect(data.fix).toContain('git apply');
    expect(await readFile(join(clone, 'img/a b.jpg'))).toEqual(before);
    await inClone('apply', '--check', 'assets.patch');
    await inClone('apply', '--index', 'assets.patch');
    const { stdout } = await inClone('diff', '--cached', '--numstat', '--summary');
    expect(stdout).not.toContain('mode change');
    expect((await readFile(join(clone, 'img/a b.jpg'))).length).toBeLessThan(before.length);
    expect(await readFile(join(clone, 'css/ünï "x".css'), 'utf8')).not.toContain('\n    ');
    await expect(inClone('apply', 'assets.patch')).rejects.toThrow();
  });

  test('of a fork is never committed', async () => {
    await branch('work', { 'css/new.css': looseCss });
    const pull = await api.open('work');
    await review({ fix: 'commit', pullRequest: { number: 1, headSha: pull.head.sha, headRef: 'work', isFork: true } });
    expect(proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    expect(await readFile(join(clone, 'assets.patch'), 'utf8')).toContain('GIT binary patch');
  });
});

describe('a fork', () => {
  const comment = async (headSha: string) =>
    assetsCommentOperation.execute({ results: 'review.json', run: { id: 11, headSha } }, await context());
  let headSha: string;
  beforeEach(async () => {
    await branch('work', { 'css/new.css': looseCss });
    headSha = (await api.open('work')).head.sha;
    await review({ results: 'review.json', pullRequest: { number: 1, headSha, headRef: 'work', isFork: true } });
    expect(api.commentsOf(1)).toEqual([]);
  });

  test('is commented on by the second workflow, from what the first wrote', async () => {
    expect((await comment(headSha)).data).toEqual({ pullRequest: 1, comment: 'created' });
    expect(api.commentsOf(1)[0]!.body).toContain('`css/new.css`');
    expect((await comment(headSha)).data.comment).toBe('unchanged');
  });

  test('whose file names another pull request, or another commit, is not commented on', async () => {
    const file = join(clone, 'review.json');
    const text = await readFile(file, 'utf8');
    await rm(file);
    await branch('other', { 'b.md': 'x' });
    const other = await api.open('other');
    await inClone('checkout', '--quiet', 'work');
    await writeFile(file, text);
    const real = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...real, pullRequest: 2 }));
    expect((await comment(headSha)).data.comment).toBe('stale');
    await writeFile(file, JSON.stringify({ ...real, pullRequest: 2, headSha: other.head.sha }));
    expect((await comment(headSha)).data.comment).toBe('stale');
    await writeFile(file, JSON.stringify(real));
    expect((await comment('0'.repeat(40))).data.comment).toBe('stale');
    expect([...api.commentsOf(1), ...api.commentsOf(2)]).toEqual([]);
  });

  test.each([
    ['is no JSON', 'nonsense'],
    ['is not one', '{}'],
    ['is not there', undefined],
    ['are not read', `"${'x'.repeat(4 * 1024 * 1024)}"`],
  ])('whose file %s is refused', async (message, text) => {
    await rm(join(clone, 'review.json'));
    if (text !== undefined) await writeFile(join(clone, 'review.json'), text);
    await expect(comment(headSha)).rejects.toMatchObject({
      code: 'ASSETS_REVIEW',
      message: expect.stringContaining(message),
    });
  });

  test('whose file holds text of a stranger has it shown, and not obeyed', async () => {
    const file = join(clone, 'review.json');
    const real = JSON.parse(await readFile(file, 'utf8'));
    real.runUrl = 'https://evil.example/';
    real.checks[0] = {
      ...real.checks[0],
      status: 'critical',
      message: '@acme <script>alert(1)</script> [x](https://evil.example)',
    };
    await writeFile(file, JSON.stringify(real));
    await comment(headSha);
    const { body } = api.commentsOf(1)[0]!;
    expect(body).not.toContain('<script>');
    expect(body).not.toMatch(/\]\(https:\/\/evil/);
    expect(body).not.toMatch(/@acme\b/);
  });
});

describe('the scheduled pull request', () => {
  const propose = async () => {
    await inClone('fetch', '--quiet');
    await inClone('checkout', '--quiet', '-B', 'main', 'origin/main');
    return assetsProposeOperation.execute({ globs: [], bundles: [] }, await context({ include: globs }));
  };

  test('is opened once, and brought up to date', async () => {
    const { data } = await propose();
    expect(data).toMatchObject({ committedFiles: 1, pullRequest: { number: 1, isNew: true } });
    expect(api.pulls).toMatchObject([
      {
        state: 'open',
        head: { ref: 'ops/assets' },
        base: { ref: 'main' },
        title: expect.stringMatching(/^Make 1 file lighter by /),
      },
    ]);
    expect((await propose()).data).toMatchObject({ committedFiles: 0, pullRequest: { number: 1, isNew: false } });
    await inClone('checkout', '--quiet', 'main');
    await writeFile(join(clone, 'css/more.css'), looseCss);
    await inClone('add', '-A');
    await inClone('commit', '--quiet', '-m', 'More');
    await inClone('push', '--quiet', 'origin', 'main');
    expect((await propose()).data).toMatchObject({ committedFiles: 1, pullRequest: { number: 1, isNew: false } });
    expect(api.pulls).toHaveLength(1);
    expect(api.pulls[0]!.title).toMatch(/^Make 2 files lighter/);
    expect(await git.objects.git('diff', '--stat', 'main...ops/assets')).toContain('2 files changed');
  });

  test('keeps what a person added to its branch', async () => {
    await propose();
    await inClone('fetch', '--quiet');
    await inClone('checkout', '--quiet', '-B', 'ops/assets', 'origin/ops/assets');
    await writeFile(join(clone, 'css/old.css'), '.by-hand { color: red }\n');
    await inClone('commit', '--quiet', '-am', 'By hand');
    await inClone('push', '--quiet', 'origin', 'ops/assets');
    const theirs = (await inClone('rev-parse', 'HEAD')).stdout.trim();
    await propose();
    expect(await git.objects.git('show', 'ops/assets:css/old.css')).toBe('.by-hand { color: red }');
    await git.objects.git('merge-base', '--is-ancestor', theirs, 'ops/assets');
  });

  test('with conflicts says what to do, and forces nothing', async () => {
    await propose();
    await inClone('checkout', '--quiet', 'main');
    await writeFile(join(clone, 'css/old.css'), `${looseCss}\n.more { color: red }`);
    await inClone('commit', '--quiet', '-am', 'More');
    await inClone('push', '--quiet', 'origin', 'main');
    const before = await git.objects.git('rev-parse', 'ops/assets');
    await expect(propose()).rejects.toMatchObject({
      code: 'ASSETS_BRANCH',
      hint: expect.stringContaining('delete the branch ops/assets'),
    });
    expect(await git.objects.git('rev-parse', 'ops/assets')).toBe(before);
  });

  test('is not opened where nothing could be smaller', async () => {
    await inClone('rm', '--quiet', 'css/old.css');
    await inClone('commit', '--quiet', '-m', 'Nothing');
    await inClone('push', '--quiet', 'origin', 'main');
    expect((await propose()).data).toMatchObject({ pullRequest: null, committedFiles: 0 });
    expect(await git.objects.git('branch', '--list', 'ops/assets')).toBe('');
  });

  test('that may not be opened says which switch', async () => {
    proxy.fail('POST *pulls', {
      kind: 'status',
      status: 403,
      body: { message: 'GitHub Actions is not permitted to create or approve pull requests.' },
    });
    await expect(propose()).rejects.toMatchObject({
      code: 'GITHUB_PERMISSION',
      hint: expect.stringContaining('Allow GitHub Actions to create'),
    });
  });
});
