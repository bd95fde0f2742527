import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PurgeData } from '../../actions/lib/cdn/index.ts';
import { folderWith, ops, report } from '../console/run.ts';
import {
  type AzureApiCall,
  azureIds,
  azureToken,
  type CdnApi,
  type CloudFrontApiCall,
  type CloudflareApiCall,
  cloudflareToken,
  cloudflareZone,
  distribution,
  startAzureApi,
  startCloudFrontApi,
  startCloudflareApi,
} from '../services/cdn-apis.ts';
import { compileCache, opsScript } from '../services/ops-process.ts';

const site = 'https://shop.example.org';

describe('Cloudflare', () => {
  let api: CdnApi<CloudflareApiCall>;
  const secret = { CLOUDFLARE_API_TOKEN: cloudflareToken };
  const folder = (zoneId = cloudflareZone) =>
    folderWith(`cdn:
  zones: { default: { url: '${site}' }, images: { url: 'https://img.example.org' } }
  provider: { kind: cloudflare, zoneId: ${zoneId}, apiUrl: '${api.url}' }
`);
  beforeAll(async () => {
    api = await startCloudflareApi();
  });
  afterAll(() => api.stop());
  beforeEach(() => {
    api.calls.length = 0;
    api.faults.length = 0;
  });

  it('URLs, prefixes, hosts and tags go as the API wants them', async () => {
    const ran = await ops(
      [
        'cdn',
        'purge',
        '/a.css',
        '/img/*',
        '--host',
        'old.example.org',
        '--tag',
        'product-1,product-2',
        '--zone',
        'default',
        '--no-verify',
      ],
      secret,
      await folder(),
    );
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls).toEqual([
      { endpoint: 'purge_cache', body: { files: [`${site}/a.css`] } },
      { endpoint: 'purge_cache', body: { prefixes: ['shop.example.org/img'] } },
      { endpoint: 'purge_cache', body: { hosts: ['old.example.org'] } },
      { endpoint: 'purge_cache', body: { tags: ['product-1', 'product-2'] } },
    ]);
  });

  it('a path without a zone is a path of every zone', async () => {
    await ops(['cdn', 'purge', '/a.css', '--no-verify'], secret, await folder());
    expect(api.calls).toEqual([
      { endpoint: 'purge_cache', body: { files: [`${site}/a.css`, 'https://img.example.org/a.css'] } },
    ]);
  });

  it('softly is another endpoint; everything only by its word', async () => {
    await ops(['cdn', 'purge', '/a.css', '--zone', 'default', '--soft', '--no-verify'], secret, await folder());
    await ops(['cdn', 'purge', '--everything', '--no-verify'], secret, await folder());
    const nothing = await ops(['cdn', 'purge'], secret, await folder());
    expect(nothing.exitCode).toBe(2);
    expect(nothing.stderr).toMatch(/^CDN_CANNOT Nothing was named to purge/);
    expect(api.calls.map(({ endpoint, body }) => [endpoint, Object.keys(body)[0]])).toEqual([
      ['invalidate_cache', 'files'],
      ['purge_cache', 'purge_everything'],
    ]);
  });

  it('250 URLs are three calls, none above the limit', async () => {
    const paths = Array.from({ length: 250 }, (_, index) => `${site}/${index}.css`);
    const { data } = await report<PurgeData>(['cdn', 'purge', ...paths, '--no-verify'], secret, await folder());
    expect(api.calls.map(({ body }) => ('files' in body ? body.files.length : 0))).toEqual([100, 100, 50]);
    expect(data!.ids).toHaveLength(3);
    expect(data!.calls.map(call => [call.itemCount, call.items.length])).toEqual([
      [100, 100],
      [100, 100],
      [50, 0],
    ]);
  });

  it('a limit is waited for as told, and a failure in passing is tried again', async () => {
    api.faults.push({ status: 429, headers: { 'retry-after': '0' } }, { status: 503 });
    const ran = await ops(['cdn', 'purge', '/a.css', '--zone', 'default', '--no-verify'], secret, await folder());
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls).toHaveLength(1);
  });

  it.each([
    [429, /^CDN_LIMITED Cloudflare takes no more calls for now \(HTTP 429\).*\n {2}→ Wait for the limit to pass/m],
    [503, /^CDN_UNREACHABLE Cloudflare failed \(HTTP 503\).*\n {2}→ Run it again/m],
  ])('HTTP %i that does not pass is one clear error, after six tries', async (status, expected) => {
    api.faults.push(...Array.from({ length: 10 }, () => ({ status, headers: { 'retry-after': '0' } })));
    const ran = await ops(['cdn', 'purge', '/a.css', '--zone', 'default', '--no-verify'], secret, await folder());
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(expected);
    expect(ran.stderr.match(/^CDN_/gm)).toHaveLength(1);
    expect([api.calls.length, api.faults.length]).toEqual([0, 4]);
  });

  it.each<[string, Record<string, string>, string | undefined, RegExp]>([
    ['no token', {}, undefined, /^CDN_AUTH There is no token for Cloudflare\n {2}→ Set CLOUDFLARE_API_TOKEN/m],
    [
      'a wrong token',
      { CLOUDFLARE_API_TOKEN: 'wrong-9x8y7z' },
      undefined,
      /^CDN_AUTH Cloudflare refused the credentials \(HTTP 403\): Authentication error \(10000\)\n {2}→ The API token needs the permission/m,
    ],
    [
      'a zone id that is wrong',
      secret,
      'f'.repeat(32),
      /^CDN_NOT_FOUND Cloudflare does not know it \(HTTP 404\).*\n {2}→ Check CLOUDFLARE_ZONE_ID/m,
    ],
  ])('%s is one clear error, and shows no secret', async (_what, env, zoneId, expected) => {
    const ran = await ops(['cdn', 'purge', '/a.css', '--zone', 'default', '--no-verify'], env, await folder(zoneId));
    expect(ran.stderr).toMatch(expected);
    expect(ran.stdout + ran.stderr).not.toContain('wrong-9x8y7z');
    expect(ran.exitCode).toBe(env.CLOUDFLARE_API_TOKEN ? 1 : 2);
  });

  it('a call that is refused says how many were carried out before it', async () => {
    const paths = Array.from({ length: 150 }, (_, index) => `${site}/${index}.css`);
    const cwd = await folder();
    api.faults.push({ status: 400, body: '{"success":false,"errors":[{"code":1094,"message":"no"}]}' });
    const ran = await ops(['cdn', 'purge', ...paths, '--no-verify'], secret, cwd);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/CDN_REFUSED .*; 0 of 2 calls were carried out before/);
  });
});

describe('CloudFront', () => {
  let api: CdnApi<CloudFrontApiCall> & { mostOpen: () => number };
  const env = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret-aws-4h7' };
  const folder = (more = '') =>
    folderWith(`cdn:
  zones: { default: { url: '${site}' } }
  provider: { kind: cloudfront, distributionId: ${distribution}, apiUrl: '${api.url}'${more} }
`);
  beforeAll(async () => {
    api = await startCloudFrontApi();
    // The SDK finds its credentials itself, as it does on a runner.
    Object.assign(process.env, env);
  });
  afterAll(async () => {
    for (const name of Object.keys(env)) delete process.env[name];
    await api.stop();
  });
  beforeEach(() => {
    api.calls.length = 0;
    api.faults.length = 0;
  });

  it('paths and wildcards, and it waits until they are completed', async () => {
    const { data, ran } = await report<PurgeData>(
      ['cdn', 'purge', '/a b.css?v=1', '/img/*', '--no-verify'],
      {},
      await folder(),
    );
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls.flatMap(call => call.paths)).toEqual(['/a%20b.css?v=1', '/img/*']);
    expect(data!.ids).toHaveLength(2);
    expect(data!.notes[0]).toMatch(/^2 paths: \$0\.010 once the 1,000 free ones/);
    // One after the other: the limits are on what is in progress.
    expect(api.mostOpen()).toBe(1);
  });

  it('forty wildcards are three invalidations', async () => {
    const paths = Array.from({ length: 40 }, (_, index) => `/f${index}/*`);
    const ran = await ops(['cdn', 'purge', ...paths, '--no-verify'], {}, await folder());
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls.map(call => call.paths.length)).toEqual([15, 15, 10]);
  });

  it('tags where the distribution has them', async () => {
    const refused = await ops(['cdn', 'purge', '--tag', 'p1'], {}, await folder());
    expect(refused.stderr).toMatch(
      /^CDN_CANNOT This distribution is not said to have cache tags\n {2}→ Set CacheTagConfig/,
    );
    const ran = await ops(['cdn', 'purge', '--tag', 'p1', '--no-verify'], {}, await folder(', tags: true'));
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls.map(call => call.paths)).toEqual([['#p1']]);
  });

  it('an answer that was lost is not a second invalidation', async () => {
    const cwd = await folder();
    api.faults.push({ status: 502 });
    const ran = await ops(['cdn', 'purge', '/a.css', '--no-verify'], {}, cwd);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(api.calls).toHaveLength(1);
    // Another run is another invalidation of the same path.
    await ops(['cdn', 'purge', '/a.css', '--no-verify'], {}, cwd);
    expect(new Set(api.calls.map(call => call.reference)).size).toBe(2);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['a host', ['--host', 'a.example.org'], /^CDN_CANNOT CloudFront purges paths/],
    ['softly', ['/a.css', '--soft'], /^CDN_CANNOT CloudFront cannot mark as stale/],
    ['a * in the middle', ['/a*/b.css'], /^CDN_CANNOT A \* can only be the end of a path/],
  ])('%s is an error before any call', async (_what, argv, expected) => {
    const ran = await ops(['cdn', 'purge', ...argv], {}, await folder());
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(expected);
    expect(api.calls).toEqual([]);
  });

  it('a role that may not names the permission', async () => {
    api.faults.push({
      status: 403,
      headers: { 'content-type': 'text/xml' },
      body: '<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>',
    });
    const ran = await ops(['cdn', 'purge', '/a.css', '--no-verify'], {}, await folder());
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(
      /CDN_AUTH CloudFront refused the credentials \(HTTP 403\): not authorized \(AccessDenied\)\n {2}→ The role needs cloudfront:CreateInvalidation/,
    );
    expect(ran.stderr).not.toContain(env.AWS_SECRET_ACCESS_KEY);
  });

  it('a distribution that is not there names the variable', async () => {
    const cwd = await folderWith(`cdn:
  zones: { default: { url: '${site}' } }
  provider: { kind: cloudfront, distributionId: E2OTHER00000, apiUrl: '${api.url}' }
`);
    const ran = await ops(['cdn', 'purge', '/a.css'], {}, cwd);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(
      /CDN_NOT_FOUND CloudFront does not know it \(HTTP 404\).*\n {2}→ Check CLOUDFRONT_DISTRIBUTION_ID \(E2OTHER00000\)/,
    );
  });
});

describe('Azure Front Door', () => {
  let api: CdnApi<AzureApiCall> & { caFile: string };
  const run = promisify(execFile);
  const folder = (endpoint = azureIds.endpoint) =>
    folderWith(`cdn:
  zones: { default: { url: '${site}' }, images: { url: 'https://img.example.org' } }
  provider:
    kind: azure
    subscriptionId: ${azureIds.subscription}
    resourceGroup: ${azureIds.group}
    profile: ${azureIds.profile}
    endpoint: ${endpoint}
    apiUrl: '${api.url}'
`);
  /** A process of its own: which certificates it believes is settled when it starts. */
  const azure = async (argv: readonly string[], cwd: string, token = azureToken) =>
    run(process.execPath, [opsScript, 'cdn', 'purge', ...argv, '--no-verify'], {
      cwd,
      env: { PATH: process.env.PATH, ...compileCache, NODE_EXTRA_CA_CERTS: api.caFile, AZURE_ACCESS_TOKEN: token },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  beforeAll(async () => {
    api = await startAzureApi();
  });
  afterAll(() => api.stop());
  beforeEach(() => {
    api.calls.length = 0;
  });

  it('paths by domain, folders and queries as it can, and it waits for the end', async () => {
    const ran = await azure(['/a.css?v=2', '/img/*', '/img/b.png'], await folder());
    expect(ran.code, ran.stderr).toBe(0);
    expect(api.calls).toEqual([
      { contentPaths: ['/a.css', '/img/*'], domains: ['shop.example.org'] },
      { contentPaths: ['/a.css', '/img/*'], domains: ['img.example.org'] },
    ]);
    expect(ran.stdout).toContain('Azure purges a path with all of its queries');
  });

  it('a token that is over, and an endpoint that is not there', async () => {
    const over = await azure(['/a.css'], await folder(), 'over-token-5k');
    expect(over.code).toBe(1);
    expect(over.stderr).toMatch(
      /CDN_AUTH Azure refused the credentials \(HTTP 401\).*\n {2}→ The identity needs Microsoft\.Cdn/,
    );
    expect(over.stderr).not.toContain('over-token-5k');
    const gone = await azure(['/a.css'], await folder('nowhere'));
    expect(gone.stderr).toMatch(
      /CDN_NOT_FOUND Azure does not know it \(HTTP 404\).*\n {2}→ Check resource group platform, profile front and endpoint nowhere/,
    );
  });
});
