import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { type Answer, type GitHub, GitHubError } from '../../actions/lib/github/index.ts';
import { formatBytes, formatCount } from '../../actions/lib/log/index.ts';
import { createGitHubStore, mostSummaryBytes, type Report } from '../../actions/lib/reports/index.ts';
import { createGitDataApi, type GitDataApi, seedBranch } from '../../test/services/git-data-api.ts';
import { reportsOfYear } from './reports-year.ts';
import type { Result } from './results.ts';

const mostPackedBytes = 10e6;
/** Of which the first and the last are compared: as far into a month, so that only the age of the repository differs. */
const monthDays = 31;

/**
 * One year of reports through the real store into a real repository: a sample each five minutes published each hour,
 * daily backups, weekly drills and database reports. Its last month is published in turn with the first month of a
 * repository that has just begun: whatever else the machine does slows both. Option: `--days 365`, at least 62.
 */
export async function benchReports(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({ args: [...args], options: { days: { type: 'string', default: '365' } } });
  const days = Number(values.days);
  if (!(days >= 2 * monthDays)) {
    throw new OpsError('USAGE', `--days is '${values.days}', and must be at least ${2 * monthDays}`, { exit: 'usage' });
  }
  await using young = await openRepository();
  await using old = await openRepository();
  const reports = [...reportsOfYear(days)];
  const ofFirstMonth = [...reportsOfYear(monthDays)];
  const ofLastMonth = reports.slice(-ofFirstMonth.length);
  for (const [index, report] of reports.slice(0, -ofFirstMonth.length).entries()) {
    await old.publish(report);
    if ((index + 1) % 1000 === 0) process.stderr.write(`${formatCount(index + 1)} reports published\n`);
  }
  const months: Months = { first: [], last: [] };
  for (const [index, report] of ofLastMonth.entries()) {
    months.first.push(await young.publish(ofFirstMonth[index]!));
    months.last.push(await old.publish(report));
  }
  return await judge(old.api, months);
}

interface Publish {
  milliseconds: number;
  requests: number;
  sentBytes: number;
}

interface Months {
  first: Publish[];
  last: Publish[];
}

async function openRepository() {
  const folder = await mkdtemp(join(tmpdir(), 'ops-bench-reports-'));
  const api = await createGitDataApi(join(folder, 'shop.git'));
  await seedBranch(api, 'main', { 'README.md': '# Shop\n' });
  const { github, counts, reset } = inProcess(api);
  const store = createGitHubStore({
    github,
    branch: 'ops-data',
    folder: 'reports',
    signal: new AbortController().signal,
  });
  return {
    api,
    async publish(report: Report): Promise<Publish> {
      reset();
      const startedAt = performance.now();
      await store.save(report);
      return { milliseconds: performance.now() - startedAt, ...counts };
    },
    async [Symbol.asyncDispose]() {
      await api.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function judge(api: GitDataApi, { first, last }: Months): Promise<Result[]> {
  const { objects } = api;
  const summary = await objects.git('cat-file', '-s', 'ops-data:reports/summary.json');
  await objects.git('fsck', '--strict', '--no-dangling');
  await objects.git('-c', 'gc.reflogExpire=now', 'gc', '--quiet', '--prune=now');
  const { packBytes, indexBytes } = await packed(objects.folder);
  const commits = Number(await objects.git('rev-list', '--count', 'ops-data'));
  const largest = await largestFile(api);

  const time = (list: readonly Publish[]) => median(list.map(({ milliseconds }) => milliseconds));
  const requests = (list: readonly Publish[]) => mean(list.map(({ requests: count }) => count));
  const sent = (list: readonly Publish[]) => mean(list.map(({ sentBytes }) => sentBytes));
  const months = `${formatCount(first.length)} publishes of the first month and of the last one`;
  return [
    {
      name: 'packed repository',
      detail: `what a clone transfers: ${formatCount(commits)} commits of ${(packBytes / commits).toFixed(0)} bytes, after git gc; its local index has ${formatBytes(indexBytes)} more`,
      value: packBytes / 1e6,
      target: mostPackedBytes / 1e6,
      unit: 'MB',
    },
    {
      name: 'summary.json',
      detail: 'what a reader loads first',
      value: Number(summary) / 1e3,
      target: mostSummaryBytes / 1e3,
      unit: 'kB',
    },
    {
      name: 'time of a publish, last month to first',
      detail: `median of ${months}, in turn: ${time(first).toFixed(2)} ms, then ${time(last).toFixed(2)} ms, without the network`,
      value: time(last) / time(first),
      target: 1.2,
      unit: '×',
    },
    {
      name: 'requests of a publish, last month to first',
      detail: `mean: ${requests(first).toFixed(1)}, then ${requests(last).toFixed(1)}`,
      value: requests(last) / requests(first),
      target: 1.2,
      unit: '×',
    },
    {
      name: 'bytes sent by a publish, last month to first',
      detail: `mean: ${formatBytes(sent(first))}, then ${formatBytes(sent(last))}`,
      value: sent(last) / sent(first),
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
