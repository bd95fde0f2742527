import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createGitHub } from '../../actions/lib/github/index.ts';
import { silentLog } from '../../actions/lib/log/index.ts';
import {
  changedFiles,
  createDirectoryStore,
  createGitHubStore,
  dailyDay,
  type GitHubStoreOptions,
  hourlyDay,
  parseRollup,
  parseSamples,
  type Report,
  reportJsonSchemas,
  reportUrl,
} from '../../actions/lib/reports/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../services/git-data-api.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import { makeCheck, makeMonitorReport, makeReport, memoryShelf } from './fixture.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-reports-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Twenty reports of twenty runs at the same time, over three days. */
const twenty: Report[] = Array.from({ length: 20 }, (_, number) => {
  const at = `2026-11-${21 + (number % 3)}T1${number % 10}:00:00Z`;
  if (number % 4 === 0) return makeMonitorReport({ at, number });
  const kind = ['backup.database', 'backup.files', 'drill.run'][number % 3]!;
  return makeReport({ at, number, kind, checks: [makeCheck(`${kind}.seconds`, number * 1.5)] });
});

/** What one writer, one report after the other, leaves. */
async function oneAfterTheOther(reports: readonly Report[]): Promise<Record<string, string>> {
  const shelf = memoryShelf();
  for (const report of reports)
    for (const [path, text] of await changedFiles(report, shelf)) shelf.files.set(path, text);
  return Object.fromEntries([...shelf.files].sort());
}

/** Every rollup is what the samples say, and every closed day has one. */
function expectRollupsDerived(files: Record<string, string>): void {
  const expected: Record<string, unknown> = {};
  for (const [path, text] of Object.entries(files)) {
    const day = /^metrics\/(\d{4})\/(\d\d)\/(\d\d)\.ndjson$/.exec(path)?.slice(1).join('-');
    if (day) expected[day] = { hourly: hourlyDay(parseSamples(text, path)), daily: dailyDay(parseSamples(text, path)) };
  }
  const openDay = Object.keys(expected).sort().at(-1) ?? '';
  const { [openDay]: _, ...closed } = expected;
  const kept: Record<string, Record<string, unknown>> = {};
  for (const [path, text] of Object.entries(files).filter(([name]) => name.startsWith('rollup/'))) {
    const { resolution, days } = parseRollup(text, path);
    for (const [day, cells] of Object.entries(days)) kept[day] = { ...kept[day], [resolution]: cells };
  }
  expect(kept).toEqual(closed);
}

describe('in the working tree', () => {
  const filesIn = async () => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1));
    const texts = await Promise.all(paths.sort().map(async path => [path, await readFile(join(folder, path), 'utf8')]));
    return Object.fromEntries(texts) as Record<string, string>;
  };

  test('a report is kept under its kind and month, and the path is told', async () => {
    const path = await createDirectoryStore(folder).save(twenty[1]!);
    expect(path).toBe(join(folder, 'backup.files/2026/11/20261122T110000Z-0001.json'));
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(twenty[1]);
  });

  test('twenty at once leave what one after the other leaves, and nothing half-made', async () => {
    await Promise.all(twenty.map(report => createDirectoryStore(folder).save(report)));
    const files = await filesIn();
    expect(files).toEqual(await oneAfterTheOther(twenty));
    expectRollupsDerived(files);
  });

  test('the lock of a writer that died does not stop others for ever', async () => {
    const lock = join(folder, '.lock');
    await writeFile(lock, '');
    const longAgo = new Date(Date.now() - 60_000);
    await utimes(lock, longAgo, longAgo);
    await createDirectoryStore(folder).save(twenty[1]!);
    expect(Object.keys(await filesIn())).not.toContain('.lock');
  });

  test('a folder that cannot be written is said with what to check', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(createDirectoryStore(join(folder, 'file', 'reports')).save(twenty[1]!)).rejects.toMatchObject({
      code: 'REPORT_STORE',
      hint: expect.stringContaining('reports.path'),
    });
  });
});

describe('on a branch', () => {
  let api: GitDataApi;
  let proxy: GitHubProxy;

  beforeEach(async () => {
    api = await createGitDataApi(join(folder, 'shop.git'));
    await seedBranch(api, 'main', { 'README.md': 'Shop\n' });
    proxy = await startGitHubProxy(api.handle);
  });
  afterEach(async () => {
    await proxy.stop();
    await api.close();
    expect(proxy.violations).toEqual([]);
  });

  /** @param timeoutMs only as short as a test that waits for it to pass needs: a busy machine answers late */
  function store({ timeoutMs, ...options }: Partial<GitHubStoreOptions> & { timeoutMs?: number } = {}) {
    const { signal } = new AbortController();
    const sleep = async () => {};
    const connection = {
      token: 'ghs_test',
      repository: 'acme/shop',
      apiUrl: proxy.url,
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const github = createGitHub({ ...connection, log: silentLog, signal, sleep });
    return createGitHubStore({ github, branch: 'ops-data', folder: 'reports', signal, sleep, ...options });
  }

  async function filesOn(branch: string): Promise<Record<string, string>> {
    const paths = (await api.objects.git('ls-tree', '-r', '--name-only', `${branch}:reports`)).split('\n').sort();
    const texts = await Promise.all(
      paths.map(async path => {
        const blob = await api.objects.read(await api.objects.git('rev-parse', `${branch}:reports/${path}`));
        return [path, blob?.body.toString()];
      }),
    );
    return Object.fromEntries(texts);
  }

  test('a report is one commit, on a branch that is made for it, and the path is told', async () => {
    expect(await store().save(twenty[1]!)).toBe('reports/backup.files/2026/11/20261122T110000Z-0001.json');
    expect(await api.objects.git('log', '--format=%s', 'ops-data')).toBe('backup.files: ok');
    expect(await filesOn('ops-data')).toEqual(await oneAfterTheOther([twenty[1]!]));
    expect(await api.objects.git('ls-tree', '--name-only', 'main')).toBe('README.md');
  });

  test('twenty writers at once lose nothing, and leave correct rollups', async () => {
    await Promise.all(twenty.map(report => store({ sleep: undefined }).save(report)));
    const files = await filesOn('ops-data');
    expect(files).toEqual(await oneAfterTheOther(twenty));
    expectRollupsDerived(files);
    expect(await api.objects.git('rev-list', '--count', 'ops-data')).toBe('20');
    await api.objects.git('fsck', '--strict', '--no-dangling');
  });

  test.each([{ kind: 'timeout', isDone: true }, { kind: 'cut', isDone: true }, { kind: 'truncated' }] as const)(
    'a report whose commit is in doubt is kept once: %j',
    async fault => {
      await store().save(twenty[0]!);
      proxy.fail('PATCH *', fault);
      await store(fault.kind === 'timeout' ? { timeoutMs: 2000 } : {}).save(twenty[1]!);
      await store().save(twenty[1]!);
      expect(await api.objects.git('rev-list', '--count', 'ops-data')).toBe('2');
      expect(await filesOn('ops-data')).toEqual(await oneAfterTheOther([twenty[0]!, twenty[1]!]));
    },
  );

  test('a rule on the branch is said with the setting that helps', async () => {
    api.protect('main');
    await expect(store({ branch: undefined }).save(twenty[1]!)).rejects.toMatchObject({
      code: 'GITHUB_PROTECTED',
      hint: expect.stringContaining('reports.branch'),
    });
  });

  test('what does not fit is refused before anything is sent', async () => {
    const huge = { ...twenty[1]!, data: { list: Array(500_000).fill('a long list entry') } };
    await expect(store().save(huge)).rejects.toMatchObject({ code: 'REPORT_SIZE' });
    expect(proxy.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('what GitHub will not show is kept, with one warning for each file', async () => {
    const warnings: string[] = [];
    const large = { ...twenty[1]!, data: { list: Array(60_000).fill('a long list entry') } };
    await store({ warn: text => warnings.push(text) }).save(large);
    expect(warnings.map(text => text.replace(/ would.*/, ''))).toEqual([
      expect.stringContaining(`${large.id}.json`),
      `latest/${large.kind}.json`,
    ]);
  });

  test('a year of other reports costs no more requests', async () => {
    const publish = async (report: Report) => {
      proxy.requests.length = 0;
      await store().save(report);
      return proxy.requests.length;
    };
    for (const day of ['01', '02']) await publish(makeMonitorReport({ at: `2026-01-${day}T12:00:00Z` }));
    const early = await publish(makeMonitorReport({ at: '2026-01-02T13:00:00Z' }));
    for (let month = 1; month <= 12; month++)
      for (const day of ['03', '04']) {
        const at = `2026-${String(month).padStart(2, '0')}-${day}T12:00:00Z`;
        await publish(makeMonitorReport({ at }));
        await publish(makeReport({ at, checks: [makeCheck('backup.seconds', month)] }));
      }
    expect(await publish(makeMonitorReport({ at: '2026-12-04T13:00:00Z' }))).toBe(early);
  });

  test.each(['/reports', '../reports', '..', 'a/../../b'])('a folder outside the repository is refused: %s', path => {
    expect(() => store({ folder: path })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', exitCode: 2 }));
  });

  test.each(['./reports', 'reports/', 'x/../reports'])('a folder may be written as %s', async path => {
    expect(await store({ folder: path }).save(twenty[1]!)).toMatch(/^reports\/backup\.files\//);
  });
});

test('a report has a page for people', () => {
  expect(reportUrl('https://github.com/', 'acme/shop', 'ops/data', 'reports/a b.json')).toBe(
    'https://github.com/acme/shop/blob/ops/data/reports/a%20b.json',
  );
});

test('each kind has a JSON Schema that its reports fit', () => {
  const dataSchema = z.strictObject({ verdict: z.enum(['PROVED', 'FAILED']) });
  const schemas = reportJsonSchemas([{ kind: 'drill.run', dataSchema }]);
  expect(Object.keys(schemas)).toEqual(['drill.run', 'summary']);
  const read = z.fromJSONSchema(schemas['drill.run'] as Parameters<typeof z.fromJSONSchema>[0]);
  const drill = makeReport({ at: '2026-11-23T02:00:00Z', kind: 'drill.run', data: { verdict: 'PROVED' } });
  expect(read.safeParse(drill).success).toBe(true);
  expect(read.safeParse({ ...drill, data: { verdict: 'MAYBE' } }).success).toBe(false);
  expect(read.safeParse({ ...drill, kind: 'backup.files' }).success).toBe(false);
});
