import { createHmac } from 'node:crypto';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { reportSchema } from '../../actions/lib/reports/index.ts';
import { Runner } from '../actions/bundles.ts';
import { GitHubOfShop } from '../actions/github-of-shop.ts';

const root = join(import.meta.dirname, '../..');
const config = 'platform: shop\n';
const pings: string[] = [];
const told: { signature: string; text: string }[] = [];
const service = createServer(async (request, response) => {
  if (request.url === '/hook-5ecret') {
    const text = (await Array.fromAsync(request.setEncoding('utf8'))).join('');
    told.push({ signature: String(request.headers['x-ops-signature-256']), text });
  } else pings.push(request.url!);
  response.end('OK');
});
let runner: Runner;
let shop: GitHubOfShop;
let env: Record<string, string>;

beforeAll(async () => {
  runner = await Runner.open(['watchdog']);
  await cp(join(root, '.github/workflows'), join(runner.workspace, '.github/workflows'), { recursive: true });
  shop = await GitHubOfShop.open();
  // So new that nothing is due yet.
  for (const file of ['backup.yml', 'cdn.yml', 'database.yml', 'drill.yml', 'watchdog.yml']) {
    shop.actions.add(file, { created_at: new Date(Date.now() - 60_000).toISOString() });
  }
  await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve));
  const { port } = service.address() as { port: number };
  env = {
    GITHUB_TOKEN: 'ghs_5ecret',
    GITHUB_API_URL: shop.proxy.url,
    WATCHDOG_HEARTBEAT_URL: `http://127.0.0.1:${port}/heartbeat-5ecret`,
    ALERTS_WEBHOOK_URL: `http://127.0.0.1:${port}/hook-5ecret`,
    ALERTS_WEBHOOK_SECRET: 'key-5ecret',
  };
});
afterAll(async () => {
  await runner?.[Symbol.asyncDispose]();
  await shop?.[Symbol.asyncDispose]();
  service.close();
});

test('the built action finds nothing, and its heartbeat is received', async () => {
  const run = await runner.run('watchdog', { env, config });
  expect(run.code, run.visible).toBe(0);
  expect(run.outputs).toMatchObject({ status: 'ok', 'exit-code': '0', missing: '[]' });
  const { outputs } = parse(await readFile(join(root, 'actions/watchdog/action.yml'), 'utf8'));
  expect(Object.keys(run.outputs).sort()).toEqual(Object.keys(outputs).sort());
  expect(run.summary.startsWith('## Nothing is missing')).toBe(true);
  expect(pings).toEqual(['/heartbeat-5ecret']);
  expect(told).toEqual([]);
});

test('and finds a schedule that is off: exit 3, an annotation, outputs, a report, and no secret anywhere', async () => {
  shop.actions.workflows.find(workflow => workflow.path.endsWith('/drill.yml'))!.state = 'disabled_inactivity';
  const run = await runner.run('watchdog', { env, config });
  expect(run.code).toBe(3);
  expect(run.stdout).toMatch(/^::error title=watchdog\.schedule::GitHub disabled the schedule of drill\.yml/m);
  expect(run.outputs).toMatchObject({ status: 'critical', 'exit-code': '3', missing: '["drill.yml"]' });
  expect(run.summary).toContain('gh workflow enable drill.yml');
  // The report is committed, and only then is there an issue about it.
  const report = await shop.show(run.outputs['report-path']!);
  expect(reportSchema.parse(JSON.parse(report)).kind).toBe('watchdog.run');
  expect(run.outputs['report-url']).toContain(`/shop/ops/blob/HEAD/${run.outputs['report-path']}`);
  expect(shop.issues).toHaveLength(1);
  expect(shop.issues[0]).toMatchObject({ labels: expect.arrayContaining(['ops-alert']) });
  // The webhook hears the same, signed over what it was sent.
  expect(told.map(({ text }) => JSON.parse(text))).toMatchObject([
    { event: 'opened', platform: 'shop', alert: { id: 'watchdog.schedule', severity: 'critical' } },
  ]);
  const signature = createHmac('sha256', 'key-5ecret').update(told[0]!.text).digest('hex');
  expect(told[0]!.signature).toBe(`sha256=${signature}`);
  expect(run.visible + run.summary + JSON.stringify(run.outputs)).not.toContain('5ecret');
  expect(await runner.everythingWritten()).not.toContain('5ecret');
  const green = await runner.run('watchdog', { env, config, inputs: { 'fail-on-breach': 'false' } });
  expect(green.code).toBe(0);
});

test('a job that the repository switches on is waited for', async () => {
  shop.actions.add('assets.yml', { created_at: new Date(Date.now() - 60_000).toISOString() });
  const jobsOf = async (more: Record<string, string>) => {
    const run = await runner.run('watchdog', { env: { ...env, ...more }, config });
    const { data } = reportSchema.parse(JSON.parse(await shop.show(run.outputs['report-path']!)));
    return (data as { jobs: { name: string }[] }).jobs.map(({ name }) => name);
  };
  expect(await jobsOf({})).not.toContain('assets.optimize');
  expect(await jobsOf({ ASSETS_PROPOSE: 'true' })).toContain('assets.optimize');
  expect(await jobsOf({})).not.toContain('cdn.audit');
  expect(await jobsOf({ CDN_URL: 'https://www.example.org' })).toContain('cdn.audit');
});

test('a summary that GitHub would refuse as too long is cut, and links to the run', async () => {
  const folder = join(runner.workspace, '.github/workflows');
  const names = Array.from({ length: 2_500 }, (_, index) => `${String(index).padStart(4, '0')}-${'x'.repeat(180)}.yml`);
  for (const name of names) await writeFile(join(folder, name), 'on: [\n');
  const { GITHUB_API_URL = '' } = env;
  const run = await runner.run('watchdog', { env: { GITHUB_API_URL }, config });
  expect(run.code, run.visible.slice(-1000)).toBe(3);
  expect(Buffer.byteLength(run.summary)).toBeLessThanOrEqual(900_000);
  expect(Buffer.byteLength(run.summary)).toBeGreaterThan(890_000);
  expect(run.summary).toMatch(/^## Missing: [\d,]+ of/);
  expect(run.summary).toMatch(/This summary was cut; .* \[the run\]\(https:\S+\/actions\/runs\/\d+\S*\)\.\n$/);
});
