import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Runner } from '../actions/bundles.ts';
import { type Origin, startOrigin } from '../services/origin.ts';
import { requireService } from '../services/requirements.ts';
import { startVarnish, type Varnish } from '../services/varnish.ts';

requireService('varnish')('the built action', () => {
  let runner: Runner;
  let origin: Origin;
  let varnish: Varnish;
  let env: Record<string, string>;

  beforeAll(async () => {
    runner = await Runner.open(['cdn']);
    origin = await startOrigin();
    varnish = await startVarnish(origin.url);
    env = { CDN_URL: varnish.url, CDN_ORIGIN_URL: origin.url, CDN_PURGE_URL: varnish.url, CLOUDFLARE_API_TOKEN: '' };
  });
  afterAll(async () => {
    await varnish?.stop();
    await origin?.stop();
    await runner?.[Symbol.asyncDispose]();
  });

  const serve = (body: string) =>
    origin.pages.set('/a.css', {
      body,
      headers: { 'cache-control': 'public, max-age=600', 'content-type': 'text/css' },
    });

  test('purges, verifies, and sets its outputs', async () => {
    serve('old');
    await (await fetch(`${varnish.url}/a.css`)).text();
    serve('new');
    const run = await runner.run('cdn', { inputs: { command: 'purge', paths: '/a.css' }, env });
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs).toMatchObject({ status: 'ok', calls: '1', fresh: '1', findings: '' });
    expect(run.summary.startsWith('## ✅ 1 URL is fresh')).toBe(true);
    const { outputs } = parse(await readFile(join(import.meta.dirname, '../../actions/cdn/action.yml'), 'utf8'));
    expect(Object.keys(run.outputs).sort()).toEqual(Object.keys(outputs).sort());
  });

  test('audits by itself: a page that is missing is a finding', async () => {
    const run = await runner.run('cdn', { env });
    expect(run.outputs).toMatchObject({ calls: '', fresh: '' });
    expect(Number(run.outputs.findings)).toBeGreaterThanOrEqual(0);
    expect(run.summary).toContain('were looked at');
  });

  test('everything is purged by the word alone', async () => {
    const run = await runner.run('cdn', { inputs: { command: 'purge', everything: 'true' }, env });
    expect(run.code).toBe(2);
    expect(run.stdout).toMatch(/The input 'everything' is 'true', which is not one of: everything/);
    const nothing = await runner.run('cdn', { inputs: { command: 'purge' }, env });
    expect(nothing.code).toBe(2);
    expect(nothing.stdout).toContain('Nothing was named to purge');
  });
});
