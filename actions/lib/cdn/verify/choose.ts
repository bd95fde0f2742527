import type { CdnConfig } from '../../config/index.ts';
import type { PurgeRequest } from '../purge/request.ts';

export interface ChosenUrls {
  /** Absolute; at most `verifyMost`, spread over all that could be looked at. */
  urls: string[];
  /** What was asked for and has no URL to look at: `https://example.org/blog/*`, `host example.org`, `tags`, `everything`. */
  unseen: string[];
}

/**
 * What is fetched to see a purge work: the URLs of the request, those below its prefixes among them, and of
 * `cdn.purge.verifyPaths` what the request takes. No list tells what has a tag: with tags all of those paths are looked at.
 */
export function urlsToVerify(request: PurgeRequest, { zones, purge }: Pick<CdnConfig, 'zones' | 'purge'>): ChosenUrls {
  const configured = Object.values(zones).flatMap(zone =>
    purge.verifyPaths.map(path => new URL(zone.url.replace(/\/+$/, '') + path).href),
  );
  const candidates = [...request.urls, ...request.urlsBelowPrefixes, ...configured];
  const parts: { name: string; takes(url: string): boolean }[] = [
    ...request.prefixes.map(prefix => ({ name: `${prefix}*`, takes: (url: string) => url.startsWith(prefix) })),
    ...request.hosts.map(host => ({ name: `host ${host}`, takes: (url: string) => new URL(url).host === host })),
    ...(request.tags.length > 0 ? [{ name: 'tags', takes: () => true }] : []),
    ...(request.isEverything ? [{ name: 'everything', takes: () => true }] : []),
  ];
  const named = new Set(request.urls);
  const urls = [...new Set(candidates)].filter(url => named.has(url) || parts.some(part => part.takes(url)));
  return {
    urls: spread(urls, purge.verifyMost),
    // An URL that was named for itself says nothing of a tag.
    unseen: parts
      .filter(({ name, takes }) => !urls.some(url => takes(url) && (name !== 'tags' || configured.includes(url))))
      .map(({ name }) => name),
  };
}

function spread(urls: readonly string[], most: number): string[] {
  const every = Math.max(1, urls.length / most);
  return Array.from({ length: Math.min(urls.length, most) }, (_, index) => urls[Math.floor(index * every)]!);
}
