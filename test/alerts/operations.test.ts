import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  alertListOperation,
  alertSyncOperation,
  announce,
  createGitHubMemory,
} from '../../actions/lib/alerts/index.ts';
import type { OpsContext } from '../../actions/lib/context/index.ts';
import { noProgress, silentLog } from '../../actions/lib/log/index.ts';
import {
  createDirectoryStore,
  newReportId,
  type Report,
  reportSchemaName,
  type Status,
} from '../../actions/lib/reports/index.ts';
import { botToken, configOf, type GitHubWorld, openGitHubWorld, ownerToken } from './github-world.ts';
import type { AlertsInput } from './model.ts';

let world: GitHubWorld;
let folder: string;

beforeAll(async () => {
  world = await openGitHubWorld();
});
afterAll(() => world?.[Symbol.asyncDispose]());
beforeEach(async () => {
  world.reset();
  folder = await mkdtemp(join(tmpdir(), 'alerts-'));
});
afterEach(async () => {
  expect(world.proxy.violations).toEqual([]);
  await rm(folder, { recursive: true });
});

function context(alerts: AlertsInput = {}, secrets: Partial<OpsContext['secrets']> = {}): OpsContext {
  return {
    config: configOf(alerts),
    secrets: {
      databaseUrl: undefined,
      ftpUrl: undefined,
      s3AccessKeyId: undefined,
      s3SecretAccessKey: undefined,
      ageIdentity: undefined,
      githubToken: botToken,
      githubRepository: 'acme/ops',
      githubApiUrl: world.proxy.url,
      githubServerUrl: 'https://github.example',
      ...secrets,
    },
    log: {
      ...silentLog,
      info: m => void world.lines.push(`info: ${m}`),
      warn: m => void world.lines.push(`warn: ${m}`),
    },
    progress: noProgress,
    signal: new AbortController().signal,
    now: () => new Date(),
    cwd: folder,
    reportId: 'x',
  };
}

function report(kind: string, status: Status, at = new Date()): Report {
  const check = { id: `${kind}.check`, target: 'shop', value: 3, threshold: 1, unit: '', message: 'three are gone' };
  return {
    schema: reportSchemaName,
    kind,
    id: newReportId(at),
    platform: 'shop',
    status,
    startedAt: at.toISOString(),
    finishedAt: at.toISOString(),
    trigger: { event: 'terminal' },
    run: null,
    tool: { version: '0.1.0', node: '24.21.0' },
    checks: [{ ...check, status }],
    error: null,
    data: null,
  };
}

const store = () => createDirectoryStore(join(folder, 'reports'));

describe('ops alerts sync', () => {
  it('announces the latest report of every kind', async () => {
    await store().save(report('backup.database', 'critical', new Date(Date.now() - 60_000)));
    await store().save(report('backup.database', 'ok'));
    await store().save(report('drill.run', 'warning'));
    const { data, checks } = await alertSyncOperation.execute({ dryRun: false }, context());
    expect(data).toMatchObject({ isDryRun: false, reports: 2, failures: [] });
    expect(data.announced.map(({ text }) => text)).toEqual(['opened drill.run.check shop (#1)']);
    expect(checks).toEqual([expect.objectContaining({ id: 'alerts.announced', status: 'ok' })]);
    expect(alertSyncOperation.dataSchema.parse(data)).toEqual(data);
    const [issue] = await world.issues();
    expect(issue?.body).toContain('](https://github.example/acme/ops/blob/HEAD/reports/drill.run/');
  });

  it('a dry run announces nothing and says what it would', async () => {
    await store().save(report('drill.run', 'warning'));
    const outcome = await alertSyncOperation.execute({ dryRun: true }, context());
    expect(outcome.isDryRun).toBe(true);
    expect(alertSyncOperation.lines({ ...report('alerts.sync', 'ok'), data: outcome.data })).toEqual([
      '1 latest reports: 1 things would be done',
      '  would have opened drill.run.check shop (new)',
    ]);
    expect(await world.issues()).toEqual([]);
  });

  it('what could not be announced is a breach of its own', async () => {
    await store().save(report('drill.run', 'warning'));
    world.proxy.fail('GET *issues', { kind: 'status', status: 403 });
    const { checks } = await alertSyncOperation.execute({ dryRun: false }, context());
    expect(checks[0]).toMatchObject({
      status: 'critical',
      value: 1,
      message: expect.stringContaining('issues: write'),
    });
  });

  it('without reports there is nothing to do', async () => {
    const { data } = await alertSyncOperation.execute({ dryRun: false }, context());
    expect(data).toMatchObject({ reports: 0, announced: [], failures: [] });
  });

  it('without a token it says what to set', async () => {
    const without = context({}, { githubToken: undefined });
    await expect(alertSyncOperation.execute({ dryRun: false }, without)).rejects.toMatchObject({
      code: 'GITHUB_AUTH',
      hint: expect.stringContaining('GITHUB_TOKEN'),
      exitCode: 2,
    });
  });
});

describe('ops alerts list', () => {
  it('lists what is not over, the gravest first', async () => {
    const kinds = [
      ['a.b', 'warning'],
      ['c.d', 'critical'],
      ['e.f', 'critical'],
    ] as const;
    for (const [kind, status] of kinds) await store().save(report(kind, status));
    await alertSyncOperation.execute({ dryRun: false }, context());
    await store().save(report('e.f', 'ok', new Date(Date.now() + 60_000)));
    await alertSyncOperation.execute({ dryRun: false }, context());
    const [first] = (await world.issues()).filter(({ title }) => title.startsWith('Critical'));
    await world.ask('PATCH', `/issues/${first?.number}`, { state: 'closed' });

    const { data, isDryRun } = await alertListOperation.execute({}, context());
    expect(isDryRun).toBe(true);
    expect(data.alerts.map(({ key, severity, isAcknowledged }) => [key, severity, isAcknowledged])).toEqual([
      ['c.d.check shop', 'critical', true],
      ['a.b.check shop', 'warning', false],
    ]);
    expect(alertListOperation.lines({ ...report('alerts.list', 'ok'), data })[0]).toMatch(
      /^critical {2}#\d {2}c\.d\.check shop {2}for .*, closed by hand$/,
    );
    expect(alertListOperation.dataSchema.parse(data)).toEqual(data);
  });

  it('says so when there is none', async () => {
    const { data } = await alertListOperation.execute({}, context());
    expect(alertListOperation.lines({ ...report('alerts.list', 'ok'), data })).toEqual(['No alert is open.']);
  });
});

describe('announce, as lib/run calls it', () => {
  it('logs what was done, and never fails for what was not', async () => {
    await announce([report('drill.run', 'warning')], context());
    expect(world.lines).toContain('info: Alerts: opened drill.run.check shop (#1)');
    world.proxy.fail('GET *issues', { kind: 'status', status: 410 });
    const { failures } = await announce([report('drill.run', 'critical')], context());
    expect(failures).toHaveLength(1);
    expect(world.lines.at(-1)).toMatch(
      /^warn: Alerts could not be announced \(issues\): GITHUB_GONE: .*alerts\.issues: false/,
    );
  });

  it('without a token and a webhook it does nothing', async () => {
    const { announced, failures } = await announce(
      [report('drill.run', 'warning')],
      context({}, { githubToken: undefined }),
    );
    expect([announced, failures]).toEqual([[], []]);
    expect(world.proxy.requests).toEqual([]);
  });

  it('ends with the run that is cancelled', async () => {
    const abort = new AbortController();
    abort.abort(new Error('cancelled'));
    await expect(announce([report('drill.run', 'warning')], { ...context(), signal: abort.signal })).rejects.toThrow(
      'cancelled',
    );
  });

  it('remembers on a branch what no issue can hold, in one commit, and only when it changes', async () => {
    const github = world.client();
    const memory = createGitHubMemory({
      // The emulator lets only owners write contents.
      github: world.client({ token: ownerToken }),
      branch: undefined,
      folder: './reports/',
      signal: new AbortController().signal,
      log: silentLog,
    });
    const frame = () => ({ ...context({ for: '1h' }), github, memory });
    await announce([report('drill.run', 'warning')], frame());
    const { content } = await world.ask<{ content: string }>('GET', '/contents/reports/alerts.json');
    expect(Object.keys(JSON.parse(Buffer.from(content, 'base64').toString()).issues.pending)).toEqual([
      'drill.run.check shop',
    ]);
    world.proxy.reset();
    await announce([report('drill.run', 'warning', new Date(Date.now() + 60_000))], frame());
    expect(world.proxy.requests.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);
    await announce([report('drill.run', 'warning', new Date(Date.now() + 3_600_000))], frame());
    expect(await world.issues()).toHaveLength(1);
    expect((await memory.read()).issues.pending).toEqual({});
  });

  it('outside of Actions the memory is in the folder of the reports', async () => {
    await announce([report('drill.run', 'warning')], context({ for: '1h' }));
    expect(await readFile(join(folder, 'reports', 'alerts.json'), 'utf8')).toContain('drill.run.check shop');
  });
});
