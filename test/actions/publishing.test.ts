import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reportSchema } from '../../actions/lib/reports/index.ts';
import { type ActionRun, Runner, type RunOptions } from './bundles.ts';
import { GitHubOfShop } from './github-of-shop.ts';

let runner: Runner;
let shop: GitHubOfShop;
let env: Record<string, string>;
let commits: number;

beforeAll(async () => {
  runner = await Runner.open(['watchdog']);
  shop = await GitHubOfShop.open();
  env = { GITHUB_TOKEN: 'ghs_5ecret', GITHUB_API_URL: shop.proxy.url };
});
afterAll(async () => {
  await runner?.[Symbol.asyncDispose]();
  await shop?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  shop.proxy.reset();
  commits = await shop.countCommits();
  // What a person's workflow sees is the checkout: it begins empty.
  expect(await readdir(runner.workspace)).toEqual(['.github']);
});

const run = (options: RunOptions) => runner.run('watchdog', { env, ...options });

async function expectUntouched(of: ActionRun): Promise<void> {
  expect(await shop.countCommits()).toBe(commits);
  expect(shop.issues).toEqual([]);
  expect(shop.proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  expect(await readdir(runner.workspace)).toEqual(['.github']);
  const path = of.outputs['report-path']!;
  expect(isAbsolute(path) && path.startsWith(runner.temporary)).toBe(true);
  expect(reportSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).kind).toBe('watchdog.run');
  expect(of.outputs['report-url']).toBe('');
}

describe('an action that another repository uses', () => {
  test('does its work, and leaves that repository as it is', async () => {
    const of = await run({});
    expect([0, 3], of.visible).toContain(of.code);
    expect(of.stdout).toContain('announced to nobody: this repository has no .github/ops.yml');
    await expectUntouched(of);
  });

  test('on a pull request publishes nothing, whatever the files of the pull request say', async () => {
    const of = await run({ config: 'reports:\n  publish: true\n', event: { name: 'pull_request' } });
    expect([0, 3], of.visible).toContain(of.code);
    expect(of.stdout).toContain('this run is about a pull request');
    await expectUntouched(of);
  });

  test('that must publish and has no token fails before any work', async () => {
    const of = await run({ config: 'reports:\n  publish: true\n', env: { ...env, GITHUB_TOKEN: '' } });
    expect(of.code).toBe(2);
    expect(of.stdout).toMatch(/^::error title=CONFIG_MISSING_VALUE::reports\.publish is true.*github\.token/m);
    expect(shop.proxy.requests).toEqual([]);
  });
});

test('reports, and what alerts remember, are on the branch that is configured; the default one stays as it is', async () => {
  const main = await shop.git.objects.git('rev-parse', 'main');
  const of = await run({ config: 'platform: shop\nreports:\n  branch: ops-data\n' });
  expect([0, 3], of.visible).toContain(of.code);
  const path = of.outputs['report-path']!;
  expect(reportSchema.parse(JSON.parse(await shop.show(path, 'ops-data'))).kind).toBe('watchdog.run');
  expect(of.outputs['report-url']).toContain(`/shop/ops/blob/ops-data/${path}`);
  expect(await shop.git.objects.git('rev-parse', 'main')).toBe(main);
  // Made as an orphan: it has nothing of the code.
  await expect(shop.show('README.md', 'ops-data')).rejects.toThrow();
});

test('a report that may not be committed fails the run, which shows its verdict and keeps the report at hand', async () => {
  shop.proxy.fail(
    'POST *git/trees',
    {
      kind: 'status',
      status: 403,
      body: { message: 'Resource not accessible by integration' },
      headers: { 'x-accepted-github-permissions': 'contents=write' },
    },
    9,
  );
  const of = await run({ config: 'platform: shop\n' });
  expect(of.code).toBe(1);
  expect(of.stdout).toMatch(/^::error title=GITHUB_PERMISSION::The report could not be committed.*'contents: write'/m);
  const [, kept = ''] = /It is in (\S+\.json) on the runner/.exec(of.stdout) ?? [];
  expect(kept.startsWith(runner.temporary)).toBe(true);
  expect(existsSync(kept)).toBe(true);
  // What was found is said first; what went wrong with it, behind.
  expect(of.summary).toMatch(/^## (?!Failed)[\s\S]*## Failed: GITHUB_PERMISSION/);
  expect(of.outputs).toMatchObject({ status: 'critical', 'exit-code': '1', missing: expect.stringMatching(/^\[/) });
  expect(shop.issues).toEqual([]);
});
