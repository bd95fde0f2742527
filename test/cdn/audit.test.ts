import { brotliCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AuditData } from '../../actions/lib/cdn/index.ts';
import { folderWith, ops, report } from '../console/run.ts';
import { type Origin, startOrigin } from '../services/origin.ts';
import { requireService } from '../services/requirements.ts';
import { startVarnish, type Varnish } from '../services/varnish.ts';

const text = '/* a style sheet that is long enough to be worth compressing */\n'.repeat(40);
const br = (body: string, type: string, cache: string) => ({
  body: brotliCompressSync(body),
  headers: {
    'content-type': type,
    'content-encoding': 'br',
    vary: 'Accept-Encoding',
    etag: '"1"',
    'cache-control': cache,
    'x-content-type-options': 'nosniff',
  },
});

requireService('varnish')('an audit of a site behind a real Varnish', () => {
  let origin: Origin;
  let varnish: Varnish;
  let env: Record<string, string>;

  beforeAll(async () => {
    origin = await startOrigin({
      '/': br('<link rel=stylesheet href=/app.3f9a1c02.css><img src=/p.jpg>', 'text/html', 'no-cache'),
      '/app.3f9a1c02.css': br(`a{background:url(/bg.png)}${text}`, 'text/css', 'public, max-age=31536000, immutable'),
      '/p.jpg': {
        body: 'jpg',
        headers: { 'content-type': 'image/jpeg', 'cache-control': 'public, max-age=300', etag: '"1"' },
      },
      '/bg.png': {
        body: 'png',
        headers: { 'content-type': 'image/png', 'cache-control': 'public, max-age=300', etag: '"1"' },
      },
    });
    varnish = await startVarnish(origin.url);
    env = { CDN_URL: varnish.url, CDN_ORIGIN_URL: origin.url };
  });
  afterAll(async () => {
    await varnish?.stop();
    await origin?.stop();
  });

  it('a site that is well: every page, every asset, and what style sheets load', async () => {
    const { data, checks, ran } = await report<AuditData>(['cdn', 'audit'], env);
    expect(data).toMatchObject({ pages: 1, assets: 3, findings: [], unreachable: [], leftOut: 0 });
    expect(ran.exitCode, ran.stdout).toBe(0);
    expect(checks.every(check => check.status === 'ok')).toBe(true);
    expect(origin.asked).toContain('/bg.png');
  });

  it('a stale copy, a missing file and a page that is kept, each with what to do', async () => {
    origin.pages.set('/p.jpg', {
      body: 'newer jpg',
      headers: { 'content-type': 'image/jpeg', 'cache-control': 'public, max-age=300', etag: '"2"' },
    });
    origin.pages.set('/old', br('<script src=/gone.js></script><img src=/p.jpg>', 'text/html', 'max-age=7200'));
    const ran = await ops(['cdn', 'audit', '/old'], env);
    expect(ran.exitCode).toBe(3);
    expect(ran.stdout).toContain('visitors get something else than the origin serves');
    expect(ran.stdout).toContain('Purge it: ops cdn purge /p.jpg');
    expect(ran.stdout).toContain(`${varnish.url}/gone.js answers HTTP 404`);
    expect(ran.stdout).toMatch(/is kept by browsers for 7200 s.*\n\s+→ Cache-Control: no-cache/);
  });

  it('what is accepted is not found again', async () => {
    const cwd = await folderWith(`cdn:
  zones: { default: { url: '${varnish.url}' } }
  audit: { pages: [/old], ignore: [status, page] }
`);
    const { data, checks } = await report<AuditData>(['cdn', 'audit'], {}, cwd);
    expect(data!.findings).toEqual([]);
    expect(checks.map(check => check.id)).not.toContain('cdn.audit.page');
  });

  it('an origin that is gone is not known, and never green', async () => {
    const { checks, ran } = await report<AuditData>(['cdn', 'audit', 'http://127.0.0.1:9/'], env);
    expect(ran.exitCode).toBe(3);
    expect(checks.find(check => check.id === 'cdn.audit.reached')).toMatchObject({
      status: 'unknown',
      message: expect.stringContaining('127.0.0.1:9 refused the connection'),
    });
  });

  it('nowhere to look is one clear error', async () => {
    const ran = await ops(['cdn', 'audit'], {});
    expect(ran.exitCode).toBe(2);
    expect(ran.stderr).toMatch(
      /^CDN_NO_ZONE No CDN zone says where the site is\n {2}→ Name the page as a whole URL, or set CDN_URL/,
    );
  });
});
