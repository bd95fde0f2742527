import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { reportSchema } from '../../actions/lib/reports/index.ts';
import { Runner } from '../actions/bundles.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../services/git-data-api.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { ActionsApi } from './actions-api.ts';

const exec = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const pings: string[] = [];
const service = createServer((request, response) => {
  pings.push(request.url!);
  response.end('OK');
});
let runner: Runner;
let proxy: GitHubProxy;
let api: ActionsApi;
let env: Record<string, string>;
let folder: string;
let git: GitDataApi;
const issues: { title: string; labels: string[] }[] = [];

/** The endpoints of Actions, a real git repository behind the Git Data API, and a list of issues. */
async function github(request: Request): Promise<Response> {
  const path = new URL(request.url).pathname.replace('/repos/shop/ops', '');
  if (path === '/issues' && request.method === 'GET') return Response.json([]);
  if (path.startsWith('/labels'))
    return Response.json({ name: 'ops-alert' }, { status: request.method === 'POST' ? 201 : 200 });
  if (path === '/issues') {
    const issue = (await request.json()) as (typeof issues)[number];
    issues.push(issue);
    return Response.json(
      { ...issue, number: issues.length, state: 'open', user: { login: 'github-actions[bot]', type: 'Bot' } },
      { status: 201 },
    );
  }
  if (path.startsWith('/actions/') || path.startsWith('/contents/')) return api.handle(request);
  return git.handle(new Request(request.url.replace('/repos/shop/ops', '/repos/acme/shop'), request));
}

beforeAll(async () => {
  runner = await Runner.open(['watchdog']);
  await cp(join(root, '.github/workflows'), join(runner.workspace, '.github/workflows'), { recursive: true });
  api = new ActionsApi();
  // So new that nothing is due yet.
  for (const file of ['backup.yml', 'drill.yml', 'watchdog.yml']) {
    api.add(file, { created_at: new Date(Date.now() - 60_000).toISOString() });
  }
  folder = await mkdtemp(join(tmpdir(), 'ops-watchdog-'));
  git = await createGitDataApi(join(folder, 'repository.git'));
  await seedBranch(git, 'main', { 'README.md': 'ops' });
  proxy = await startGitHubProxy(github);
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve));
  const { port } = service.address() as { port: number };
  env = {
    GITHUB_TOKEN: 'ghs_5ecret',
    GITHUB_API_URL: proxy.url,
    WATCHDOG_HEARTBEAT_URL: `http://127.0.0.1:${port}/heartbeat-5ecret`,
  };
});
afterAll(async () => {
  await runner?.[Symbol.asyncDispose]();
  await proxy?.stop();
  service.close();
  await git?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the built action finds nothing, and its heartbeat is received', async () => {
  const run = await runner.run('watchdog', { env });
  expect(run.code, run.visible).toBe(0);
  expect(run.outputs).toMatchObject({ status: 'ok', 'exit-code': '0', missing: '[]' });
  const { outputs } = parse(await readFile(join(root, 'actions/watchdog/action.yml'), 'utf8'));
  expect(Object.keys(run.outputs)).toEqual(expect.arrayContaining(Object.keys(outputs)));
  expect(run.summary.startsWith('## Nothing is missing')).toBe(true);
  expect(pings).toEqual(['/heartbeat-5ecret']);
});

test('and finds a schedule that is off: exit 3, an annotation, outputs, a report, and no secret anywhere', async () => {
  api.workflows[1]!.state = 'disabled_inactivity';
  const run = await runner.run('watchdog', { env });
  expect(run.code).toBe(3);
  expect(run.stdout).toMatch(/^::error title=watchdog\.schedule::GitHub disabled the schedule of drill\.yml/m);
  expect(run.outputs).toMatchObject({ status: 'critical', 'exit-code': '3', missing: '["drill.yml"]' });
  expect(run.summary).toContain('gh workflow enable drill.yml');
  // The report is committed, and only then is there an issue about it.
  const { stdout: report } = await exec('git', ['show', `main:${run.outputs['report-path']}`], {
    cwd: join(folder, 'repository.git'),
  });
  expect(reportSchema.parse(JSON.parse(report)).kind).toBe('watchdog.run');
  expect(run.outputs['report-url']).toContain(`/shop/ops/blob/HEAD/${run.outputs['report-path']}`);
  expect(issues).toHaveLength(1);
  expect(issues[0]).toMatchObject({ labels: expect.arrayContaining(['ops-alert']) });
  expect(run.visible + run.summary + JSON.stringify(run.outputs)).not.toContain('5ecret');
  expect(await runner.everythingWritten()).not.toContain('5ecret');
  const green = await runner.run('watchdog', { env, inputs: { 'fail-on-breach': 'false' } });
  expect(green.code).toBe(0);
});
