import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Answer, type GitHub, GitHubError } from '../../actions/lib/github/index.ts';
import { formatBytes, formatCount } from '../../actions/lib/log/index.ts';
import { createGitHubStore, mostSummaryBytes } from '../../actions/lib/reports/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../../test/services/git-data-api.ts';
import { reportsOfYear } from './reports-year.ts';
import type { Result } from './results.ts';

/** How many publishes at either end of the year are compared. */
const sampleSize = 200;
const mostPackedBytes = 10 * 1024 * 1024;

/**
 * One year of reports through the real store into a real repository: a sample each five minutes published each hour,
 * daily backups, weekly drills and database reports. Option: `--days 365`.
 */
export async function benchReports(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({ args: [...args], options: { days: { type: 'string', default: '365' } } });
  const folder = await mkdtemp(join(tmpdir(), 'ops-bench-reports-'));
  const api = await createGitDataApi(join(folder, 'shop.git'));
  try {
    await seedBranch(api, 'main', { 'README.md': '# Shop\n' });
    const publishes = await publishYear(api, Number(values.days));
    return await judge(api, publishes);
  } finally {
    await api.close();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Publish {
  milliseconds: number;
  requests: number;
  sentBytes: number;
}

async function publishYear(api: GitDataApi, days: number): Promise<Publish[]> {
  const publishes: Publish[] = [];
  const counted = inProcess(api);
  const store = createGitHubStore({
    github: counted.github,
    branch: 'ops-data',
    folder: 'reports',
    signal: new AbortController().signal,
  });
  for (const report of reportsOfYear(days)) {
    counted.reset();
    const startedAt = performance.now();
    await store.save(report);
    publishes.push({ milliseconds: performance.now() - startedAt, ...counted.counts });
    if (publishes.length % 1000 === 0) process.stderr.write(`${formatCount(publishes.length)} reports published\n`);
  }
  return publishes;
}

async function judge(api: GitDataApi, publishes: readonly Publish[]): Promise<Result[]> {
  const { objects } = api;
  const summary = await objects.git('cat-file', '-s', 'ops-data:reports/summary.json');
  await objects.git('fsck', '--strict', '--no-dangling');
  await objects.git('-c', 'gc.reflogExpire=now', 'gc', '--quiet', '--prune=now');
  const { packBytes, indexBytes } = await packed(objects.folder);
  const commits = Number(await objects.git('rev-list', '--count', 'ops-data'));
  const largest = await largestFile(api);

  const first = publishes.slice(0, sampleSize);
  const last = publishes.slice(-sampleSize);
  const time = (list: readonly Publish[]) => median(list.map(({ milliseconds }) => milliseconds));
  const requests = (list: readonly Publish[]) => mean(list.map(({ requests: count }) => count));
  return [
    {
      name: 'packed repository',
      detail: `what a clone transfers: ${formatCount(commits)} commits of ${(packBytes / commits).toFixed(0)} bytes, after git gc; its local index has ${formatBytes(indexBytes)} more`,
      value: packBytes / 1024 / 1024,
      target: mostPackedBytes / 1024 / 1024,
      unit: 'MiB',
    },
    {
      name: 'summary.json',
      detail: 'what a reader loads first',
      value: Number(summary) / 1024,
      target: mostSummaryBytes / 1024,
      unit: 'KiB',
    },
    {
      name: 'publishing time, end of the year to its start',
      detail: `median of ${sampleSize} publishes: ${time(first).toFixed(2)} ms, then ${time(last).toFixed(2)} ms, without the network`,
      value: time(last) / time(first),
      target: 1.2,
      unit: '×',
    },
    {
      name: 'requests of a publish, end to start',
      detail: `mean: ${requests(first).toFixed(1)}, then ${requests(last).toFixed(1)}; bytes sent ${formatBytes(mean(first.map(of => of.sentBytes)))}, then ${formatBytes(mean(last.map(of => of.sentBytes)))}`,
      value: requests(last) / requests(first),
      target: 1.2,
      unit: '×',
    },
    {
      name: 'largest file',
      detail: largest.path,
      value: largest.bytes / 1e6,
      target: 1,
      unit: 'MB',
    },
  ];
}

async function packed(repository: string): Promise<{ packBytes: number; indexBytes: number }> {
  const folder = join(repository, 'objects', 'pack');
  const sizes = { packBytes: 0, indexBytes: 0 };
  for (const name of await readdir(folder)) {
    const { size } = await stat(join(folder, name));
    if (name.endsWith('.pack')) sizes.packBytes += size;
    else sizes.indexBytes += size;
  }
  return sizes;
}

async function largestFile({ objects }: GitDataApi): Promise<{ path: string; bytes: number }> {
  const lines = (await objects.git('ls-tree', '-r', '-l', 'ops-data')).split('\n');
  const files = lines.map(line => {
    const [about = '', path = ''] = line.split('\t');
    return { path, bytes: Number(about.split(/\s+/)[3]) };
  });
  return files.reduce((a, b) => (a.bytes > b.bytes ? a : b));
}

/** GitHub without the network in between: what is measured is the work, the store's and git's. */
function inProcess(api: GitDataApi) {
  const counts = { requests: 0, sentBytes: 0 };
  const github: GitHub = {
    repository: 'acme/shop',
    async request<T>(route: string, parameters: Record<string, unknown> = {}): Promise<Answer<T>> {
      const [method = 'GET', template = ''] = route.split(' ');
      const body = { ...parameters };
      const path = template.replace('{owner}/{repo}', 'acme/shop').replace(/\{\+?(\w+)\}/g, (_, name: string) => {
        const value = String(body[name]);
        delete body[name];
        return value;
      });
      const text = method === 'GET' ? undefined : JSON.stringify(body);
      counts.requests++;
      counts.sentBytes += Buffer.byteLength(text ?? '');
      const request = new Request(`http://localhost${path}`, { method, ...(text !== undefined && { body: text }) });
      const answer = await api.handle(request);
      const data = await answer.json();
      if (!answer.ok) throw refusal(answer.status, route);
      return { status: answer.status, data: data as T, headers: {} };
    },
    paginate() {
      throw new Error('publishing lists no pages');
    },
  };
  return {
    github,
    counts,
    reset() {
      counts.requests = 0;
      counts.sentBytes = 0;
    },
  };
}

function refusal(status: number, route: string): GitHubError {
  const failure = {
    kind: 'refused' as const,
    status,
    reason: `HTTP ${status}`,
    waitMs: 0,
    headers: {},
    cause: undefined,
  };
  return new GitHubError('GITHUB_FAILED', `${route}: HTTP ${status}`, {}, failure);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
