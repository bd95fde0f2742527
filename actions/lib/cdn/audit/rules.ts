import type { Status } from '../../reports/index.ts';
import type { CacheState } from '../verify/cache-state.ts';
import { cachePolicy } from './cache-control.ts';
import { isHashedName } from './hashed-name.ts';

/** What was seen of one URL, all of it: the rules ask nothing further. */
export interface Facts {
  url: string;
  /** `missing`: a path that is made up, to see how errors are kept. */
  kind: 'page' | 'asset' | 'missing';
  status: number;
  headers: Readonly<Record<string, string>>;
  hasCookie: boolean;
  /** Without content encoding. */
  bodyBytes: number;
  cache: CacheState;
  /** Of a second look. */
  cacheAgain: CacheState;
  ageSeconds: number | null;
  /** The image came in another type for a browser that takes AVIF and WebP. */
  isNegotiated: boolean;
  /** Undefined: no origin is known. */
  isAsOrigin: boolean | undefined;
}

export interface Finding {
  rule: RuleName;
  url: string;
  /** What is wrong. */
  message: string;
  /** The header to set, whole; what to do where no header mends it. */
  remedy: string;
}

interface Rule {
  status: Exclude<Status, 'ok'>;
  /** What it means when it is broken, in a few words. */
  title: string;
  judge(facts: Facts): Omit<Finding, 'rule' | 'url'> | undefined;
}

const dayS = 86_400;
const yearS = 31_536_000;
const immutable = 'Cache-Control: public, max-age=31536000, immutable';
const mutable = 'Cache-Control: public, max-age=300, stale-while-revalidate=86400';
const page = 'Cache-Control: no-cache';

const found = (message: string, remedy: string) => ({ message, remedy });
const isServed = ({ kind, status }: Facts) => kind !== 'missing' && status >= 200 && status < 300;
const isAsset = (facts: Facts) => facts.kind === 'asset' && isServed(facts);
const pathOf = ({ url }: Facts) => new URL(url).pathname;

/** Each says what to set. Sources: RFC 9110, 9111, 8246; web.dev/http-cache; the CDNs' own documents on what they keep. */
export const rules = {
  status: {
    status: 'critical',
    title: 'an asset that a page names does not come',
    judge: facts =>
      facts.kind === 'asset' && (facts.status < 200 || facts.status >= 400)
        ? found(
            `answers HTTP ${facts.status}`,
            'Serve the file, or remove the reference; old hashed files stay for one lifetime of the HTML.',
          )
        : undefined,
  },
  stale: {
    status: 'critical',
    title: 'visitors get something else than the origin serves',
    judge: facts =>
      facts.kind !== 'missing' && facts.isAsOrigin === false
        ? found(
            `is not what the origin serves (${facts.cache}${facts.ageSeconds === null ? '' : `, age ${facts.ageSeconds} s`})`,
            `Purge it: ops cdn purge ${pathOf(facts)}`,
          )
        : undefined,
  },
  'no-store-cached': {
    status: 'critical',
    title: 'what must not be kept is kept',
    judge(facts) {
      const { isNoStore, isPrivate } = cachePolicy(facts.headers);
      return (isNoStore || isPrivate) && (facts.cache === 'hit' || facts.cacheAgain === 'hit')
        ? found(
            'says no-store or private, and comes from a shared cache',
            'Let the CDN obey the origin; in CloudFront a MinTTL above 0 overrides it.',
          )
        : undefined;
    },
  },
  cookie: {
    status: 'critical',
    title: 'an asset sets a cookie',
    judge: facts =>
      isAsset(facts) && facts.hasCookie
        ? found('sets a cookie: it is not kept, or is handed to everybody', 'Remove Set-Cookie from static files.')
        : undefined,
  },
  'no-policy': {
    status: 'warning',
    title: 'nothing says how long it may be kept',
    judge(facts) {
      if (!isServed(facts) || cachePolicy(facts.headers).isStated) return undefined;
      const remedy = facts.kind === 'page' ? page : isHashedName(pathOf(facts)) ? immutable : mutable;
      return found('has no Cache-Control: browsers and CDN guess', remedy);
    },
  },
  immutable: {
    status: 'warning',
    title: 'a hashed name is not kept for good',
    judge(facts) {
      const { isStated, isImmutable, maxAgeSeconds } = cachePolicy(facts.headers);
      if (!isAsset(facts) || !isStated || !isHashedName(pathOf(facts))) return undefined;
      return isImmutable && (maxAgeSeconds ?? 0) >= yearS
        ? undefined
        : found('has its content in its name, and is asked for again', immutable);
    },
  },
  'immutable-name': {
    status: 'critical',
    title: 'a name that may change its content is kept for good',
    judge(facts) {
      const { isImmutable, maxAgeSeconds } = cachePolicy(facts.headers);
      if (!isServed(facts) || (facts.kind === 'asset' && isHashedName(pathOf(facts)))) return undefined;
      if (!isImmutable && (maxAgeSeconds ?? 0) < 30 * dayS) return undefined;
      return found(
        `is kept ${isImmutable ? 'for good' : `for ${Math.round(maxAgeSeconds! / dayS)} days`} by browsers, where no purge reaches, and its name does not change with its content`,
        facts.kind === 'page' ? page : `${mutable}, or put a hash into the name`,
      );
    },
  },
  page: {
    status: 'warning',
    title: 'a page is kept by browsers',
    judge(facts) {
      const { isImmutable, maxAgeSeconds } = cachePolicy(facts.headers);
      return facts.kind === 'page' &&
        isServed(facts) &&
        !isImmutable &&
        (maxAgeSeconds ?? 0) > 600 &&
        maxAgeSeconds! < 30 * dayS
        ? found(
            `is kept by browsers for ${maxAgeSeconds} s: a deploy is seen that much later`,
            `${page}, or Cache-Control: max-age=0, s-maxage=60, stale-while-revalidate=600`,
          )
        : undefined;
    },
  },
  'shared-age': {
    status: 'warning',
    title: 'browsers keep it longer than the CDN',
    judge(facts) {
      const { maxAgeSeconds, sharedAgeSeconds, isImmutable } = cachePolicy(facts.headers);
      if (!isServed(facts) || isImmutable || maxAgeSeconds === undefined || sharedAgeSeconds === undefined)
        return undefined;
      return maxAgeSeconds > sharedAgeSeconds && !isHashedName(pathOf(facts))
        ? found(
            `max-age ${maxAgeSeconds} is above s-maxage ${sharedAgeSeconds}: browsers keep what the CDN has let go`,
            `Cache-Control: public, max-age=${sharedAgeSeconds}, s-maxage=${maxAgeSeconds}`,
          )
        : undefined;
    },
  },
  validator: {
    status: 'warning',
    title: 'nothing to ask with whether it changed',
    judge(facts) {
      const { isImmutable, isNoStore } = cachePolicy(facts.headers);
      return isServed(facts) && !isImmutable && !isNoStore && !facts.headers.etag && !facts.headers['last-modified']
        ? found(
            'has neither ETag nor Last-Modified: it is sent whole each time it is asked about',
            'ETag: "<hash of the content>"',
          )
        : undefined;
    },
  },
  compression: {
    status: 'warning',
    title: 'text is sent uncompressed',
    judge: facts =>
      isServed(facts) &&
      isCompressible(facts.headers['content-type']) &&
      facts.bodyBytes >= 1024 &&
      !facts.headers['content-encoding']
        ? found(
            `${facts.bodyBytes} bytes of text come uncompressed to a browser that takes br and gzip`,
            'Content-Encoding: br (or gzip), with Vary: Accept-Encoding',
          )
        : undefined,
  },
  vary: {
    status: 'critical',
    title: 'caches may hand one visitor what is for another',
    judge(facts) {
      if (!isServed(facts)) return undefined;
      const vary = (facts.headers.vary ?? '')
        .toLowerCase()
        .split(',')
        .map(name => name.trim());
      if (vary.includes('*')) return found('Vary: * keeps it out of every cache', 'Vary: Accept-Encoding');
      if (facts.isNegotiated && !vary.includes('accept'))
        return found('comes in another format by Accept, and does not say so', 'Vary: Accept');
      return facts.headers['content-encoding'] && !vary.includes('accept-encoding')
        ? found(
            `comes as ${facts.headers['content-encoding']}, and does not say that others get it otherwise`,
            'Vary: Accept-Encoding',
          )
        : undefined;
    },
  },
  'content-type': {
    status: 'critical',
    title: 'the type is not that of the name',
    judge(facts) {
      if (!isAsset(facts)) return undefined;
      const expected = typesOf[extension(pathOf(facts))];
      const given = (facts.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
      if (!expected || facts.isNegotiated || expected.includes(given)) return undefined;
      // A transformer behind the URL answers in another image format.
      if (given.startsWith('image/') && expected[0]!.startsWith('image/') && given !== 'image/svg+xml')
        return undefined;
      return found(given === '' ? 'has no Content-Type' : `comes as ${given}`, `Content-Type: ${expected[0]}`);
    },
  },
  nosniff: {
    status: 'warning',
    title: 'browsers may guess another type',
    judge: facts =>
      isAsset(facts) &&
      /\.(m?js|css)$/i.test(pathOf(facts)) &&
      facts.headers['x-content-type-options']?.toLowerCase() !== 'nosniff'
        ? found('may be read as something else than it says', 'X-Content-Type-Options: nosniff')
        : undefined,
  },
  'not-cached': {
    status: 'warning',
    title: 'the CDN does not keep what it may',
    judge(facts) {
      const { isNoStore, isNoCache, isPrivate, sharedAgeSeconds } = cachePolicy(facts.headers);
      if (!isAsset(facts) || isNoStore || isNoCache || isPrivate || !sharedAgeSeconds) return undefined;
      return facts.cacheAgain === 'miss' || facts.cacheAgain === 'bypass'
        ? found(
            `came from the origin (${facts.cacheAgain}) when it was asked for again`,
            'Let the CDN cache this path; look for a cookie, a query or a rule that keeps it out.',
          )
        : undefined;
    },
  },
  'missing-cached': {
    status: 'warning',
    title: 'errors are kept',
    judge(facts) {
      if (facts.kind !== 'missing') return undefined;
      if (facts.status < 400)
        return found(
          `a path that does not exist answers HTTP ${facts.status}`,
          'Answer 404 for assets that are not there.',
        );
      const { maxAgeSeconds, sharedAgeSeconds } = cachePolicy(facts.headers);
      const kept = Math.max(maxAgeSeconds ?? 0, sharedAgeSeconds ?? 0);
      return kept > 60
        ? found(
            `HTTP ${facts.status} is kept for ${kept} s: a file that comes a moment later stays missing`,
            'Cache-Control: no-store (for errors), or at most max-age=10',
          )
        : undefined;
    },
  },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleName = keyof typeof rules;
export const ruleNames = Object.keys(rules) as RuleName[];

/** @param ignore rules that are accepted as they are */
export function judge(facts: Facts, ignore: readonly string[] = []): Finding[] {
  return ruleNames.flatMap(rule => {
    if (ignore.includes(rule)) return [];
    const finding = (rules[rule] as Rule).judge(facts);
    return finding ? [{ rule, url: facts.url, ...finding }] : [];
  });
}

function isCompressible(type = ''): boolean {
  return /^(text\/|application\/(javascript|json|xml|manifest\+json|ld\+json|wasm|xhtml\+xml|rss\+xml|atom\+xml)|image\/svg\+xml)/i.test(
    type,
  );
}

function extension(pathname: string): string {
  return /\.([A-Za-z0-9]+)$/.exec(pathname)?.[1]?.toLowerCase() ?? '';
}

/** The first is the one to set. */
const typesOf: Readonly<Record<string, readonly string[]>> = {
  js: ['text/javascript', 'application/javascript'],
  mjs: ['text/javascript', 'application/javascript'],
  css: ['text/css'],
  json: ['application/json'],
  webmanifest: ['application/manifest+json', 'application/json'],
  svg: ['image/svg+xml'],
  png: ['image/png'],
  jpg: ['image/jpeg'],
  jpeg: ['image/jpeg'],
  gif: ['image/gif'],
  webp: ['image/webp'],
  avif: ['image/avif'],
  ico: ['image/x-icon', 'image/vnd.microsoft.icon'],
  woff: ['font/woff', 'application/font-woff'],
  woff2: ['font/woff2', 'application/font-woff2'],
  ttf: ['font/ttf', 'application/font-sfnt'],
  pdf: ['application/pdf'],
  mp4: ['video/mp4'],
  wasm: ['application/wasm'],
};
