import { cp, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertListData, AlertSyncData } from '../../actions/lib/alerts/index.ts';
import { createDirectoryStore } from '../../actions/lib/reports/index.ts';
import type { WatchdogData } from '../../actions/lib/watchdog/index.ts';
import { botToken, type GitHubWorld, openGitHubWorld } from '../alerts/github-world.ts';
import { makeCheck, makeReport } from '../reports/fixture.ts';
import { ops, report } from './run.ts';

let world: GitHubWorld;
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  world = await openGitHubWorld();
  env = { GITHUB_TOKEN: botToken, GITHUB_REPOSITORY: 'acme/ops', GITHUB_API_URL: world.proxy.url };
  folder = await mkdtemp(join(tmpdir(), 'ops-record-'));
  const store = createDirectoryStore(join(folder, 'reports'));
  for (const [day, value] of [
    ['20', 100],
    ['21', 200],
    ['22', 300],
  ] as const) {
    const check = { ...makeCheck('drill.rto', value), status: 'critical' as const, target: 'shop' };
    await store.save(
      makeReport({ at: `2026-11-${day}T02:00:00Z`, kind: 'drill.run', status: 'critical', checks: [check] }),
    );
  }
});
afterAll(() => world?.[Symbol.asyncDispose]());

test('ops alerts sync says first what it would do, and does it; ops alerts list shows what is open', async () => {
  const planned = await report<AlertSyncData>(['alerts', 'sync', '--dry-run'], env, folder);
  expect(planned.data).toMatchObject({
    isDryRun: true,
    reports: 1,
    announced: [{ action: 'open', key: 'drill.rto shop' }],
  });
  expect(await world.issues()).toEqual([]);

  const done = await ops(['alerts', 'sync'], env, folder);
  expect([done.exitCode, done.stderr], done.stderr).toEqual([0, expect.stringContaining('opened drill.rto shop')]);
  const [issue] = await world.issues();
  // The values of the runs before are in the chart of an issue that is new.
  expect(issue!.body).toMatch(/The last 3 values/);

  const { data } = await report<AlertListData>(['alerts', 'list'], env, folder);
  expect(data?.alerts).toMatchObject([{ number: issue!.number, key: 'drill.rto shop', severity: 'critical' }]);
});

test('without a token they say what is missing', async () => {
  const { exitCode, stderr } = await ops(['alerts', 'list'], {}, folder);
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/GITHUB_AUTH.*\n.*GITHUB_TOKEN/)]);
});

test('ops watchdog --reports directory judges by the reports of the folder', async () => {
  const here = await mkdtemp(join(tmpdir(), 'ops-record-'));
  await mkdir(join(here, '.github'));
  await cp(join(import.meta.dirname, '../../.github/workflows'), join(here, '.github/workflows'), { recursive: true });
  await cp(join(folder, 'reports'), join(here, 'reports'), { recursive: true });
  const { ran, data } = await report<WatchdogData>(['watchdog', '--reports', 'directory'], env, here);
  expect(ran.exitCode).toBe(3);
  expect(data?.jobs.find(({ name }) => name === 'backup.database')).toMatchObject({
    // Without a token nobody says since when the schedule is there.
    status: 'unknown',
  });
});
