import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createEmulator } from 'emulate';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfig } from '../../actions/lib/config/index.ts';
import type { OpsContext } from '../../actions/lib/context/index.ts';
import { createGitHub } from '../../actions/lib/github/index.ts';
import { noProgress, silentLog } from '../../actions/lib/log/index.ts';
import {
  createDirectoryReader,
  createDirectoryStore,
  createGitHubReader,
  type Report,
  type ReportReader,
  reportPath,
  reportSchema,
  reportSchemaName,
  worstStatus,
} from '../../actions/lib/reports/index.ts';
import { type WatchdogData, watchdogOperation } from '../../actions/lib/watchdog/index.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { ActionsApi, runUrl } from './actions-api.ts';

const now = new Date('2026-11-23T12:00:00Z');
const hour = 3600;
const day = 24 * hour;
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);

let root: string;
let api: ActionsApi;
let proxy: GitHubProxy;
let warnings: string[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'ops-watchdog-'));
  // The workflows of this repository.
  await cp(join(import.meta.dirname, '../../.github/workflows'), join(root, '.github/workflows'), { recursive: true });
  api = new ActionsApi();
  proxy = await startGitHubProxy(api.handle);
  warnings = [];
});
afterEach(async () => {
  expect(proxy.violations).toEqual([]);
  // It looks, and changes nothing.
  expect(proxy.requests.filter(request => request.method !== 'GET')).toEqual([]);
  await proxy.stop();
  await rm(root, { recursive: true });
});

let lastRun = 0;
const scheduled = (hoursAgo: number, conclusion: string | null = 'success', event = 'schedule') => ({
  id: ++lastRun,
  event,
  created_at: ago(hoursAgo * hour).toISOString(),
  status: conclusion ? 'completed' : 'in_progress',
  conclusion,
});

/** A repository in which all is well. */
function allIsWell(): void {
  api.add('dynamic/pages/pages-build-deployment');
  api.add('backup.yml', { runs: [scheduled(8, 'skipped'), scheduled(9), scheduled(33)] });
  api.add('ci.yml');
  api.add('database.yml', { runs: [scheduled(5), scheduled(29)] });
  api.add('drill.yml', { runs: [scheduled(6)] });
  api.add('watchdog.yml', { runs: [scheduled(0, null), scheduled(6)] });
  store(report('backup.database', 9 * hour));
  store(drill(5 * hour));
  storeDatabase();
}

/** What most of these tests are not about. */
function storeDatabase(branch = 'main'): void {
  for (const name of looks) store(report(name, 5 * hour), branch);
}
const looks = ['database.connections', 'database.analyze', 'database.advise'];

function forget(): void {
  api.branches.get('main')!.clear();
  storeDatabase();
}

function report(kind: string, secondsAgo: number, given: Partial<Report> = {}): Report {
  const at = ago(secondsAgo).toISOString();
  const second = at.replace(/[-:]/g, '').replace(/\.\d+/, '');
  return {
    schema: reportSchemaName,
    kind,
    id: `${second}-7f3c`,
    platform: 'shop',
    status: 'ok',
    startedAt: at,
    finishedAt: at,
    trigger: { event: 'schedule' },
    run: null,
    tool: { version: '0.1.0', node: '24.21.0' },
    checks: [],
    error: null,
    data: {},
    ...given,
  };
}

function failed(kind: string, secondsAgo: number, given: Partial<Report> = {}): Report {
  return report(kind, secondsAgo, {
    status: 'critical',
    data: null,
    error: { code: 'PG_AUTH', message: 'no' },
    ...given,
  });
}

function drill(secondsAgo: number, verdict = 'PROVED', kind = 'database'): Report {
  return report('drill.run', secondsAgo, { data: { verdict, set: { kind } } });
}

/** As a run in Actions commits it. */
function store(stored: Report, branch = 'main'): void {
  const text = JSON.stringify(reportSchema.parse(stored));
  api.write(`reports/${reportPath(stored)}`, text, branch);
  api.write(`reports/latest/${stored.kind}.json`, text, branch);
}

const github = { GITHUB_TOKEN: 'ghs_secret', GITHUB_REPOSITORY: 'shop/ops' };

/** @param file the configuration, in the root; without it the environment alone */
function context(env: Record<string, string> = github, file?: string): OpsContext {
  const { config, secrets } = loadConfig({ env: { ...env, GITHUB_API_URL: proxy.url }, cwd: root, file });
  return {
    config,
    secrets,
    log: { ...silentLog, warn: message => warnings.push(message) },
    progress: noProgress,
    signal: new AbortController().signal,
    now: () => now,
    cwd: root,
    reportId: '20261123T120000Z-7f3c',
  };
}

async function watch(ctx: OpsContext = context(), input = {}) {
  const { data, checks } = await watchdogOperation.execute(input, ctx);
  watchdogOperation.dataSchema.parse(data);
  const status = worstStatus(checks.map(check => check.status));
  const of = { ...report('watchdog.run', 0), data, checks, status } as Report<WatchdogData>;
  return {
    data,
    checks,
    status,
    lines: watchdogOperation.lines(of).join('\n'),
    summary: watchdogOperation.summary(of),
    /** What is not well, as `check target status`. */
    missing: checks
      .filter(check => check.status !== 'ok')
      .map(check => [check.id.replace('watchdog.', ''), check.target, check.status].filter(Boolean).join(' ')),
  };
}

describe('the watchdog', () => {
  test('finds nothing where all is well', async () => {
    allIsWell();
    const { data, missing, status, lines, summary } = await watch();
    expect(missing).toEqual([]);
    expect(status).toBe('ok');
    expect(data.jobs).toMatchObject([
      { name: 'backup.database', workflow: 'backup.yml', ageSeconds: 9 * hour, allowanceSeconds: 36 * hour },
      { name: 'database.connections', workflow: 'database.yml', allowanceSeconds: 36 * hour },
      { name: 'database.analyze', workflow: 'database.yml', allowanceSeconds: 10.5 * day },
      { name: 'database.advise', workflow: 'database.yml', allowanceSeconds: 10.5 * day },
      { name: 'drill.database', workflow: 'drill.yml', ageSeconds: 5 * hour, provedAgeSeconds: 5 * hour },
    ]);
    expect(data.schedules).toMatchObject([
      { workflow: 'backup.yml', state: 'active', lastConclusion: 'skipped' },
      { workflow: 'database.yml', lastConclusion: 'success' },
      { workflow: 'drill.yml', lastConclusion: 'success' },
      { workflow: 'watchdog.yml', lastScheduledRunAt: now.toISOString() },
    ]);
    expect(lines).toContain('Nothing is missing: 5 jobs have recent reports, 4 schedules run');
    expect(summary.startsWith('## Nothing is missing')).toBe(true);
    // A few calls, whatever the repository's age.
    expect(proxy.requests.length).toBeLessThanOrEqual(13);
  });

  test('finds a backup that was not made, and says what to do', async () => {
    allIsWell();
    forget();
    store(report('backup.database', 37 * hour));
    store(drill(5 * hour));
    const { missing, lines, summary, data } = await watch();
    expect(missing).toEqual(['report backup.database critical']);
    expect(lines).toContain('gh workflow run backup.yml');
    expect(summary).toContain('❌ The newest report of backup.database is 37 h old');
    expect(data.jobs[0]).toMatchObject({ status: 'critical', ageSeconds: 37 * hour });
  });

  test('a failed backup is no backup; the one before it counts', async () => {
    allIsWell();
    store(report('backup.database', 33 * hour));
    store(failed('backup.database', 2 * hour));
    expect((await watch()).data.jobs[0]).toMatchObject({ status: 'ok', ageSeconds: 9 * hour });
    forget();
    store(report('backup.database', 60 * hour));
    store(failed('backup.database', 26 * hour));
    store(failed('backup.database', 2 * hour));
    store(drill(5 * hour));
    expect((await watch()).missing).toEqual(['report backup.database critical']);
  });

  test('a look that left nothing but its samples is a look, also when the next one fails', async () => {
    const text =
      "on: { schedule: [{ cron: '0 * * * *' }] }\njobs: { a: { runs-on: x, steps: [{ uses: ./actions/monitor }] } }\n";
    await writeFile(join(root, '.github/workflows/monitor.yml'), text);
    const folder = createDirectoryStore(join(root, 'reports'));
    const look = async () => {
      const { checks } = await watch(context(), { reports: 'directory' });
      return checks.filter(check => check.target === 'monitor').map(check => [check.status, check.value]);
    };
    const samples = [{ at: ago(5 * hour).toISOString(), values: { 'monitor.http.totalSeconds': 0.2 } }];
    await folder.save(report('monitor', 40 * hour, { status: 'warning' }));
    await folder.save(report('monitor', 5 * hour, { samples }));
    await folder.save(failed('monitor', hour));
    expect(await look()).toEqual([['ok', 5 * hour]]);
    for (const later of [2, 3]) await folder.save(failed('monitor', later * hour));
    expect(await look()).toEqual([['ok', 5 * hour]]);
  });

  test('a backup of both counts as each', async () => {
    allIsWell();
    forget();
    store(report('backup.all', 9 * hour));
    store(drill(5 * hour));
    const { missing } = await watch(context({ ...github, BACKUP_FILES_PATHS: '/srv/uploads' }));
    // The run of the files' cron line may not be skipped now.
    expect(missing).toEqual(['run backup.yml critical']);
  });

  test('a drill that proved nothing is a drill, and no proof', async () => {
    allIsWell();
    store(drill(2 * hour, 'COULD NOT VERIFY'));
    const { missing, data } = await watch();
    // The proof of five hours ago still stands.
    expect(missing).toEqual([]);
    expect(data.jobs.at(-1)).toMatchObject({ ageSeconds: 2 * hour, provedAgeSeconds: 5 * hour });
    forget();
    store(report('backup.database', 9 * hour));
    store(drill(11 * day));
    store(drill(4 * day, 'FAILED'));
    store(drill(2 * hour, 'PROVED', 'files'));
    expect((await watch()).missing).toEqual(['proof drill.database critical']);
  });

  test('in a new repository nothing is due yet; later it is', async () => {
    for (const file of ['backup.yml', 'cdn.yml', 'database.yml', 'drill.yml', 'watchdog.yml'])
      api.add(file, { created_at: ago(day).toISOString() });
    const young = await watch();
    expect(young.missing).toEqual(['schedule watchdog.yml critical']);
    for (const workflow of api.workflows) workflow.created_at = ago(30 * day).toISOString();
    expect((await watch()).missing).toEqual([
      'report backup.database critical',
      ...looks.map(name => `report ${name} critical`),
      'report drill.database critical',
      'proof drill.database critical',
      'schedule backup.yml critical',
      'schedule database.yml critical',
      'schedule drill.yml critical',
      'schedule watchdog.yml critical',
    ]);
  });

  test('a run by hand does not hide a dead schedule, however well it went', async () => {
    allIsWell();
    const backup = api.workflows.find(workflow => workflow.path.endsWith('/backup.yml'))!;
    backup.runs = [scheduled(9, 'success', 'workflow_dispatch'), scheduled(50)];
    const { missing, checks } = await watch();
    expect(missing).toEqual(['schedule backup.yml critical']);
    expect(checks.find(check => check.target === 'backup.yml')).toMatchObject({
      value: 50 * hour,
      threshold: 36 * hour,
    });
  });

  test.each(['disabled_inactivity', 'disabled_manually', 'disabled_fork'])(
    'finds a schedule that is %s',
    async state => {
      allIsWell();
      api.workflows.find(workflow => workflow.path.endsWith('/drill.yml'))!.state = state;
      const { missing, lines } = await watch();
      expect(missing).toEqual(['schedule drill.yml critical']);
      expect(lines).toContain('gh workflow enable drill.yml');
    },
  );

  test('finds a workflow that never came to the default branch', async () => {
    allIsWell();
    api.workflows.splice(
      api.workflows.findIndex(workflow => workflow.path.endsWith('/drill.yml')),
      1,
    );
    expect((await watch()).missing).toEqual(['schedule drill.yml critical']);
  });

  test.each(['cancelled', 'skipped', 'startup_failure', 'timed_out', 'action_required', 'failure'])(
    'finds a scheduled run that ended as %s',
    async conclusion => {
      allIsWell();
      const workflow = api.workflows.find(each => each.path.endsWith('/drill.yml'))!;
      workflow.runs = [scheduled(3, 'success', 'workflow_dispatch'), scheduled(6, conclusion)];
      const { missing, lines } = await watch();
      expect(missing).toEqual(['run drill.yml critical']);
      expect(lines).toContain(runUrl(workflow.runs[1]!.id));
    },
  );

  test('its own red run, which its report explains, does not keep it red', async () => {
    allIsWell();
    const own = scheduled(6, 'failure');
    api.workflows.find(each => each.path.endsWith('/watchdog.yml'))!.runs = [scheduled(0, null), own];
    const run = { url: runUrl(own.id), id: String(own.id), attempt: 1, sha: '' };
    expect((await watch()).missing).toEqual(['run watchdog.yml critical']);
    store(report('watchdog.run', 6 * hour, { status: 'critical', run }));
    expect((await watch()).missing).toEqual([]);
  });

  test('a red run is explained by its report also when a button was pressed after it', async () => {
    allIsWell();
    const red = scheduled(6, 'failure');
    api.workflows.find(each => each.path.endsWith('/drill.yml'))!.runs = [red];
    const run = { url: runUrl(red.id), id: String(red.id), attempt: 1, sha: '' };
    store(failed('drill.run', 5.9 * hour, { run }));
    store(drill(2 * hour));
    store(drill(hour));
    expect((await watch()).missing).toEqual([]);
  });

  test('a run that failed after its report had said that all is well is not explained by it', async () => {
    allIsWell();
    const red = scheduled(6, 'failure');
    api.workflows.find(each => each.path.endsWith('/drill.yml'))!.runs = [red];
    const run = { url: runUrl(red.id), id: String(red.id), attempt: 1, sha: '' };
    store({ ...drill(5.5 * hour), run });
    expect((await watch()).missing).toEqual(['run drill.yml critical']);
  });

  test('reads the reports of the branch that they are on', async () => {
    allIsWell();
    forget();
    store(report('backup.database', 9 * hour), 'ops-reports');
    store(drill(5 * hour), 'ops-reports');
    storeDatabase('ops-reports');
    await writeFile(join(root, 'ops.yml'), 'reports:\n  branch: ops-reports\n');
    expect((await watch(context(github, 'ops.yml'))).missing).toEqual([]);
    const { lines, missing } = await watch();
    expect(missing).toEqual([
      'report backup.database critical',
      'report drill.database critical',
      'proof drill.database critical',
    ]);
    expect(lines).toContain('There has never been a report of backup.database in reports/ on the default branch');
  });

  test('needs no checkout', async () => {
    allIsWell();
    await rm(join(root, '.github'), { recursive: true });
    for (const file of ['backup.yml', 'cdn.yml', 'database.yml', 'drill.yml', 'watchdog.yml']) {
      const text = await readFile(join(import.meta.dirname, '../../.github/workflows', file), 'utf8');
      api.write(`.github/workflows/${file}`, text);
    }
    const { missing, data } = await watch();
    expect(missing).toEqual([]);
    expect(data.jobs).toHaveLength(5);
    await expect(watch(context({}))).rejects.toMatchObject({ code: 'WATCHDOG_NO_WORKFLOWS', exitCode: 2 });
  });

  test('expects the pull request of the assets where its schedule is switched on', async () => {
    allIsWell();
    api.add('assets.yml', { runs: [scheduled(30)] });
    expect((await watch(context(), { assetsPropose: 'true' })).missing).toEqual(['report assets.optimize critical']);
    store(report('assets.check', hour));
    expect((await watch(context(), { assetsPropose: 'true' })).missing).toEqual(['report assets.optimize critical']);
    store(report('assets.optimize', 30 * hour));
    expect((await watch(context(), { assetsPropose: 'true' })).missing).toEqual([]);
    expect((await watch(context(), { assetsPropose: '' })).data.jobs).toHaveLength(5);
  });

  test('takes other allowances, leaves alone what is to be ignored, and names what it does not know', async () => {
    allIsWell();
    await writeFile(
      join(root, 'ops.yml'),
      'watchdog:\n  allowances:\n    backup.database: 8h\n    backup.databse: 9h\n  ignore: [drill.yml, database.yml]\n',
    );
    const { missing, data } = await watch(context(github, 'ops.yml'));
    expect(missing).toEqual(['report backup.database critical']);
    expect(data.jobs.map(job => job.name)).toEqual(['backup.database']);
    expect(warnings).toEqual([
      expect.stringContaining("'backup.databse', which nothing here is; 'backup.database' is"),
    ]);
  });

  test('a cron line that means nothing is not known to be kept', async () => {
    allIsWell();
    const text = "on: { schedule: [{ cron: '0 2 * *' }] }\njobs: { a: { runs-on: x, steps: [] } }\n";
    await writeFile(join(root, '.github/workflows/odd.yml'), text);
    await writeFile(join(root, '.github/workflows/broken.yml'), 'on: [\n');
    await writeFile(join(root, '.github/workflows/never.yml'), text.replace('0 2 * *', '0 2 30 2 *'));
    api.add('never.yml');
    const { missing } = await watch();
    expect(missing).toEqual(['schedule broken.yml unknown', 'schedule odd.yml unknown', 'schedule never.yml unknown']);
  });
});

describe('what cannot be looked at is not known, and never green', () => {
  test('without a token', async () => {
    await mkdir(join(root, 'reports/latest'), { recursive: true });
    const { missing, data, lines } = await watch(context({}));
    expect(missing).toEqual([
      'github unknown',
      'report backup.database unknown',
      ...looks.map(name => `report ${name} unknown`),
      'report drill.database unknown',
      'proof drill.database unknown',
    ]);
    expect(data.schedules).toEqual([]);
    expect(lines).toContain('NOT KNOWN: Workflows could not be looked at: there is no token. Set GITHUB_TOKEN');
    expect(proxy.requests).toEqual([]);
  });

  test('without the permission to read workflows, the reports are still judged', async () => {
    allIsWell();
    proxy.fail('GET *actions/workflows', {
      kind: 'status',
      status: 403,
      body: { message: 'Resource not accessible by integration' },
      headers: { 'x-accepted-github-permissions': 'actions=read' },
    });
    const { missing, checks, data } = await watch();
    expect(missing).toEqual(['github unknown']);
    expect(checks[0]!.message).toContain("'actions: read'");
    expect(data.jobs.map(job => job.status)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  test('when GitHub answers something else', async () => {
    allIsWell();
    api.workflows[1]!.created_at = 'yesterday';
    const { missing, checks } = await watch();
    expect(missing).toEqual(['github unknown']);
    expect(checks[0]!.message).toContain('not as documented');
  });

  test('when the reports cannot be read, the schedules are still judged', async () => {
    allIsWell();
    api.workflows.find(workflow => workflow.path.endsWith('/drill.yml'))!.state = 'disabled_manually';
    proxy.fail('GET *contents/*', { kind: 'status', status: 403 }, 9);
    expect((await watch()).missing).toEqual(['reports unknown', 'schedule drill.yml critical']);
  });

  test('a report that is damaged shows nothing', async () => {
    allIsWell();
    for (const path of api.branches.get('main')!.keys()) if (path.includes('drill.run')) api.write(path, '{"kind":');
    expect((await watch()).missing).toEqual(['report drill.database critical', 'proof drill.database critical']);
  });

  test('a stumble of GitHub is passed over', async () => {
    allIsWell();
    proxy.fail('GET *actions/workflows', { kind: 'status', status: 502 });
    proxy.fail('GET *latest/drill.run.json', { kind: 'truncated' });
    expect((await watch()).missing).toEqual([]);
  });

  test('a cancelled run ends', async () => {
    allIsWell();
    const cancelled = new AbortController();
    proxy.before('GET *actions/workflows', async () => cancelled.abort());
    await expect(watch({ ...context(), signal: cancelled.signal })).rejects.toThrow('aborted');
  });
});

describe('the heartbeat', () => {
  let pings: string[];
  let service: ReturnType<typeof createServer>;
  let url: string;
  beforeEach(async () => {
    pings = [];
    service = createServer((request, response) => {
      pings.push(`${request.method} ${request.url}`);
      response.writeHead(request.url!.includes('wrong') ? 404 : 200).end();
    });
    await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(service.address() as { port: number }).port}`;
  });
  afterEach(() => new Promise(resolve => service.close(resolve)));

  test('goes out after each run, and with the suffix when something is missing', async () => {
    allIsWell();
    await writeFile(join(root, 'ops.yml'), 'watchdog:\n  heartbeat:\n    method: POST\n    failSuffix: /fail\n');
    const env = { ...github, WATCHDOG_HEARTBEAT_URL: `${url}/5ecret` };
    expect((await watch(context(env))).data.heartbeat).toEqual({ failure: null });
    api.workflows.find(workflow => workflow.path.endsWith('/drill.yml'))!.state = 'disabled_manually';
    await watch(context(env));
    await watch(context(env, 'ops.yml'));
    expect(pings).toEqual(['GET /5ecret', 'GET /5ecret', 'POST /5ecret/fail']);
  });

  test('that is not received is a warning without the URL', async () => {
    allIsWell();
    const { missing, status, summary } = await watch(
      context({ ...github, WATCHDOG_HEARTBEAT_URL: `${url}/wrong-5ecret` }),
    );
    expect(missing).toEqual(['heartbeat warning']);
    expect(status).toBe('warning');
    expect(summary).toContain('answered HTTP 404');
    expect(summary).not.toContain('5ecret');
  });
});

describe('the reader of reports', () => {
  const reports = [
    report('backup.database', 400 * day),
    report('backup.database', 30 * day),
    report('backup.database', 2 * day),
    report('backup.database', day),
    drill(day),
  ];
  const newestFirst = reports
    .slice(0, 4)
    .map(each => each.id)
    .reverse();

  async function check(reader: ReportReader): Promise<void> {
    expect(await reader.kinds()).toEqual(['backup.database', 'drill.run']);
    expect(await reader.latest('backup.database')).toEqual(reports[3]);
    expect(await reader.latest('monitor')).toBeUndefined();
    expect((await Array.fromAsync(reader.list('backup.database'))).map(each => each.id)).toEqual(newestFirst);
    expect(await Array.fromAsync(reader.list('monitor'))).toEqual([]);
  }

  function files(): Map<string, string> {
    for (const each of reports) store(each);
    return api.branches.get('main')!;
  }

  test('reads a folder', async () => {
    for (const [path, text] of files()) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    await check(createDirectoryReader(join(root, 'reports')));
    expect(await createDirectoryReader(join(root, 'nothing')).kinds()).toEqual([]);
  });

  test('reads GitHub', async () => {
    files();
    await check(createGitHubReader(client(proxy.url), './reports/', undefined));
    expect(await createGitHubReader(client(proxy.url), 'reports', 'nowhere').kinds()).toEqual([]);
  });

  test('reads what another implementation of the API hands out', async () => {
    await using emulator = await startEmulator();
    for (const [path, text] of files()) await emulator.put(path, text);
    await check(createGitHubReader(client(emulator.url), 'reports', undefined));
  });
});

function client(apiUrl: string) {
  return createGitHub({
    token: 'test_token_admin',
    repository: 'shop/ops',
    apiUrl,
    log: silentLog,
    signal: new AbortController().signal,
  });
}

async function startEmulator() {
  const emulator = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      tokens: { test_token_admin: { login: 'shop', scopes: ['repo'] } },
      github: { users: [{ login: 'shop' }], repos: [{ owner: 'shop', name: 'ops', auto_init: true }] },
    },
  });
  return {
    url: emulator.url,
    async put(path: string, text: string) {
      const response = await fetch(`${emulator.url}/repos/shop/ops/contents/${path}`, {
        method: 'PUT',
        headers: { authorization: 'Bearer test_token_admin', 'content-type': 'application/json' },
        body: JSON.stringify({ message: path, content: Buffer.from(text).toString('base64') }),
      });
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    },
    [Symbol.asyncDispose]: () => emulator.close(),
  };
}
