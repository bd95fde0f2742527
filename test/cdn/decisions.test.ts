import { describe, expect, it } from 'vitest';
import { isHashedName } from '../../actions/lib/cdn/audit/hashed-name.ts';
import { pageReferences, styleReferences } from '../../actions/lib/cdn/audit/references.ts';
import { type Facts, judge } from '../../actions/lib/cdn/audit/rules.ts';
import { planAzure } from '../../actions/lib/cdn/providers/azure-plan.ts';
import { planCloudflare } from '../../actions/lib/cdn/providers/cloudflare-plan.ts';
import { planCloudFront } from '../../actions/lib/cdn/providers/cloudfront-plan.ts';
import { providerError } from '../../actions/lib/cdn/providers/failures.ts';
import { planHttp } from '../../actions/lib/cdn/providers/http-plan.ts';
import { purgeRequest } from '../../actions/lib/cdn/purge/ask.ts';
import type { PurgeRequest } from '../../actions/lib/cdn/purge/request.ts';
import { ageOf, cacheState } from '../../actions/lib/cdn/verify/cache-state.ts';
import { urlsToVerify } from '../../actions/lib/cdn/verify/choose.ts';
import { judgeFreshness } from '../../actions/lib/cdn/verify/judge.ts';

const nothing: PurgeRequest = {
  urls: [],
  urlsBelowPrefixes: [],
  prefixes: [],
  hosts: [],
  tags: [],
  isEverything: false,
  isSoft: false,
};
const cloudfront = { hasTags: true, freePathsPerMonth: 1000, pricePerPathUsd: 0.005 };

describe('what a CDN cannot express is refused before any call', () => {
  const providers = {
    cloudflare: (request: PurgeRequest) => planCloudflare(request, 'free'),
    cloudfront: (request: PurgeRequest) => planCloudFront(request, cloudfront),
    azure: planAzure,
    varnish: (request: PurgeRequest) => planHttp(request, { flavour: 'varnish', hasTags: true }),
    nginx: (request: PurgeRequest) => planHttp(request, { flavour: 'nginx', hasTags: false }),
  };
  const asks: Record<string, PurgeRequest> = {
    url: { ...nothing, urls: ['https://a.org/x.css'] },
    folder: { ...nothing, prefixes: ['https://a.org/x/'] },
    'part of a name': { ...nothing, prefixes: ['https://a.org/x/app'] },
    'folder with a query': { ...nothing, prefixes: ['https://a.org/x/?page='] },
    host: { ...nothing, hosts: ['a.org'] },
    tag: { ...nothing, tags: ['t1'] },
    'tag with a comma': { ...nothing, tags: ['t1,t2'] },
    everything: { ...nothing, isEverything: true },
    'soft url': { ...nothing, urls: ['https://a.org/x.css'], isSoft: true },
    'soft folder': { ...nothing, prefixes: ['https://a.org/x/'], isSoft: true },
  };
  it.each<[keyof typeof providers, string[]]>([
    ['cloudflare', ['part of a name', 'folder with a query', 'tag with a comma']],
    ['cloudfront', ['host', 'tag with a comma', 'soft url', 'soft folder']],
    ['azure', ['part of a name', 'folder with a query', 'tag', 'tag with a comma', 'soft url', 'soft folder']],
    ['varnish', ['tag with a comma', 'soft folder']],
    ['nginx', ['tag', 'tag with a comma', 'everything', 'soft url', 'soft folder']],
  ])('%s', (provider, refused) => {
    const errors = Object.entries(asks).filter(([, request]) => {
      try {
        return providers[provider](request).calls.length === 0;
      } catch (error) {
        expect(error).toMatchObject({ code: 'CDN_CANNOT', exitCode: 2, hint: expect.stringMatching(/\S/) });
        return true;
      }
    });
    expect(errors.map(([what]) => what)).toEqual(refused);
  });
});

describe('what an answer of a provider means', () => {
  const answer = { provider: 'Azure', said: 'no', permissionHint: 'The role.', notFoundHint: 'The id.' };
  it.each<[number | undefined, string, boolean, RegExp]>([
    [undefined, 'CDN_UNREACHABLE', true, /status page/],
    [400, 'CDN_REFUSED', false, /See what it names/],
    [401, 'CDN_AUTH', false, /The role/],
    [403, 'CDN_AUTH', false, /The role/],
    [404, 'CDN_NOT_FOUND', false, /The id/],
    [408, 'CDN_UNREACHABLE', true, /Run it again/],
    [429, 'CDN_LIMITED', true, /Wait for the limit/],
    [500, 'CDN_UNREACHABLE', true, /Run it again/],
    [503, 'CDN_UNREACHABLE', true, /Run it again/],
  ])('HTTP %s: %s', (status, code, isTransient, hint) => {
    const error = providerError({ ...answer, status, retryAfter: '7' });
    expect(error).toMatchObject({ code, isTransient, hint: expect.stringMatching(hint) });
    expect(error.message).toMatch(/^Azure [^\n]*no$/);
    if (status === 429 || (status ?? 0) >= 500) expect(error.retryAfterSeconds).toBe(7);
  });
});

describe('a plan', () => {
  it('CloudFront does not pay for a path below a wildcard', () => {
    const plan = planCloudFront(
      { ...nothing, urls: ['https://a.org/img/1.png', 'https://a.org/a.css'], prefixes: ['https://a.org/img/'] },
      cloudfront,
    );
    expect(plan.calls.map(call => call.items)).toEqual([['/a.css'], ['/img/*']]);
  });

  it('CloudFront takes 3,000 files in one go, and says what they cost', () => {
    const urls = Array.from({ length: 3500 }, (_, index) => `https://a.org/${index}`);
    const plan = planCloudFront({ ...nothing, urls }, cloudfront);
    expect(plan.calls.map(call => call.items.length)).toEqual([3000, 500]);
    expect(plan.notes[0]).toContain('3,500 paths: $17.50 once the 1,000 free ones');
  });

  it('Azure takes 100 paths a call, by domain', () => {
    const urls = Array.from({ length: 130 }, (_, index) => `https://a.org/${index}`);
    const plan = planAzure({ ...nothing, urls: [...urls, 'https://b.org/1'], hosts: ['c.org'] });
    expect(plan.calls.map(({ body }) => [body.domains?.[0], body.contentPaths.length])).toEqual([
      ['a.org', 100],
      ['a.org', 30],
      ['b.org', 1],
      ['c.org', 1],
    ]);
  });

  it('Cloudflare on the free plan says how long its limit makes it wait', () => {
    const tags = Array.from({ length: 3000 }, (_, index) => `t${index}`);
    const plan = planCloudflare({ ...nothing, tags }, 'free');
    expect(plan.calls).toHaveLength(30);
    expect(plan.notes).toEqual([
      '30 calls by prefix, host or tag on the free plan take about 60 s: its limit is waited for.',
    ]);
    expect(planCloudflare({ ...nothing, tags }, 'enterprise').notes).toEqual([]);
  });

  it('an enterprise zone takes 500 URLs a call', () => {
    const urls = Array.from({ length: 501 }, (_, index) => `https://a.org/${index}`);
    expect(planCloudflare({ ...nothing, urls }, 'enterprise').calls.map(call => call.items.length)).toEqual([500, 1]);
  });

  it('a prefix for Varnish is a pattern in which nothing of the path is one', () => {
    const [call] = planHttp(
      { ...nothing, prefixes: ['https://a.org/x.(y)/'] },
      { flavour: 'varnish', hasTags: false },
    ).calls;
    expect(call!.body).toMatchObject({ method: 'BAN', host: 'a.org', headers: { 'x-ban-url': '^/x\\.\\(y\\)/' } });
  });
});

describe('what is asked for', () => {
  const zones = {
    default: { url: 'https://a.org/', transform: 'none' as const },
    images: { url: 'https://i.org/pics', transform: 'none' as const },
  };
  const ask = { paths: [], hosts: [], tags: [], isEverything: false, isSoft: false };

  it('is absolute, once each, without fragments', () => {
    expect(purgeRequest({ ...ask, paths: ['/a', '/a#x', '/f/*', '/f/b', 'https://c.org/d'] }, { zones })).toMatchObject(
      {
        urls: ['https://a.org/a', 'https://i.org/pics/a', 'https://c.org/d'],
        urlsBelowPrefixes: ['https://a.org/f/b', 'https://i.org/pics/f/b'],
        prefixes: ['https://a.org/f/', 'https://i.org/pics/f/'],
      },
    );
  });

  it.each([
    [{ paths: [] }, 'Nothing was named to purge'],
    [{ paths: ['/a'], isEverything: true }, 'Everything and something were asked for at once'],
    [{ paths: ['a.css'] }, "'a.css' is not a path of the site"],
    [{ paths: ['/a*b'] }, 'A * can only be the end of a path'],
    [{ hosts: ['https://a.org/'] }, "'https://a.org/' is not a host"],
    [{ paths: ['/a'], zone: 'imges' }, "There is no CDN zone 'imges'"],
  ])('%j is refused', (change, message) => {
    expect(() => purgeRequest({ ...ask, ...change }, { zones })).toThrow(message);
  });
});

describe('what is looked at after a purge', () => {
  const zones = { default: { url: 'https://a.org/', transform: 'none' as const } };
  const chosen = (change: Partial<PurgeRequest>, verifyPaths: string[] = [], verifyMost = 20) =>
    urlsToVerify(
      { ...nothing, ...change },
      { zones, purge: { soft: false, waitForOrigin: 0, verifyPaths, verifyMost } },
    );

  it.each([
    ['URLs: themselves', { urls: ['https://a.org/x'] }, ['/'], ['https://a.org/x'], []],
    ['a prefix: nothing', { prefixes: ['https://a.org/f/'] }, [], [], ['https://a.org/f/*']],
    ['a prefix: the paths below it', { prefixes: ['https://a.org/f/'] }, ['/', '/f/1'], ['https://a.org/f/1'], []],
    [
      'a prefix: what was named beside it',
      { prefixes: ['https://a.org/f/'], urlsBelowPrefixes: ['https://a.org/f/2'] },
      [],
      ['https://a.org/f/2'],
      [],
    ],
    [
      'a prefix beside a URL that says nothing of it',
      { urls: ['https://a.org/x'], prefixes: ['https://a.org/f/'] },
      [],
      ['https://a.org/x'],
      ['https://a.org/f/*'],
    ],
    ['a host', { hosts: ['a.org', 'b.org'] }, ['/'], ['https://a.org/'], ['host b.org']],
    ['a tag: all paths', { tags: ['t'] }, ['/', '/x'], ['https://a.org/', 'https://a.org/x'], []],
    ['a tag beside a URL', { urls: ['https://a.org/x'], tags: ['t'] }, [], ['https://a.org/x'], ['tags']],
    ['everything', { isEverything: true }, ['/'], ['https://a.org/'], []],
    ['everything, and nothing to look at', { isEverything: true }, [], [], ['everything']],
  ])('%s', (_what, request, verifyPaths, urls, unseen) => {
    expect(chosen(request, verifyPaths)).toEqual({ urls, unseen });
  });

  it('so many, spread over all', () => {
    const urls = Array.from({ length: 10 }, (_, n) => `https://a.org/${n}`);
    expect(chosen({ urls }, [], 3).urls).toEqual(['https://a.org/0', 'https://a.org/3', 'https://a.org/6']);
  });
});

describe('what the headers say of a cache', () => {
  it.each([
    [{ 'cf-cache-status': 'HIT', age: '10' }, 'hit'],
    [{ 'cf-cache-status': 'DYNAMIC' }, 'bypass'],
    [{ 'cf-cache-status': 'REVALIDATED' }, 'revalidated'],
    [{ 'cf-cache-status': 'EXPIRED' }, 'revalidated'],
    [{ 'x-cache': 'Miss from cloudfront' }, 'miss'],
    [{ 'x-cache': 'RefreshHit from cloudfront' }, 'revalidated'],
    [{ 'x-cache': 'Error from cloudfront' }, 'miss'],
    [{ 'x-cache': 'TCP_REMOTE_HIT' }, 'hit'],
    [{ 'x-cache': 'CONFIG_NOCACHE' }, 'bypass'],
    [{ 'x-cache': 'PRIVATE_NOSTORE' }, 'bypass'],
    [{ 'x-cache': 'MISS, HIT' }, 'hit'],
    [{ 'x-cache-status': 'STALE' }, 'stale'],
    [{ 'cache-status': 'Edge; fwd=uri-miss; stored' }, 'miss'],
    [{ 'cache-status': 'Origin; fwd=miss, Edge; hit; ttl=30' }, 'hit'],
    [{ 'x-varnish': '32770 3' }, 'hit'],
    [{ 'x-varnish': '32770' }, 'miss'],
    [{ age: '3' }, 'hit'],
    [{ age: '0' }, 'unknown'],
    [{}, 'unknown'],
  ] as [Record<string, string>, string][])('%j: %s', (headers, state) => {
    expect(cacheState(headers)).toBe(state);
  });

  it('an age that is none is not known', () => {
    expect([ageOf({ age: '12' }), ageOf({ age: 'x' }), ageOf({ age: '-1' }), ageOf({})]).toEqual([
      12,
      null,
      null,
      null,
    ]);
  });
});

describe('whether what visitors get is fresh', () => {
  const seen = { status: 200, cache: 'hit' as const, ageSeconds: 500, sha256: 'new' };
  const right = { status: 200, sha256: 'new' };
  it.each([
    ['right, from the origin', { cache: 'miss' as const, ageSeconds: 0 }, right, 'fresh'],
    ['right, filled by another visitor since', { ageSeconds: 4 }, right, 'fresh'],
    ['right, from a copy that the purge left', {}, right, 'kept'],
    ['wrong', { sha256: 'old' }, right, 'stale'],
    ['wrong although it says MISS', { sha256: 'old', cache: 'miss' as const }, right, 'stale'],
    ['still served although it is gone at the origin', { sha256: 'old' }, { status: 404, sha256: 'x' }, 'stale'],
    ['gone at both', { status: 404, sha256: 'x', cache: 'miss' as const }, { status: 404, sha256: 'x' }, 'fresh'],
    ['no origin, from the origin', { cache: 'miss' as const }, undefined, 'fresh'],
    ['no origin, from an old copy', {}, undefined, 'stale'],
    ['no origin and no headers', { cache: 'unknown' as const, ageSeconds: null }, undefined, 'unverified'],
  ])('%s: %s', (_what, change, expected, freshness) => {
    expect(judgeFreshness({ ...seen, ...change }, expected, 5).freshness).toBe(freshness);
  });
});

describe('a name that holds its content', () => {
  it.each([
    ['/app.3f9a1c02.js', true],
    ['/index-B3x9_kQz.css', true],
    ['/chunk-DcX2-a1Q.js', true],
    ['/main.3f9a1c02b7d4.min.css', true],
    ['/jquery-3.7.1.min.js', false],
    ['/photo-landscape.jpg', false],
    ['/20260101.jpg', false],
    ['/IMG_20260101.jpg', false],
    ['/deadbeef.js', false],
    ['/InvoiceTemplate2.pdf', false],
    ['/app.js', false],
  ])('%s: %s', (path, isHashed) => {
    expect(isHashedName(path)).toBe(isHashed);
  });
});

describe('what a page loads', () => {
  it('all that a browser would fetch by itself, and nothing that it would not', () => {
    const html = `<base href="/shop/"><link rel=stylesheet href='/a.css?x=1&amp;y=2'><link rel="next" href="/no-1">
      <script src="app.js"></script><script>var a = '<img src="/no-2">'</script><!-- <img src="/no-3"> -->
      <img src=p.jpg srcset="p-1.jpg 400w, p-2,3.jpg 800w"><a href="/no-4">x</a><div style="background:url(bg.png)"></div>
      <source srcset="s.avif"><img src="data:image/png;base64,AAAA"><style>@import "b.css"; /* url(no-5) */</style>
      <textarea><img src="/no-6"></textarea><img alt="a > b" src="/q.png">`;
    expect(pageReferences(html, 'https://a.org/x/')).toEqual(
      [
        '/a.css?x=1&y=2',
        '/shop/app.js',
        '/shop/p.jpg',
        '/shop/p-1.jpg',
        '/shop/p-2,3.jpg',
        '/shop/bg.png',
        '/shop/s.avif',
        '/shop/b.css',
        '/q.png',
      ].map(path => `https://a.org${path}`),
    );
  });

  it('preloaded sizes of an image, and what stands in templates', () => {
    const html = `<link rel="preload" as="image" href="a.avif" imagesrcset="a-1.avif 1x, a-2.avif 2x">
      <template><img src="t.png"></template><noscript><img src="n.png"></noscript>`;
    expect(pageReferences(html, 'https://a.org/')).toEqual(
      ['a.avif', 'a-1.avif', 'a-2.avif', 't.png', 'n.png'].map(name => `https://a.org/${name}`),
    );
  });

  it.each([
    ['a.jpg', ['a.jpg']],
    [' a.jpg 1x,b.jpg 2x, ', ['a.jpg', 'b.jpg']],
    ['a,b.jpg 400w,c.jpg', ['a,b.jpg', 'c.jpg']],
    ['a.jpg, b.jpg calc(1px, 2px), c.jpg', ['a.jpg', 'b.jpg', 'c.jpg']],
    ['a.jpg,,b.jpg', ['a.jpg,,b.jpg']],
    ['data:image/png;base64,AAAA 1x, b.jpg (', ['b.jpg']],
    [' , ', []],
  ])('the candidates of srcset "%s"', (srcset, names) => {
    expect(pageReferences(`<img srcset="${srcset}">`, 'https://a.org/')).toEqual(names.map(n => `https://a.org/${n}`));
  });

  it.each([
    ['a tag that is never closed', `<p>if x <y ${'b'.repeat(100_000)}" don't`],
    ['attributes without end', `<img ${'a=b '.repeat(50_000)}`],
    ['comments that are opened again and again', '<!--'.repeat(50_000)],
    ['a long srcset', `<img srcset="${'a'.repeat(100_000)} b c">`],
    ['elements in elements', '<div>'.repeat(5_000)],
  ])('hostile: %s is read all the same', (_what, html) => {
    expect(pageReferences(`${'<img src="a.png">'}${html}`, 'https://a.org/')).toContain('https://a.org/a.png');
  });

  it('what a style sheet loads is relative to the sheet', () => {
    expect(
      styleReferences(`@font-face{src:url("../f/a.woff2")}a{background:url( b.png )}`, 'https://a.org/css/x.css'),
    ).toEqual(['https://a.org/f/a.woff2', 'https://a.org/css/b.png']);
  });
});

describe('the audit', () => {
  const well: Facts = {
    url: 'https://a.org/app.3f9a1c02.js',
    kind: 'asset',
    status: 200,
    headers: {
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
      'content-encoding': 'br',
      vary: 'Accept-Encoding',
      'x-content-type-options': 'nosniff',
      etag: '"1"',
    },
    hasCookie: false,
    bodyBytes: 5000,
    cache: 'hit',
    cacheAgain: 'hit',
    ageSeconds: 10,
    isNegotiated: false,
    isAsOrigin: true,
  };
  const plain: Facts = {
    ...well,
    url: 'https://a.org/app.js',
    headers: { ...well.headers, 'cache-control': 'public, max-age=300' },
  };
  const page: Facts = {
    ...well,
    url: 'https://a.org/',
    kind: 'page',
    headers: { ...well.headers, 'cache-control': 'no-cache', 'content-type': 'text/html' },
  };
  const missing: Facts = {
    ...well,
    url: 'https://a.org/x.js',
    kind: 'missing',
    status: 404,
    cache: 'miss',
    cacheAgain: 'miss',
    headers: { 'cache-control': 'no-store' },
    isAsOrigin: undefined,
  };
  const image: Facts = {
    ...plain,
    url: 'https://a.org/p.jpg',
    headers: { 'cache-control': 'public, max-age=300', 'content-type': 'image/jpeg', etag: '"1"' },
  };
  const having = (facts: Facts, headers: Record<string, string | undefined>): Facts => ({
    ...facts,
    headers: Object.fromEntries(
      Object.entries({ ...facts.headers, ...headers }).filter(([, value]) => value !== undefined),
    ) as Record<string, string>,
  });

  it.each([
    ['asset', well],
    ['unhashed asset', plain],
    ['page', page],
    ['missing file', missing],
    ['image', image],
  ] as [string, Facts][])('a %s that is well has no finding', (_what, facts) => {
    expect(judge(facts)).toEqual([]);
  });

  it.each<[string, Facts, string]>([
    ['status', { ...well, status: 404 }, ''],
    ['stale', { ...well, isAsOrigin: false }, 'Purge it: ops cdn purge /app.3f9a1c02.js'],
    ['no-store-cached', having(plain, { 'cache-control': 'private' }), ''],
    ['cookie', { ...well, hasCookie: true }, ''],
    [
      'no-policy',
      having(plain, { 'cache-control': undefined }),
      'Cache-Control: public, max-age=300, stale-while-revalidate=86400',
    ],
    [
      'immutable',
      having(well, { 'cache-control': 'public, max-age=3600' }),
      'Cache-Control: public, max-age=31536000, immutable',
    ],
    ['immutable-name', having(plain, { 'cache-control': 'public, max-age=31536000, immutable' }), ''],
    ['page', having(page, { 'cache-control': 'max-age=3600' }), ''],
    ['shared-age', having(plain, { 'cache-control': 'max-age=300, s-maxage=60' }), ''],
    ['validator', having(plain, { etag: undefined }), ''],
    ['compression', having(plain, { 'content-encoding': undefined }), ''],
    ['vary', having(plain, { vary: undefined }), 'Vary: Accept-Encoding'],
    ['vary', { ...having(image, {}), isNegotiated: true }, 'Vary: Accept'],
    ['content-type', having(plain, { 'content-type': 'text/html' }), 'Content-Type: text/javascript'],
    ['nosniff', having(plain, { 'x-content-type-options': undefined }), 'X-Content-Type-Options: nosniff'],
    ['not-cached', { ...plain, cache: 'miss', cacheAgain: 'miss' }, ''],
    ['missing-cached', having(missing, { 'cache-control': 'max-age=3600' }), ''],
    ['missing-cached', { ...missing, status: 200 }, ''],
  ])('%s', (rule, facts, remedy) => {
    const findings = judge(facts);
    expect(findings.map(finding => finding.rule)).toEqual([rule]);
    expect(findings[0]!.remedy).toContain(remedy);
    expect(judge(facts, [rule])).toEqual([]);
  });
});
