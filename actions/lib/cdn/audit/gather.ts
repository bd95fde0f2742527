import { randomBytes } from 'node:crypto';
import type { CdnConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Progress } from '../../log/index.ts';
import { browserHeaders, exchange, type HttpAnswer, sha256 } from '../http.ts';
import { together } from '../together.ts';
import { ageOf, cacheState } from '../verify/cache-state.ts';
import { originUrl } from '../verify/origin.ts';
import { pageReferences, styleReferences } from './references.ts';
import type { Facts } from './rules.ts';

export interface GatherOptions {
  zones: CdnConfig['zones'];
  /** Absolute. */
  pages: readonly string[];
  /** Absolute: assets that no page names. */
  assets: readonly string[];
  mostAssets: number;
  progress: Progress;
  signal: AbortSignal;
}

export interface Gathered {
  facts: Facts[];
  unreachable: { url: string; reason: string }[];
  /** Assets that are served by somebody else: named, and not judged. */
  foreign: string[];
  /** Not looked at, since there were more than `mostAssets`. */
  leftOut: number;
}

const atOnce = 6;

/** Looks at pages, at what they and their style sheets load, and at one path per host that does not exist. */
export async function gather(options: GatherOptions): Promise<Gathered> {
  const gathered: Gathered = { facts: [], unreachable: [], foreign: [], leftOut: 0 };
  const hosts = new Set([
    ...Object.values(options.zones).map(zone => new URL(zone.url).host),
    ...options.pages.map(url => new URL(url).host),
  ]);
  const assets = new Set<string>();
  const add = (urls: readonly string[]) => {
    for (const url of urls) {
      if (hosts.has(new URL(url).host)) assets.add(url);
      else if (!gathered.foreign.includes(url)) gathered.foreign.push(url);
    }
  };
  const pageBodies = await each(options.pages, 'page', gathered, options);
  for (const { url, body } of pageBodies) add(pageReferences(body.toString('utf8'), url));
  add(options.assets);

  const wanted = [...assets].slice(0, options.mostAssets);
  const sheets = await each(wanted, 'asset', gathered, options);
  const ofPages = new Set(wanted);
  for (const { url, body } of sheets.filter(({ url: sheet }) => /\.css$/i.test(new URL(sheet).pathname)))
    add(styleReferences(body.toString('utf8'), url));
  const further = [...assets].filter(url => !ofPages.has(url));
  const room = Math.max(0, options.mostAssets - wanted.length);
  await each(further.slice(0, room), 'asset', gathered, options);
  gathered.leftOut = assets.size - Math.min(assets.size, options.mostAssets);

  const missing = [...new Set([...assets, ...options.pages].map(url => new URL(url).origin))].map(
    origin => `${origin}/production-ops-${randomBytes(6).toString('hex')}.js`,
  );
  await each(missing, 'missing', gathered, options);
  return gathered;
}

async function each(
  urls: readonly string[],
  kind: Facts['kind'],
  gathered: Gathered,
  options: GatherOptions,
): Promise<{ url: string; body: Buffer }[]> {
  const bodies: { url: string; body: Buffer }[] = [];
  const task = options.progress.start(
    `looking at ${kind === 'page' ? 'pages' : kind === 'asset' ? 'assets' : 'missing files'}`,
    urls.length,
  );
  await together(urls, atOnce, async url => {
    try {
      const { facts, body } = await factsOf(url, kind, options);
      gathered.facts.push(facts);
      bodies.push({ url, body });
    } catch (thrown) {
      options.signal.throwIfAborted();
      if (!(thrown instanceof OpsError)) throw thrown;
      gathered.unreachable.push({ url, reason: thrown.message });
    }
    task.advance(1);
  });
  task.done();
  return bodies;
}

async function factsOf(
  url: string,
  kind: Facts['kind'],
  { zones, signal }: GatherOptions,
): Promise<{ facts: Facts; body: Buffer }> {
  const get = (target: URL, accept = browserHeaders.accept!) =>
    exchange({ method: 'GET', url: target, headers: { ...browserHeaders, accept }, signal });
  const answer = await get(new URL(url));
  // The first look may be what filled the cache.
  const again = kind === 'missing' ? answer : await get(new URL(url));
  const isImage = (answer.headers['content-type'] ?? '').startsWith('image/');
  const modern =
    isImage && kind === 'asset' ? await get(new URL(url), 'image/avif,image/webp,image/*,*/*;q=0.8') : answer;
  const origin = kind === 'missing' ? undefined : originUrl(url, zones);
  return {
    facts: {
      url,
      kind,
      status: answer.status,
      headers: answer.headers,
      hasCookie: answer.setCookies.length > 0,
      bodyBytes: answer.body.length,
      cache: cacheState(answer.headers),
      cacheAgain: cacheState(again.headers),
      ageSeconds: ageOf(answer.headers),
      isNegotiated: modern.headers['content-type'] !== answer.headers['content-type'],
      isAsOrigin: origin === undefined ? undefined : isSame(again, await get(origin)),
    },
    body: answer.body,
  };
}

/** Undefined for another type: a transformer made it, and there is nothing to compare. */
function isSame(cdn: HttpAnswer, origin: HttpAnswer): boolean | undefined {
  if (cdn.status === 200 && cdn.headers['content-type'] !== origin.headers['content-type']) return undefined;
  return cdn.status === origin.status && sha256(cdn.body) === sha256(origin.body);
}
