import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PurgeData } from '../../actions/lib/cdn/index.ts';
import { folderWith, ops, report } from '../console/run.ts';
import { closed, listening, type Origin, startOrigin } from '../services/origin.ts';
import { requireService } from '../services/requirements.ts';
import { startVarnish, type Varnish } from '../services/varnish.ts';

const kept = { 'cache-control': 'public, max-age=3600', 'content-type': 'text/css' };

requireService('varnish')('a purge of a real Varnish', () => {
  let origin: Origin;
  let varnish: Varnish;
  let env: Record<string, string>;

  beforeAll(async () => {
    origin = await startOrigin();
    varnish = await startVarnish(origin.url);
    env = { CDN_URL: varnish.url, CDN_ORIGIN_URL: origin.url, CDN_PURGE_URL: varnish.url };
  });
  afterAll(async () => {
    await varnish?.stop();
    await origin?.stop();
  });

  const fetched = async (path: string) => {
    const answer = await fetch(varnish.url + path);
    return { cache: answer.headers.get('x-cache'), body: await answer.text() };
  };
  const serve = (path: string, body: string, headers: Record<string, string> = {}) =>
    origin.pages.set(path, { body, headers: { ...kept, ...headers } });

  it('HIT, purge, MISS, HIT, and the new content is proved by its hash', async () => {
    serve('/a.css', 'old');
    await fetched('/a.css');
    serve('/a.css', 'new');
    expect(await fetched('/a.css')).toEqual({ cache: 'HIT', body: 'old' });

    const { data, checks, ran } = await report<PurgeData>(['cdn', 'purge', '/a.css'], env);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(data!.verified).toMatchObject([{ url: `${varnish.url}/a.css`, freshness: 'fresh' }]);
    expect(checks).toMatchObject([{ id: 'cdn.purge.verified', status: 'ok', value: 0 }]);
    // The verification itself was the MISS.
    expect(await fetched('/a.css')).toEqual({ cache: 'HIT', body: 'new' });
  });

  it('a prefix takes what is below it and nothing beside it', async () => {
    for (const path of ['/p/1.css', '/p/2.css', '/q/1.css']) {
      serve(path, 'old');
      await fetched(path);
      serve(path, 'new');
    }
    // Nothing names a URL to look at: that is said, and is not green.
    const ran = await ops(['cdn', 'purge', '/p/*'], env);
    expect(ran.exitCode).toBe(3);
    expect(ran.stdout).toContain('COULD NOT VERIFY');
    expect(ran.stdout).toContain('cdn.purge.verifyPaths');
    expect((await fetched('/p/1.css')).body).toBe('new');
    expect((await fetched('/p/2.css')).body).toBe('new');
    expect((await fetched('/q/1.css')).body).toBe('old');
  });

  it('a prefix is verified by a URL below it that is named beside it, or by one of the configuration', async () => {
    serve('/v/1.css', 'old');
    await fetched('/v/1.css');
    serve('/v/1.css', 'new');
    const named = await report<PurgeData>(['cdn', 'purge', '/v/*', '/v/1.css'], env);
    expect(named.ran.exitCode, named.ran.stderr).toBe(0);
    expect(named.data).toMatchObject({
      calls: [{ summary: `ban ${varnish.url}/v/*` }],
      verified: [{ url: `${varnish.url}/v/1.css`, freshness: 'fresh' }],
    });

    // Of the configured paths, one that the purge does not take is no witness.
    serve('/w/1.css', 'the same');
    for (const path of ['/v/1.css', '/w/1.css']) await fetched(path);
    const cwd = await folderWith(`cdn:
  zones: { default: { url: '${varnish.url}', origin: '${origin.url}' } }
  provider: { kind: http, servers: ['${varnish.url}'] }
  purge: { verifyPaths: [/v/1.css, /w/1.css] }
`);
    const configured = await report<PurgeData>(['cdn', 'purge', '/v/*'], {}, cwd);
    expect(configured.ran.exitCode, configured.ran.stderr).toBe(0);
    expect(configured.data!.verified.map(({ url }) => url)).toEqual([`${varnish.url}/v/1.css`]);
  });

  it('a prefix with a query takes that query alone', async () => {
    for (const path of ['/list?page=1', '/list?sort=1']) {
      serve(path, 'old');
      await fetched(path);
      serve(path, 'new');
    }
    const ran = await ops(['cdn', 'purge', '/list?page=*', '--no-verify'], env);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect((await fetched('/list?page=1')).body).toBe('new');
    expect((await fetched('/list?sort=1')).body).toBe('old');
  });

  it('a path that would be a pattern is taken as it is written', async () => {
    serve('/x.*/a.css', 'old');
    serve('/xyz/a.css', 'old');
    for (const path of ['/x.*/a.css', '/xyz/a.css']) await fetched(path);
    serve('/x.*/a.css', 'new');
    serve('/xyz/a.css', 'new');
    await ops(['cdn', 'purge', `${varnish.url}/x.%2A/*`, '--no-verify'], env);
    expect((await fetched('/xyz/a.css')).body).toBe('old');
  });

  it('a host and everything', async () => {
    for (const [argv, path] of [
      [['--host', new URL(varnish.url).host], '/h.css'],
      [['--everything'], '/e.css'],
    ] as const) {
      serve(path, 'old');
      await fetched(path);
      serve(path, 'new');
      const ran = await ops(['cdn', 'purge', ...argv, '--no-verify'], env);
      expect(ran.exitCode, ran.stderr).toBe(0);
      expect((await fetched(path)).body).toBe('new');
    }
  });

  it('a tag takes every object that has it', async () => {
    const tagged = { ...env };
    serve('/t1.css', 'old', { xkey: 'product-1 shop' });
    serve('/t2.css', 'old', { xkey: 'product-2 shop' });
    for (const path of ['/t1.css', '/t2.css']) await fetched(path);
    serve('/t1.css', 'new');
    serve('/t2.css', 'new');
    const refused = await ops(['cdn', 'purge', '--tag', 'product-1'], tagged);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toMatch(
      /^CDN_CANNOT These Varnish servers are not said to have tags\n {2}→ Install the vmod xkey/,
    );
    const configured = await folderWith(`cdn:
  zones: { default: { url: '${varnish.url}', origin: '${origin.url}' } }
  provider: { kind: http, servers: ['${varnish.url}'], tags: true }
  purge: { verifyPaths: [/t1.css] }
`);
    const ran = await ops(['cdn', 'purge', '--tag', 'product-1'], {}, configured);
    expect(ran.exitCode, ran.stdout + ran.stderr).toBe(0);
    expect((await fetched('/t1.css')).body).toBe('new');
    expect((await fetched('/t2.css')).body).toBe('old');
  });

  it('softly: the stale copy still serves, and the origin is asked again', async () => {
    const graceful = await startVarnish(origin.url, { grace: '60s' });
    try {
      serve('/s.css', 'old');
      await (await fetch(`${graceful.url}/s.css`)).text();
      serve('/s.css', 'new');
      const { data, ran } = await report<PurgeData>(['cdn', 'purge', '/s.css', '--soft'], {
        CDN_URL: graceful.url,
        CDN_ORIGIN_URL: origin.url,
        CDN_PURGE_URL: graceful.url,
      });
      expect(ran.exitCode, ran.stderr).toBe(0);
      expect(data).toMatchObject({ isSoft: true, verified: [{ freshness: 'fresh' }] });
    } finally {
      await graceful.stop();
    }
  });

  it('a server that does not let us purge is one clear error, and what it serves is not called fresh', async () => {
    const closed = await startVarnish(origin.url, { purgers: '192.0.2.1' });
    try {
      const ran = await ops(['cdn', 'purge', '/a.css'], { CDN_URL: closed.url, CDN_PURGE_URL: closed.url });
      expect(ran.exitCode).toBe(1);
      expect(ran.stderr).toMatch(
        /^CDN_AUTH .*refused the credentials \(HTTP 403\): PURGE is not allowed\n {2}→ Its configuration/m,
      );
    } finally {
      await closed.stop();
    }
  });

  it('a cache that was not asked keeps the old copy: the purge is not verified', async () => {
    const forgotten = await startVarnish(origin.url);
    try {
      serve('/f.css', 'old');
      await (await fetch(`${forgotten.url}/f.css`)).text();
      serve('/f.css', 'new');
      // Purged at one server; visitors are served by another.
      const { checks, ran } = await report<PurgeData>(['cdn', 'purge', '/f.css'], {
        CDN_URL: forgotten.url,
        CDN_ORIGIN_URL: origin.url,
        CDN_PURGE_URL: varnish.url,
      });
      expect(ran.exitCode).toBe(3);
      expect(checks).toMatchObject([
        { status: 'critical', value: 1, message: expect.stringContaining('/f.css serves') },
      ]);
    } finally {
      await forgotten.stop();
    }
  });

  it('nothing is purged before the origin serves the new build', async () => {
    origin.pages.set('/build.txt', { body: 'build 41', headers: { 'cache-control': 'no-store' } });
    serve('/b.css', 'old');
    await fetched('/b.css');
    const cwd = await folderWith(`cdn:
  zones: { default: { url: '${varnish.url}', origin: '${origin.url}' } }
  provider: { kind: http, servers: ['${varnish.url}'] }
  purge: { buildPath: /build.txt, waitForOrigin: 0s }
`);
    const early = await ops(['cdn', 'purge', '/b.css', '--build', 'build 42'], {}, cwd);
    expect(early.exitCode).toBe(1);
    expect(early.stderr).toMatch(
      /^CDN_ORIGIN_STALE .*does not serve build build 42: nothing was purged\n {2}→ Purge after the deploy is live/m,
    );
    expect((await fetched('/b.css')).cache).toBe('HIT');

    origin.pages.set('/build.txt', { body: 'build 42', headers: { 'cache-control': 'no-store' } });
    serve('/b.css', 'new');
    const ran = await ops(['cdn', 'purge', '/b.css', '--build', 'build 42'], {}, cwd);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect((await fetched('/b.css')).body).toBe('new');
  });

  it('an origin that is down while it is deployed is waited for', async () => {
    const before = await startOrigin({ '/build.txt': { body: 'build 1' } });
    const port = Number(new URL(before.url).port);
    const cwd = await folderWith(`cdn:
  zones: { default: { url: '${varnish.url}', origin: '${before.url}' } }
  provider: { kind: http, servers: ['${varnish.url}'] }
  purge: { buildPath: /build.txt, waitForOrigin: 60s }
`);
    await before.stop();
    const refused = await ops(['cdn', 'purge', '/o.css', '--build', 'build 2'], {}, await brief(cwd));
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/^CDN_ORIGIN_STALE 127\.0\.0\.1:\d+ refused the connection: nothing was purged$/m);

    const running = ops(['cdn', 'purge', '/o.css', '--build', 'build 2', '--no-verify'], {}, cwd);
    const after = await startOrigin({ '/build.txt': { body: 'build 2' } }, port);
    try {
      expect(await running).toMatchObject({ exitCode: 0 });
    } finally {
      await after.stop();
    }
  });

  it('a cache server that cuts the connection is asked again', async () => {
    let cut = 2;
    const asked: string[] = [];
    const server = createServer((request, response) => {
      if (cut-- > 0) return void request.socket.destroy();
      asked.push(`${request.method} ${request.url}`);
      response.end();
    });
    await listening(server);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const ran = await ops(['cdn', 'purge', '/c.css', '--no-verify'], { CDN_URL: varnish.url, CDN_PURGE_URL: url });
      expect(ran.exitCode, ran.stderr).toBe(0);
      expect(asked).toEqual(['PURGE /c.css']);
    } finally {
      await closed(server);
    }
  });
});

/** The same configuration, for an impatient one. */
async function brief(folder: string): Promise<string> {
  const yaml = await readFile(join(folder, '.github/ops.yml'), 'utf8');
  return folderWith(yaml.replace('60s', '0s'));
}
