import type { CdnConfig } from '../../config/index.ts';
import { nearest } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { cannot } from './refuse.ts';
import type { PurgeRequest } from './request.ts';

/** What a person asks for. */
export interface PurgeAsk {
  /** Paths of the site or whole URLs; one that ends with `*` is a prefix. */
  paths: readonly string[];
  hosts: readonly string[];
  tags: readonly string[];
  isEverything: boolean;
  isSoft: boolean;
  /** Whose paths they are; none: those of every zone. */
  zone?: string | undefined;
}

/**
 * The request as absolute URLs, without duplicates.
 * @throws OpsError `CDN_CANNOT` when nothing, or everything and something, is asked for; `CDN_NO_ZONE` (exit 2)
 */
export function purgeRequest(ask: PurgeAsk, { zones }: Pick<CdnConfig, 'zones'>): PurgeRequest {
  const isSomething = ask.paths.length + ask.hosts.length + ask.tags.length > 0;
  if (ask.isEverything && isSomething) {
    throw cannot('Everything and something were asked for at once', 'Leave --everything out, or the rest.');
  }
  if (!ask.isEverything && !isSomething) {
    throw cannot('Nothing was named to purge', 'Name paths, --host, --tag, --changed-since or --everything.');
  }
  const bases = basesOf(ask.zone, zones);
  const urls = new Set<string>();
  const prefixes = new Set<string>();
  for (const path of ask.paths) {
    const isPrefix = path.endsWith('*');
    const plain = isPrefix ? path.slice(0, -1) : path;
    if (plain.includes('*'))
      throw cannot(`A * can only be the end of a path: ${path}`, 'Name the folder before it, or list the paths.');
    for (const url of urlsOf(plain, bases)) (isPrefix ? prefixes : urls).add(url);
  }
  const covered = (url: string) => [...prefixes].some(prefix => url.startsWith(prefix));
  return {
    urls: [...urls].filter(url => !covered(url)),
    urlsBelowPrefixes: [...urls].filter(covered),
    prefixes: [...prefixes],
    hosts: [...new Set(ask.hosts)].map(checkHost),
    tags: [...new Set(ask.tags)],
    isEverything: ask.isEverything,
    isSoft: ask.isSoft,
  };
}

function basesOf(name: string | undefined, zones: CdnConfig['zones']): string[] {
  if (name === undefined) return Object.values(zones).map(zone => zone.url);
  const zone = zones[name];
  if (zone) return [zone.url];
  const near = nearest(name, Object.keys(zones));
  throw new OpsError('CDN_NO_ZONE', `There is no CDN zone '${name}'`, {
    hint: near
      ? `Did you mean '${near}'?`
      : `Zones: ${Object.keys(zones).join(', ') || 'none; set CDN_URL, or cdn.zones in .github/ops.yml'}.`,
    exit: 'usage',
  });
}

function urlsOf(path: string, bases: readonly string[]): string[] {
  if (/^https?:\/\//i.test(path)) {
    if (URL.canParse(path)) return [normal(new URL(path))];
    throw cannot(`'${path}' is not a URL`, 'Write it as https://host/path.');
  }
  if (!path.startsWith('/'))
    throw cannot(`'${path}' is not a path of the site`, `Paths begin with /: did you mean '/${path}'?`);
  if (bases.length === 0) {
    throw new OpsError('CDN_NO_ZONE', `'${path}' is a path, and no CDN zone says on which host`, {
      hint: 'Set CDN_URL, or cdn.zones in .github/ops.yml, or name whole URLs.',
      exit: 'usage',
    });
  }
  return bases.map(base => normal(new URL(base.replace(/\/+$/, '') + path.replace(/^\/+/, '/'))));
}

/** Caches do not know fragments. */
function normal(url: URL): string {
  url.hash = '';
  return url.href;
}

function checkHost(host: string): string {
  if (/^[a-z0-9.-]+(?::\d+)?$/i.test(host)) return host.toLowerCase();
  throw cannot(`'${host}' is not a host`, 'Write the name alone, e.g. www.example.org.');
}
