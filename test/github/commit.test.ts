import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CommitOptions, commitFiles, createGitHub, type Head } from '../../actions/lib/github/index.ts';
import { silentLog } from '../../actions/lib/log/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../services/git-data-api.ts';
import { type GitServer, startGitServer } from '../services/git-server.ts';
import { startEmulator } from '../services/github-emulator.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { run } from '../services/processes.ts';

let folder: string;
let api: GitDataApi;
let proxy: GitHubProxy;
let server: GitServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-commit-'));
  api = await createGitDataApi(join(folder, 'shop.git'));
  await seedBranch(api, 'main', { 'README.md': 'Shop\n', 'reports/old.json': '{}\n', 'reports/deep/er.txt': 'é\n' });
  proxy = await startGitHubProxy(api.handle);
  server = await startGitServer(api.objects.folder);
});
afterEach(async () => {
  await proxy.stop();
  await server.stop();
  await api.close();
  await rm(folder, { recursive: true, force: true });
  expect(proxy.violations).toEqual([]);
});

/** @param timeoutMs short only where an answer never comes: a busy machine answers late */
function connect(apiUrl = proxy.url, token = 'ghs_test', timeoutMs = 30_000) {
  return createGitHub({
    token,
    repository: 'acme/shop',
    apiUrl,
    log: silentLog,
    signal: new AbortController().signal,
    sleep: async () => {},
    timeoutMs,
  });
}

function commit(files: CommitOptions['files'], options: Partial<CommitOptions> = {}, github = connect()) {
  return commitFiles(github, {
    branch: 'main',
    message: 'a test',
    files,
    signal: new AbortController().signal,
    sleep: async () => {},
    ...options,
  });
}

const show = (path: string, branch = 'main') => api.objects.git('show', `${branch}:${path}`);
const countCommits = async (branch = 'main') => Number(await api.objects.git('rev-list', '--count', branch));

/** Adds a line to a file, as each report adds its own to what all reports share. */
const addLine = (line: string, seen?: Head[]) => async (head: Head) => {
  seen?.push(head);
  return new Map([['reports/lines.txt', `${(await head.read('reports/lines.txt')) ?? ''}${line}\n`]]);
};

/** A person with a clone who pushes by git, at the wrong moment. */
async function pushByHand(file: string, text: string): Promise<void> {
  const clone = await mkdtemp(join(folder, 'clone-'));
  const git = (...args: string[]) =>
    run('git', ['-C', clone, '-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args]);
  await run('git', ['clone', '--quiet', server.url, clone]);
  await writeFile(join(clone, file), text);
  await git('add', file);
  await git('commit', '--quiet', '-m', 'By hand');
  // git's own server may drop a connection on a busy machine; a push that arrived is then up to date.
  for (let tries = 3; ; tries--) {
    try {
      await git('push', '--quiet', 'origin', 'HEAD:main');
      return;
    } catch (error) {
      if (tries === 1 || !/RPC failed|hung up/.test(String(error))) throw error;
    }
  }
}

describe('one commit', () => {
  test('adds, changes and removes files at once, and leaves the others', async () => {
    const done = await commit(async () => {
      return new Map([
        ['reports/new/a.json', '{"ö":1}\n'],
        ['README.md', 'Shop, changed\n'],
        ['reports/deep/er.txt', null],
      ]);
    });
    expect(done).toMatchObject({ branch: 'main', isChanged: true, tries: 1 });
    expect(done.sha).toBe(await api.objects.git('rev-parse', 'main'));
    expect((await api.objects.git('ls-tree', '-r', '--name-only', 'main')).split('\n')).toEqual([
      'README.md',
      'reports/new/a.json',
      'reports/old.json',
    ]);
    expect(await show('reports/new/a.json')).toBe('{"ö":1}');
    expect(await api.objects.git('log', '-1', '--format=%s', 'main')).toBe('a test');
    await api.objects.git('fsck', '--strict');
  });

  test('can be cloned from a real git server', async () => {
    await commit(addLine('first'));
    const clone = join(folder, 'clone');
    await run('git', ['clone', '--quiet', server.url, clone]);
    expect((await run('git', ['-C', clone, 'show', 'HEAD:reports/lines.txt'])).stdout).toBe('first\n');
  });

  test('of nothing is no commit', async () => {
    const done = await commit(async () => new Map());
    expect(done).toMatchObject({ isChanged: false, sha: await api.objects.git('rev-parse', 'main') });
    expect(proxy.requests.map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  test('of what is there already is no commit', async () => {
    const done = await commit(async () => new Map([['README.md', 'Shop\n']]));
    expect(done.isChanged).toBe(false);
    expect(await countCommits()).toBe(1);
  });

  test('goes to the default branch when none is named', async () => {
    await commit(addLine('first'), { branch: undefined });
    expect(await show('reports/lines.txt')).toBe('first');
  });
});

describe('what is read', () => {
  test('is the text of files, and what is in folders', async () => {
    await commit(async head => {
      expect(await head.read('reports/deep/er.txt')).toBe('é\n');
      expect(await head.list('reports')).toEqual([
        { name: 'deep', path: 'reports/deep', isFolder: true, sizeBytes: 0 },
        { name: 'old.json', path: 'reports/old.json', isFolder: false, sizeBytes: expect.any(Number) },
      ]);
      expect((await head.list('')).map(({ name }) => name)).toEqual(['README.md', 'reports']);
      return new Map();
    });
  });

  test('and is not there is undefined, or empty: also inside a file, and a folder read as a file', async () => {
    await commit(async head => {
      for (const path of ['no.json', 'no/no.json', 'README.md/x', 'reports'])
        expect(await head.read(path)).toBeUndefined();
      for (const path of ['no', 'no/no', 'README.md']) expect(await head.list(path)).toEqual([]);
      return new Map();
    });
  });

  test('is asked for once, however often it is read', async () => {
    await commit(async head => {
      for (let time = 0; time < 3; time++) await head.read('reports/old.json');
      await head.list('reports');
      return new Map();
    });
    expect(proxy.count('GET *git/trees/*')).toBe(2);
    expect(proxy.count('GET *git/blobs/*')).toBe(1);
  });

  test('and arrives changed is not written back', async () => {
    const content = Buffer.from('not it').toString('base64');
    proxy.fail('GET *git/blobs/*', { kind: 'status', status: 200, body: { content, encoding: 'base64' } });
    await expect(commit(addLine('x')).then(() => commit(addLine('y')))).rejects.toMatchObject({
      code: 'GITHUB_FAILED',
    });
    expect(await show('reports/lines.txt')).toBe('x');
  });

  test('and cannot be read is an error, and never taken for missing', async () => {
    proxy.fail('GET *git/trees/*', { kind: 'status', status: 404 });
    await expect(commit(addLine('x'))).rejects.toMatchObject({ code: 'GITHUB_NOT_FOUND' });
    expect(await countCommits()).toBe(1);
  });
});

describe('a branch that moves between reading and writing', () => {
  test('is read anew, and nothing of either is lost', async () => {
    proxy.before('PATCH *', () => pushByHand('by-hand.txt', 'mine\n'));
    const heads: Head[] = [];
    const done = await commit(addLine('first', heads));
    expect(done).toMatchObject({ isChanged: true, tries: 2 });
    expect(heads).toHaveLength(2);
    expect(heads[0]?.sha).not.toBe(heads[1]?.sha);
    expect(await show('by-hand.txt')).toBe('mine');
    expect(await show('reports/lines.txt')).toBe('first');
    expect(await countCommits()).toBe(3);
  });

  test('costs, the second time, only what differs', async () => {
    proxy.before('PATCH *', () => pushByHand('by-hand.txt', 'mine\n'));
    await commit(async head => new Map([['reports/x.txt', (await head.read('reports/deep/er.txt')) ?? '']]));
    // The root twice, the folders and the file once.
    expect(proxy.count('GET *git/trees/*')).toBe(4);
    expect(proxy.count('GET *git/blobs/*')).toBe(1);
  });

  test('again and again is a conflict, said loudly', async () => {
    for (let time = 0; time < 3; time++) proxy.before('PATCH *', () => pushByHand(`${time}.txt`, 'x'));
    const slept: number[] = [];
    const sleep = async (milliseconds: number) => void slept.push(milliseconds);
    await expect(commit(addLine('never'), { tries: 3, sleep, random: () => 0.5 })).rejects.toMatchObject({
      code: 'GITHUB_CONFLICT',
      hint: expect.stringContaining('concurrency'),
    });
    await expect(show('reports/lines.txt')).rejects.toThrow();
    // Each wait is longer than the one before, by chance within its bounds, and none comes after the last try.
    expect(slept).toHaveLength(2);
    expect(slept[1]).toBe(2 * slept[0]!);
  });

  test('while somebody else pushes: their push is refused by git, and ours stands', async () => {
    const clone = join(folder, 'late');
    await run('git', ['clone', '--quiet', server.url, clone]);
    await commit(addLine('ours'));
    const git = (...args: string[]) => run('git', ['-C', clone, '-c', 'user.name=B', '-c', 'user.email=b@b', ...args]);
    await git('commit', '--quiet', '--allow-empty', '-m', 'late');
    await expect(git('push', '--quiet', 'origin', 'HEAD:main')).rejects.toThrow(/rejected|fetch first/);
    expect(await show('reports/lines.txt')).toBe('ours');
  });

  test('twenty writers at once lose nothing', async () => {
    const lines = Array.from({ length: 20 }, (_, index) => `writer ${index}`);
    const options = { sleep: undefined };
    await Promise.all(lines.map(line => commit(addLine(line), options)));
    expect((await show('reports/lines.txt')).split('\n').sort()).toEqual([...lines].sort());
    expect(await countCommits()).toBe(21);
  });
});

describe('a branch that does not exist', () => {
  test('is made without a past', async () => {
    const done = await commit(addLine('first'), { branch: 'ops/data' });
    expect(done.isChanged).toBe(true);
    expect(await api.objects.git('ls-tree', '-r', '--name-only', 'ops/data')).toBe('reports/lines.txt');
    expect(await countCommits('ops/data')).toBe(1);
    expect(await countCommits('main')).toBe(1);
    await commit(addLine('second'), { branch: 'ops/data' });
    expect(await show('reports/lines.txt', 'ops/data')).toBe('first\nsecond');
  });

  test('and is made by two at once holds what both wrote', async () => {
    proxy.before('POST *git/refs', async () => void (await commit(addLine('other'), { branch: 'data' })));
    const done = await commit(addLine('mine'), { branch: 'data' });
    expect(done.tries).toBe(2);
    expect(await show('reports/lines.txt', 'data')).toBe('other\nmine');
  });

  test('and is the default one is not ours to found', async () => {
    await api.objects.git('update-ref', '-d', 'refs/heads/main');
    await expect(commit(addLine('x'))).rejects.toMatchObject({
      code: 'GITHUB_NOT_FOUND',
      message: expect.stringContaining('has no branch main yet'),
      hint: 'Push a first commit.',
    });
  });
});

describe('a branch that takes no commits', () => {
  test.each([
    { status: 422, message: 'Repository rule violations found\n\nChanges must be made through a pull request.' },
    { status: 422, message: 'Cannot update this protected ref.' },
    { status: 403, message: 'Protected branch update failed for refs/heads/main.' },
  ])('says which, why, and what to set: $status $message', async refusal => {
    api.protect('main', refusal);
    await expect(commit(addLine('x'))).rejects.toMatchObject({
      code: 'GITHUB_PROTECTED',
      message: expect.stringContaining('Branch main is protected'),
      hint: expect.stringContaining('reports.branch'),
    });
    expect(proxy.count('PATCH *')).toBe(1);
  });

  test('for want of a permission says which', async () => {
    proxy.fail('POST *git/trees', {
      kind: 'status',
      status: 403,
      body: { message: 'Resource not accessible by integration' },
      headers: { 'x-accepted-github-permissions': 'contents=write; contents=write,workflows=write' },
    });
    await expect(commit(addLine('x'))).rejects.toMatchObject({
      code: 'GITHUB_PERMISSION',
      hint: expect.stringContaining("The token lacks 'contents: write'"),
    });
  });
});

describe('an answer that is lost', () => {
  const doubts = [
    { kind: 'timeout', isDone: true },
    { kind: 'cut', isDone: true },
    { kind: 'truncated' },
    { kind: 'timeout', isDone: false },
    { kind: 'status', status: 502 },
  ] as const;

  /** Long enough for each answer that comes, and not for the one that does not. */
  const impatient = () => connect(undefined, undefined, 3000);

  test.each(doubts)('does not make the commit twice: %j', async fault => {
    proxy.fail('PATCH *', fault);
    const done = await commit(addLine('once'), {}, impatient());
    expect(done.isChanged).toBe(true);
    expect(await show('reports/lines.txt')).toBe('once');
    expect(await countCommits()).toBe(2);
  });

  test('and a commit that others have built on meanwhile is still found', async () => {
    proxy.fail('PATCH *', { kind: 'timeout', isDone: true });
    const files = addLine('once');
    const mine = commit(files, {}, impatient());
    await expect.poll(() => countCommits(), { timeout: 30_000 }).toBe(2);
    await pushByHand('by-hand.txt', 'mine\n');
    expect(await mine).toMatchObject({ isChanged: true, tries: 1 });
    expect(await show('reports/lines.txt')).toBe('once');
    expect(await countCommits()).toBe(3);
  });

  test.each(doubts)('does not make the branch twice: %j', async fault => {
    proxy.fail('POST *git/refs', fault);
    await commit(addLine('once'), { branch: 'data' }, impatient());
    expect(await show('reports/lines.txt', 'data')).toBe('once');
    expect(await countCommits('data')).toBe(1);
  });
});

test('the same holds against another implementation of the API', async () => {
  const emulated = await startEmulator();
  const other = await startGitHubProxy(emulated.url);
  try {
    const github = connect(other.url, emulated.token);
    const options = { message: 'm', signal: new AbortController().signal };
    const write = (line: string, branch?: string) => commitFiles(github, { ...options, branch, files: addLine(line) });
    await Promise.all(['a', 'b', 'c', 'd'].map(line => write(line)));
    await write('orphan', 'data');
    const read = async (branch: string) => {
      const { data } = await github.request<{ content: string }>('GET /repos/{owner}/{repo}/contents/{+path}', {
        path: 'reports/lines.txt',
        ref: branch,
      });
      return Buffer.from(data.content, 'base64').toString().trimEnd().split('\n').sort();
    };
    expect(await read('main')).toEqual(['a', 'b', 'c', 'd']);
    expect(await read('data')).toEqual(['orphan']);
    expect(other.violations).toEqual([]);
  } finally {
    await other.stop();
    await emulated.stop();
  }
});
