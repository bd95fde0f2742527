import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDirectoryMemory, emptyMemory } from '../../actions/lib/alerts/memory.ts';
import { type AlertSyncOptions, syncAlerts } from '../../actions/lib/alerts/sync.ts';
import { silentLog } from '../../actions/lib/log/index.ts';
import {
  type Check,
  newReportId,
  type Report,
  reportSchemaName,
  worstStatus,
} from '../../actions/lib/reports/index.ts';
import { configOf, type GitHubWorld, openGitHubWorld, personToken } from './github-world.ts';
import type { AlertsInput } from './model.ts';

let world: GitHubWorld;
let folder: string;
let now: Date;

beforeAll(async () => {
  world = await openGitHubWorld();
});
afterAll(() => world?.[Symbol.asyncDispose]());
beforeEach(async () => {
  world.reset();
  folder = await mkdtemp(join(tmpdir(), 'alerts-'));
  // The emulator stamps what it writes with the machine's clock, and `since` is compared with that.
  now = new Date();
});
afterEach(async () => {
  expect(world.proxy.violations).toEqual([]);
  await rm(folder, { recursive: true });
});

const later = (minutes: number) => {
  now = new Date(now.getTime() + minutes * 60_000);
};

function report(checks: Partial<Check>[] | 'failed', kind = 'backup.database'): Report {
  const all: Check[] = (checks === 'failed' ? [] : checks).map(check => ({
    id: 'backup.database.destinations',
    target: 'shop',
    status: 'critical',
    value: 1,
    threshold: 2,
    unit: 'destinations',
    message: 'Set x is missing at s3 (refused)',
    ...check,
  }));
  return {
    schema: reportSchemaName,
    kind,
    id: newReportId(now),
    platform: 'shop',
    status: checks === 'failed' ? 'critical' : worstStatus(all.map(({ status }) => status)),
    startedAt: now.toISOString(),
    finishedAt: now.toISOString(),
    trigger: { event: 'schedule' },
    run: { url: 'https://github.com/acme/ops/actions/runs/1/attempts/1', id: '1', attempt: 1, sha: 'abc' },
    tool: { version: '0.1.0', node: '24.21.0' },
    checks: all,
    error: checks === 'failed' ? { code: 'CONNECT', message: 'The server refused' } : null,
    data: null,
  };
}

function sync(
  reports: Report[],
  {
    alerts = {},
    token,
    timeoutMs = 10_000,
    ...rest
  }: { alerts?: AlertsInput; token?: string; timeoutMs?: number } & Partial<AlertSyncOptions> = {},
) {
  return syncAlerts({
    reports,
    config: configOf(alerts),
    github: world.client({ timeoutMs, ...(token && { token }) }),
    webhook: undefined,
    memory: createDirectoryMemory(folder, silentLog),
    reportUrl: (kind, id) => `https://github.com/acme/ops/blob/HEAD/reports/${kind}/${id}.json`,
    log: { ...silentLog, warn: message => void world.lines.push(`warn: ${message}`) },
    signal: new AbortController().signal,
    now,
    ...rest,
  });
}

const broken = () => report([{}]);
const whole = () => report([{ status: 'ok', value: 2, message: 'Set x is whole' }]);
const issuesRoute = '/repos/acme/ops/issues';

describe('the life of an alert', () => {
  it('is one issue: opened with its label, kept up to date, commented, closed, reopened', async () => {
    await sync([broken()]);
    let [issue] = await world.issues();
    expect(issue).toMatchObject({ number: 1, state: 'open', user: { login: 'github-actions[bot]' } });
    expect(issue?.title).toBe('Critical: Database backup is missing at a destination (shop)');
    expect(issue?.labels.map(({ name }) => name)).toEqual(['ops-alert']);

    later(20);
    await sync([report([{ value: 0 }])]);
    expect((await world.issues())[0]?.body).toContain('| Value | 0 destinations |');
    expect(await world.comments(1)).toEqual([]);

    later(20);
    await sync([report([{ status: 'warning' }])]);
    expect(await world.comments(1)).toEqual([expect.stringContaining('**Critical → warning**')]);

    later(20);
    await sync([whole()]);
    [issue] = await world.issues();
    expect(issue).toMatchObject({ state: 'closed', state_reason: 'completed' });
    expect((await world.comments(1))[1]).toContain('**Well again**');

    later(20);
    await sync([broken()]);
    [issue] = await world.issues();
    expect(issue).toMatchObject({ number: 1, state: 'open' });
    expect((await world.comments(1))[2]).toContain('**Breached again**');
    expect(await world.issues()).toHaveLength(1);
  });

  it('asked again, nothing is written', async () => {
    await sync([broken()]);
    world.proxy.reset();
    expect(await sync([broken()])).toEqual({ announced: [], failures: [] });
    expect(world.proxy.requests.map(({ method }) => method)).toEqual(['GET', 'GET']);
  });

  it('a run that failed is an alert, and one that did not closes it', async () => {
    await sync([report('failed')]);
    expect((await world.issues())[0]).toMatchObject({
      state: 'open',
      title: 'Critical: The database backup failed to run',
    });
    later(5);
    await sync([whole()]);
    expect((await world.issues())[0]?.state).toBe('closed');
  });

  it('a check that exists only while it fails closes with the next report that is well', async () => {
    await sync([report([{ id: 'drill.rto' }], 'drill.run')]);
    later(5);
    await sync([report([{ id: 'drill.verdict', status: 'ok' }], 'drill.run')]);
    expect((await world.issues())[0]?.state).toBe('closed');
  });

  it('visitors who get old pages are not well because the next deploy changed nothing', async () => {
    const stale = { id: 'cdn.purge.verified', target: undefined };
    await sync([report([stale], 'cdn.purge')]);
    later(5);
    await sync([report([], 'cdn.purge')]);
    expect((await world.issues())[0]?.state).toBe('open');
    later(5);
    await sync([report([{ ...stale, status: 'ok' }], 'cdn.purge')]);
    expect((await world.issues())[0]?.state).toBe('closed');
  });

  it('labels and assignees are those of the configuration, and labels are made when missing', async () => {
    await world.ask('POST', '/labels', { name: 'database', color: '0000ff' });
    const alerts = {
      assignees: ['anna'],
      labels: ['ops'],
      rules: [{ check: 'backup.database.*', labels: ['database', 'night'], assignees: ['ben'] }],
    };
    await sync([report([{}, { id: 'other' }])], { alerts });
    const issues = await world.issues();
    const of = (number: number) => issues.find(issue => issue.number === number)!;
    expect(of(1).assignees.map(({ login }) => login)).toEqual(['ben']);
    expect(
      of(1)
        .labels.map(({ name }) => name)
        .sort(),
    ).toEqual(['database', 'night', 'ops-alert']);
    expect(of(2).assignees.map(({ login }) => login)).toEqual(['anna']);
    expect(
      of(2)
        .labels.map(({ name }) => name)
        .sort(),
    ).toEqual(['ops', 'ops-alert']);
    // One that was there keeps its colour.
    expect(of(1).labels.find(({ name }) => name === 'database')?.color).toBe('0000ff');
    expect(world.proxy.count('POST */labels')).toBe(3);
  });

  it('an assignee whom GitHub does not know costs the assignees, not the issue', async () => {
    await sync([broken()], { alerts: { assignees: ['nobody'] } });
    expect((await world.issues())[0]).toMatchObject({ state: 'open', assignees: [] });
    expect(world.lines.join('\n')).toContain('without assignees (nobody)');
  });

  it('a breach that has to last is remembered in a file beside the reports, and forgotten when it is over', async () => {
    const alerts = { for: '15m' };
    await sync([broken()], { alerts });
    expect(await world.issues()).toEqual([]);
    const file = join(folder, 'alerts.json');
    expect(JSON.parse(await readFile(file, 'utf8')).issues.pending).toEqual({
      'backup.database.destinations shop': { since: now.toISOString() },
    });
    later(20);
    await sync([broken()], { alerts });
    expect(await world.issues()).toHaveLength(1);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(emptyMemory());
  });

  it('a storm is one issue', async () => {
    const checks = Array.from({ length: 30 }, (_, index) => ({ id: `check.n${index}` }));
    await sync([report(checks)]);
    const issues = await world.issues();
    expect(issues.map(({ title }) => title)).toEqual(['Critical: Many alerts at once']);
    expect(issues[0]?.body).toContain('`check.n29 shop`');
    later(5);
    await sync([report(checks.map(check => ({ ...check, status: 'ok' as const })))]);
    expect((await world.issues())[0]?.state).toBe('closed');
  });

  it('an alert behind more issues than a page holds is found', async () => {
    const others = Array.from({ length: 120 }, (_, index) => ({ title: `Note ${index}`, labels: ['ops-alert'] }));
    for (const other of others) await world.ask('POST', '/issues', other);
    await sync([broken()]);
    later(5);
    const { announced } = await sync([whole()]);
    expect(announced).toEqual([expect.objectContaining({ number: 121 })]);
    expect(await world.ask('GET', '/issues/121')).toMatchObject({ state: 'closed' });
  });
});

describe('people and other programs', () => {
  it('an issue of a person is never touched, although it is a copy of an alert with its label', async () => {
    await sync([broken()]);
    const [ours] = await world.issues();
    await world.ask('POST', '/issues', { title: ours!.title, body: ours!.body, labels: ['ops-alert'] }, personToken);
    const before = (await world.issues()).find(({ number }) => number === 2);
    later(20);
    await sync([report([{ status: 'warning' }])]);
    later(20);
    await sync([whole()]);
    expect((await world.issues()).find(({ number }) => number === 2)).toEqual(before);
    expect(await world.comments(2)).toEqual([]);
    expect(world.proxy.count('* /repos/acme/ops/issues/2*')).toBe(0);
  });

  it('closed by a person while it is breached it stays closed, until it was well', async () => {
    await sync([broken()]);
    await world.ask('PATCH', '/issues/1', { state: 'closed' });
    later(30);
    await sync([broken()]);
    expect((await world.issues())[0]?.state).toBe('closed');
    later(30);
    await sync([whole()]);
    later(30);
    await sync([broken()]);
    expect(await world.issues()).toEqual([expect.objectContaining({ number: 1, state: 'open' })]);
  });

  it('notes that a person adds as comments stay', async () => {
    await sync([broken()]);
    await world.ask('POST', '/issues/1/comments', { body: 'On it' });
    later(20);
    await sync([whole()]);
    expect(await world.comments(1)).toEqual(['On it', expect.stringContaining('Well again')]);
  });

  it('twins of a race are merged into the older one', async () => {
    // Two runs list before either has written.
    const client = world.client();
    const meet = Promise.withResolvers<void>();
    let waiting = 0;
    const atOnce = async () => {
      if (++waiting === 2) meet.resolve();
      await meet.promise;
    };
    world.proxy.before(`POST ${issuesRoute}`, atOnce);
    world.proxy.before(`POST ${issuesRoute}`, atOnce);
    const one = broken();
    await Promise.all([sync([one], { github: client }), sync([one], { github: client })]);
    expect((await world.issues()).filter(({ state }) => state === 'open')).toHaveLength(2);
    later(5);
    await sync([broken()]);
    expect(await world.issues()).toEqual([
      expect.objectContaining({ number: 1, state: 'open' }),
      expect.objectContaining({ number: 2, state: 'closed', state_reason: 'not_planned' }),
    ]);
    expect((await world.comments(2))[0]).toContain('goes on in #1');
    later(5);
    expect((await sync([broken()])).announced).toEqual([]);
  });

  it('a person’s token opens nothing, since the next run would not know the issue again', async () => {
    const { failures } = await sync([broken()], { token: personToken });
    expect(failures).toEqual([
      expect.objectContaining({ code: 'ALERTS_AUTHOR', hint: expect.stringContaining("add 'anna' to alerts.authors") }),
    ]);
    expect(await world.issues()).toEqual([]);
  });

  it('unless the configuration names them', async () => {
    const options = { token: personToken, alerts: { authors: ['anna'] } };
    await sync([broken()], options);
    later(20);
    await sync([whole()], options);
    expect(await world.issues()).toEqual([
      expect.objectContaining({ number: 1, state: 'closed', user: expect.objectContaining({ login: 'anna' }) }),
    ]);
  });
});

describe('when GitHub fails', () => {
  const post = `POST ${issuesRoute}`;
  const list = `GET ${issuesRoute}`;
  const status = (code: number, message = `HTTP ${code}`) => ({
    kind: 'status' as const,
    status: code,
    body: { message },
  });

  it.each([
    ['401 at the list', list, 401, 'GITHUB_AUTH', 'token'],
    ['403 at the list', list, 403, 'GITHUB_PERMISSION', 'issues: write'],
    ['403 at the issue', post, 403, 'GITHUB_PERMISSION', 'issues: write'],
    ['404 at the list', list, 404, 'GITHUB_NOT_FOUND', 'issues: write'],
    ['410, issues are switched off', list, 410, 'GITHUB_GONE', 'Settings'],
    ['422', post, 422, 'GITHUB_INVALID', ''],
  ])('%s: it says what is missing, and the next run announces', async (_name, route, code, expected, hint) => {
    world.proxy.fail(route, status(code));
    const { failures } = await sync([broken()]);
    expect(failures[0]).toMatchObject({ channel: 'issues', code: expected, hint: expect.stringContaining(hint) });
    expect(await world.issues()).toEqual([]);
    // Of another kind: it is about something else, and says what waits.
    later(60);
    await sync([report([], 'monitor.run')]);
    expect(await world.issues()).toEqual([expect.objectContaining({ number: 1, state: 'open' })]);
    later(60);
    world.proxy.reset();
    await sync([report([], 'monitor.run')]);
    expect(await world.issues()).toHaveLength(1);
    expect(world.proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  it.each([
    ['502 that does not pass', list, { ...status(502) }],
    ['a list whose answer never comes', list, { kind: 'timeout' as const, isDone: false }],
    ['a list that is cut off', list, { kind: 'truncated' as const }],
    ['a limit that lasts', post, { kind: 'secondary-limit' as const, retryAfterSeconds: 7200 }],
  ])('%s: nothing is lost, and the next run announces', async (_name, route, fault) => {
    world.proxy.fail(route, fault, 9);
    const { failures } = await sync([broken()], { timeoutMs: 300 });
    expect(failures[0]).toMatchObject({ channel: 'issues' });
    expect(await world.issues()).toEqual([]);
    world.proxy.reset();
    later(60);
    await sync([report([], 'monitor.run')]);
    expect(await world.issues()).toEqual([expect.objectContaining({ number: 1, state: 'open' })]);
  });

  it('what was announced late says since when it is so', async () => {
    world.proxy.fail(post, status(403));
    await sync([broken()]);
    const began = `${now.toISOString().slice(0, 10)} ${now.toISOString().slice(11, 16)} UTC`;
    later(60);
    await sync([broken()]);
    expect((await world.issues())[0]?.body).toContain(`since ${began}`);
  });

  it('one refusal for all is asked once, not for every alert', async () => {
    world.proxy.fail(post, status(403), 10);
    const { failures } = await sync([report([{}, { id: 'a' }, { id: 'b' }])]);
    expect(failures).toHaveLength(3);
    expect(world.proxy.count(post)).toBe(1);
  });

  it('one refusal for one alert does not keep the others back', async () => {
    world.proxy.fail(post, status(422));
    const { failures } = await sync([report([{}, { id: 'a' }, { id: 'b' }])]);
    expect(failures).toHaveLength(1);
    expect(await world.issues()).toHaveLength(2);
  });

  it.each([
    ['a secondary limit', { kind: 'secondary-limit' as const, retryAfterSeconds: 2 }],
    [
      'a primary limit that passes soon',
      { kind: 'primary-limit' as const, resetAtSeconds: Math.ceil(Date.now() / 1000) + 60 },
    ],
    ['429', { kind: 'status' as const, status: 429, headers: { 'retry-after': '1' } }],
    ['a connection that is cut before', { kind: 'cut' as const, isDone: false }],
    ['502', { kind: 'status' as const, status: 502 }],
  ])('%s: it is done in the same run, once', async (_name, fault) => {
    world.proxy.fail(post, fault);
    const { failures } = await sync([broken()]);
    expect(failures).toEqual([]);
    expect(await world.issues()).toHaveLength(1);
  });

  it.each([
    ['the connection is cut', { kind: 'cut' as const, isDone: true }],
    ['the answer never comes', { kind: 'timeout' as const, isDone: true }],
    ['the answer is cut off', { kind: 'truncated' as const }],
    ['the answer is a page of somebody else', { kind: 'html' as const }],
  ])('%s after the issue was made: no second one is made', async (_name, fault) => {
    world.proxy.fail(post, fault);
    const { failures } = await sync([broken()], { timeoutMs: 1000 });
    expect(failures).toEqual([]);
    expect(world.proxy.count(post)).toBe(1);
    expect(await world.issues()).toHaveLength(1);
    later(5);
    expect((await sync([broken()])).announced).toEqual([]);
  });

  it.each([
    ['the connection is cut', { kind: 'cut' as const, isDone: true }],
    ['the answer is cut off', { kind: 'truncated' as const }],
  ])('%s after a comment was made: no second one is made', async (_name, fault) => {
    await sync([report([{ status: 'warning' }])]);
    world.proxy.fail('POST *comments', fault);
    later(5);
    expect((await sync([broken()])).failures).toEqual([]);
    expect(await world.comments(1)).toHaveLength(1);
    expect((await world.issues())[0]?.title).toMatch(/^Critical/);
  });

  it('a comment that was made although the body could not be written is not made again', async () => {
    await sync([report([{ status: 'warning' }])]);
    world.proxy.fail('PATCH *issues/1', status(422));
    later(5);
    expect((await sync([broken()])).failures).toHaveLength(1);
    later(5);
    expect((await sync([broken()])).failures).toEqual([]);
    expect(await world.comments(1)).toHaveLength(1);
    expect((await world.issues())[0]?.title).toMatch(/^Critical/);
  });

  it('a comment that failed is made by the next run, also when it is about something else', async () => {
    await sync([report([{ status: 'warning' }])]);
    world.proxy.fail('POST *comments', status(403));
    later(5);
    await sync([broken()]);
    expect(await world.comments(1)).toEqual([]);
    later(5);
    await sync([report([], 'monitor.run')]);
    expect(await world.comments(1)).toEqual([expect.stringContaining('**Warning → critical**')]);
  });

  it('an issue that could not be closed is closed by the next run', async () => {
    await sync([broken()]);
    world.proxy.fail('PATCH *issues/1', status(403));
    later(5);
    await sync([whole()]);
    expect((await world.issues())[0]?.state).toBe('open');
    later(5);
    await sync([report([], 'monitor.run')]);
    expect((await world.issues())[0]?.state).toBe('closed');
    expect(await world.comments(1)).toHaveLength(1);
  });

  it('a list that never comes is a failure, not an empty list', async () => {
    await sync([broken()]);
    world.proxy.fail(list, { kind: 'truncated' }, 10);
    later(5);
    const { failures } = await sync([broken()]);
    expect(failures[0]).toMatchObject({ channel: 'issues', code: 'GITHUB_UNREACHABLE' });
    expect(await world.issues()).toHaveLength(1);
  });

  it('what recovered while GitHub could not be asked is not announced after that', async () => {
    world.proxy.fail(list, status(403), 2);
    await sync([broken()]);
    later(60);
    await sync([whole()]);
    later(60);
    await sync([report([], 'monitor.run')]);
    expect(await world.issues()).toEqual([]);
    expect(JSON.parse(await readFile(join(folder, 'alerts.json'), 'utf8'))).toEqual(emptyMemory());
  });

  it('nor does an issue that is open stay so, when it recovered then', async () => {
    await sync([broken()]);
    world.proxy.fail(list, status(403), 2);
    later(60);
    await sync([broken()]);
    later(60);
    await sync([whole()]);
    later(60);
    await sync([report([], 'monitor.run')]);
    expect((await world.issues())[0]?.state).toBe('closed');
  });

  it('of two breaches that could not be said the newer one is', async () => {
    world.proxy.fail(list, status(403), 2);
    await sync([report([{ value: 1 }])]);
    later(60);
    await sync([report([{ value: 0 }])]);
    const kept = JSON.parse(await readFile(join(folder, 'alerts.json'), 'utf8')).unannounced;
    expect(kept['backup.database.destinations shop'].reading.value).toBe(0);
    later(60);
    await sync([report([], 'monitor.run')]);
    expect((await world.issues())[0]?.body).toContain('| Value | 0 destinations |');
  });

  it('the token is in no failure and no line', async () => {
    world.proxy.fail(list, status(401));
    const { failures } = await sync([broken()]);
    expect(JSON.stringify(failures) + world.lines.join()).not.toContain('token-0123456789');
  });

  it('a memory that would be too large for GitHub is refused loudly, a large one is said', async () => {
    const memory = createDirectoryMemory(folder, { ...silentLog, warn: message => void world.lines.push(message) });
    const keep = (count: number) =>
      memory.update(before => {
        const waiting = Array.from({ length: count }, (_, index) => [`check-${'x'.repeat(60)} ${index}`, { since }]);
        return { ...before, issues: { pending: Object.fromEntries(waiting) } };
      });
    const since = '2026-11-23T12:00:00.000Z';
    await keep(10_000);
    expect(world.lines.join()).toMatch(/alerts\.json would have 1,\d+,\d+ bytes; the limit is 10,000,000.*silence it/);
    await expect(keep(100_000)).rejects.toMatchObject({ code: 'REPORT_SIZE' });
    expect(Object.keys((await memory.read()).issues.pending)).toHaveLength(10_000);
  });

  it('a file of memory that somebody damaged is begun anew, with a word', async () => {
    await writeFile(join(folder, 'alerts.json'), '{"schema":');
    const { failures } = await sync([broken()], {
      memory: createDirectoryMemory(folder, { ...silentLog, warn: message => void world.lines.push(message) }),
    });
    expect(failures).toEqual([]);
    expect(world.lines.join()).toContain('alerts.json could not be understood');
    expect(await world.issues()).toHaveLength(1);
  });
});

describe('without being asked to', () => {
  it('a dry run says what would be done and writes nothing', async () => {
    const { announced } = await sync([broken()], { isDryRun: true, alerts: { for: '0s' } });
    expect(announced.map(({ action }) => action.kind)).toEqual(['open']);
    expect(await world.issues()).toEqual([]);
    expect(world.proxy.requests.every(({ method }) => method === 'GET')).toBe(true);
    await expect(readFile(join(folder, 'alerts.json'))).rejects.toThrow();
  });

  it('alerts.issues: false asks GitHub nothing', async () => {
    await sync([broken()], { alerts: { issues: false } });
    expect(world.proxy.requests).toEqual([]);
  });
});
