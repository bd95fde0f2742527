import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createGitHub, type GitHubError, type GitHubOptions } from '../../actions/lib/github/index.ts';
import { createLog, Secrets } from '../../actions/lib/log/index.ts';
import { type Emulated, startEmulator } from '../services/github-emulator.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';

const listIssues = 'GET /repos/{owner}/{repo}/issues';
const openIssue = 'POST /repos/{owner}/{repo}/issues';

let emulated: Emulated;
let proxy: GitHubProxy;
let slept: number[];
let lines: string[];

beforeAll(async () => {
  emulated = await startEmulator();
  proxy = await startGitHubProxy(emulated.url);
});
afterAll(async () => {
  await proxy.stop();
  await emulated.stop();
});
beforeEach(() => {
  slept = [];
  lines = [];
  proxy.reset();
  emulated.reset();
});
afterEach(() => expect(proxy.violations).toEqual([]));

/** Waits are recorded, not waited; `random` 1 makes each the longest it can be. */
function connect(options: Partial<GitHubOptions> = {}) {
  return createGitHub({
    token: emulated.token,
    repository: 'acme/shop',
    apiUrl: proxy.url,
    log: createLog({ level: 'debug', format: 'text', secrets: new Secrets(), write: line => lines.push(line) }),
    signal: new AbortController().signal,
    sleep: async milliseconds => void slept.push(milliseconds),
    random: () => 1,
    timeoutMs: 30_000,
    ...options,
  });
}

async function failure(of: Promise<unknown>): Promise<GitHubError> {
  return of.then(
    () => expect.fail('it did not fail'),
    (error: GitHubError) => error,
  );
}

describe('a call that is answered', () => {
  test('goes to the address of GITHUB_API_URL, with the token, and fills in the repository', async () => {
    const { data } = await connect({ apiUrl: `${proxy.url}/` }).request<{ full_name: string }>(
      'GET /repos/{owner}/{repo}',
    );
    expect(data.full_name).toBe('acme/shop');
    const [request] = proxy.requests;
    expect(request?.headers.authorization).toBe(`token ${emulated.token}`);
    expect(request?.headers['user-agent']).toContain('production-ops');
  });

  test('sends nothing along that the route did not ask for', async () => {
    await failure(connect().request('GET /nothing'));
    expect(proxy.requests[0]?.query).toEqual({});
  });

  test('lists every page, in order', async () => {
    const github = connect();
    for (let number = 1; number <= 5; number++) await github.request(openIssue, { title: `Issue ${number}` });
    const titles: string[] = [];
    const parameters = { per_page: 2, direction: 'asc', sort: 'created' };
    for await (const { title } of github.paginate<{ title: string }>(listIssues, parameters)) titles.push(title);
    expect(titles).toEqual(['Issue 1', 'Issue 2', 'Issue 3', 'Issue 4', 'Issue 5']);
    expect(proxy.count('GET *issues')).toBe(3);
  });

  test('lists no more pages than asked for', async () => {
    const github = connect();
    for (let number = 1; number <= 5; number++) await github.request(openIssue, { title: `Issue ${number}` });
    const found = await Array.fromAsync(github.paginate(listIssues, { per_page: 2 }, { mostPages: 1 }));
    expect(found).toHaveLength(2);
    expect(proxy.count('GET *issues')).toBe(1);
  });

  test('unpacks a list that stands inside an answer', async () => {
    const found = await Array.fromAsync(connect().paginate('GET /repos/{owner}/{repo}/actions/workflows'));
    expect(found).toEqual([]);
  });
});

describe('what GitHub refuses', () => {
  test.each([
    [401, { message: 'Bad credentials' }, {}, 'GITHUB_AUTH', 'expired'],
    [
      403,
      { message: 'Resource not accessible by integration' },
      { 'x-accepted-github-permissions': 'issues=write; pull_requests=write' },
      'GITHUB_PERMISSION',
      "The token lacks 'issues: write'",
    ],
    [403, { message: 'Repository was archived so is read-only.' }, {}, 'GITHUB_PERMISSION', 'archived'],
    [404, { message: 'Not Found' }, {}, 'GITHUB_NOT_FOUND', 'may not see it'],
    [409, { message: 'Conflict' }, {}, 'GITHUB_CONFLICT', 'run it again'],
    [410, { message: 'Issues has been disabled in this repository.' }, {}, 'GITHUB_GONE', 'Issues'],
    [422, { message: 'Validation Failed' }, {}, 'GITHUB_INVALID', 'names it'],
    [418, { message: 'A teapot' }, {}, 'GITHUB_FAILED', 'LOG_LEVEL'],
  ])('%d is said once, with what to do: %j', async (status, body, headers, code, hint) => {
    proxy.fail('GET *issues', { kind: 'status', status, body, headers }, 10);
    const error = await failure(connect().request(listIssues));
    expect(error).toMatchObject({ code, status, mayHaveHappened: false, reason: body.message });
    expect(error.hint).toContain(hint);
    expect(error.message).toContain(`HTTP ${status}`);
    expect(proxy.count('GET *issues')).toBe(1);
  });

  test('the fields that are wrong are named', async () => {
    const errors = [
      { resource: 'Issue', field: 'assignees', code: 'invalid', value: 'nobody' },
      { resource: 'Issue', code: 'custom', field: 'body', message: 'is too long' },
    ];
    proxy.fail('POST *issues', { kind: 'status', status: 422, body: { message: 'Validation Failed', errors } });
    const error = await failure(connect().request(openIssue, { title: 'x' }));
    expect(error.reason).toBe('Validation Failed: assignees is invalid (nobody); body: is too long');
  });

  test('no token and no owner/name are told before anything is asked', () => {
    expect(() => connect({ token: '' })).toThrow(expect.objectContaining({ code: 'GITHUB_AUTH', exitCode: 2 }));
    for (const repository of ['shop', 'acme/', '/shop', 'acme/shop/x', ''])
      expect(() => connect({ repository })).toThrow(expect.objectContaining({ code: 'GITHUB_INVALID', exitCode: 2 }));
  });

  test('the token is in no message and no line of the log', async () => {
    proxy.fail('GET *issues', { kind: 'status', status: 502 }, 2);
    proxy.fail('GET *issues', { kind: 'status', status: 401, body: { message: 'Bad credentials' } });
    const error = await failure(connect().request(listIssues));
    const everything = `${lines.join('\n')}${error.message}${error.stack}${error.hint}${String((error.cause as Error).stack)}`;
    expect(everything).toContain('Bad credentials');
    expect(everything).not.toContain(emulated.token);
  });
});

describe('a limit', () => {
  test('is waited for as long as GitHub says', async () => {
    proxy.fail('GET *issues', { kind: 'secondary-limit', retryAfterSeconds: 42 });
    await connect({ random: () => 0 }).request(listIssues);
    expect(slept).toEqual([42_000]);
  });

  test('is waited for until its reset', async () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    proxy.fail('GET *issues', { kind: 'primary-limit', resetAtSeconds: now / 1000 + 90 });
    await connect({ random: () => 0, now: () => now }).request(listIssues);
    expect(slept).toEqual([91_000]);
  });

  test('without a time is waited for a minute', async () => {
    proxy.fail('GET *issues', { kind: 'secondary-limit' });
    proxy.fail('GET *issues', { kind: 'status', status: 429 });
    await connect({ random: () => 0 }).request(listIssues);
    expect(slept).toEqual([60_000, 60_000]);
  });

  test('of a POST is waited for too, since nothing was done', async () => {
    proxy.fail('POST *issues', { kind: 'secondary-limit', retryAfterSeconds: 1 });
    await connect().request(openIssue, { title: 'once' });
    expect(proxy.count('POST *issues')).toBe(2);
    expect(await Array.fromAsync(connect().paginate(listIssues))).toHaveLength(1);
  });

  test('that lasts longer than five minutes is not waited for', async () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    proxy.fail('GET *issues', { kind: 'primary-limit', resetAtSeconds: now / 1000 + 1800 });
    const error = await failure(connect({ now: () => now }).request(listIssues));
    expect(error).toMatchObject({ code: 'GITHUB_LIMITED', status: 403, mayHaveHappened: false });
    expect(error.hint).toContain('31 min');
    expect(slept).toEqual([]);
  });

  test('that comes again and again is given up after five minutes in all', async () => {
    proxy.fail('GET *issues', { kind: 'secondary-limit', retryAfterSeconds: 120 }, 10);
    const error = await failure(connect({ random: () => 0 }).request(listIssues));
    expect(error.code).toBe('GITHUB_LIMITED');
    expect(slept).toEqual([120_000, 120_000]);
  });
});

describe('a call whose end is in doubt', () => {
  const faults = [
    { kind: 'status', status: 502 },
    { kind: 'timeout', isDone: true },
    { kind: 'cut', isDone: true },
    { kind: 'truncated' },
    { kind: 'html' },
  ] as const;
  /** Waits for as long as a busy machine may need, but for an answer that does not come. */
  const impatient = ({ kind }: (typeof faults)[number]) => (kind === 'timeout' ? { timeoutMs: 2000 } : {});

  test.each(faults)('is made again when it only reads: %j', async fault => {
    proxy.fail('GET *issues', fault, 2);
    const { data } = await connect(impatient(fault)).request(listIssues);
    expect(data).toEqual([]);
    expect(proxy.count('GET *issues')).toBe(3);
  });

  test.each(faults)('is not made again when it creates something, and says so: %j', async fault => {
    proxy.fail('POST *issues', fault);
    const error = await failure(connect(impatient(fault)).request(openIssue, { title: 'once' }));
    expect(error).toMatchObject({ code: 'GITHUB_UNREACHABLE', mayHaveHappened: true });
    expect(proxy.count('POST *issues')).toBe(1);
  });

  test('is made again when the caller says that this does no harm', async () => {
    proxy.fail('POST *issues', { kind: 'status', status: 503 });
    await connect().request(openIssue, { title: 'harmless' }, { isRepeatable: true });
    expect(proxy.count('POST *issues')).toBe(2);
  });

  test('is given up after five attempts, each waiting longer', async () => {
    proxy.fail('GET *issues', { kind: 'status', status: 500 }, 10);
    const error = await failure(connect().request(listIssues));
    expect(error).toMatchObject({ code: 'GITHUB_UNREACHABLE', status: 500 });
    expect(slept).toEqual([1000, 2000, 4000, 8000]);
  });

  test('a connection that was never made is tried again, also for a POST', async () => {
    const nobody = await startGitHubProxy(emulated.url);
    await nobody.stop();
    const error = await failure(connect({ apiUrl: nobody.url }).request(openIssue, { title: 'x' }));
    expect(error).toMatchObject({ code: 'GITHUB_UNREACHABLE', status: undefined, mayHaveHappened: false });
    expect(slept).toHaveLength(4);
  });

  test('ends at once when the run is cancelled', async () => {
    const cancelled = new AbortController();
    proxy.fail('GET *issues', { kind: 'timeout', isDone: false });
    const asked = failure(connect({ signal: cancelled.signal, timeoutMs: 60_000 }).request(listIssues));
    await expect.poll(() => proxy.count('GET *issues')).toBe(1);
    cancelled.abort();
    expect((await asked).name).toBe('AbortError');
  });
});
