import { batches, cannot, counted, isTag } from '../purge/refuse.ts';
import type { PlannedCall, PurgePlan, PurgeRequest } from '../purge/request.ts';

export type CloudflareCall = {
  /** `invalidate_cache` marks as stale; `purge_cache` removes. */
  endpoint: 'purge_cache' | 'invalidate_cache';
} & (
  | { files: string[] }
  | { tags: string[] }
  | { hosts: string[] }
  | { prefixes: string[] }
  | { purge_everything: true }
);

export type CloudflarePlanName = 'free' | 'pro' | 'business' | 'enterprise';

// https://developers.cloudflare.com/cache/how-to/purge-cache/#availability-and-limits (2026-07-29)
const itemsPerRequest = 100;
const urlsPerRequest: Record<CloudflarePlanName, number> = { free: 100, pro: 100, business: 100, enterprise: 500 };
/** A token bucket per account: so many requests at once, and so many more a second. URLs have a larger bucket of their own. */
const requestRate: Record<CloudflarePlanName, { bucket: number; perSecond: number }> = {
  free: { bucket: 25, perSecond: 5 / 60 },
  pro: { bucket: 25, perSecond: 5 },
  business: { bucket: 50, perSecond: 10 },
  enterprise: { bucket: 500, perSecond: 50 },
};
// https://developers.cloudflare.com/cache/how-to/purge-cache/purge_by_prefix/
const mostPathSeparators = 31;
// https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
const mostTagLength = 1024;

/** @throws OpsError `CDN_CANNOT` */
export function planCloudflare(request: PurgeRequest, plan: CloudflarePlanName): PurgePlan<CloudflareCall> {
  const endpoint = request.isSoft ? 'invalidate_cache' : 'purge_cache';
  const verb = request.isSoft ? 'invalidate' : 'purge';
  if (request.isEverything) {
    const notes = ['Everything in the zone is taken, of every host: the origin answers every first request again.'];
    return {
      calls: [{ summary: `${verb} everything`, items: ['*'], body: { endpoint, purge_everything: true } }],
      notes,
    };
  }
  for (const tag of request.tags) checkTag(tag);
  const prefixes = request.prefixes.map(prefixOf);
  const calls: PlannedCall<CloudflareCall>[] = [
    ...batches(request.urls, urlsPerRequest[plan]).map(files => ({
      summary: `${verb} ${counted(files.length, 'URL')}`,
      items: files,
      body: { endpoint, files } as const,
    })),
    ...batches(prefixes, itemsPerRequest).map(group => ({
      summary: `${verb} ${counted(group.length, 'prefix', 'prefixes')}`,
      items: group,
      body: { endpoint, prefixes: group } as const,
    })),
    ...batches(request.hosts, itemsPerRequest).map(hosts => ({
      summary: `${verb} ${counted(hosts.length, 'host')}`,
      items: hosts,
      body: { endpoint, hosts } as const,
    })),
    ...batches(request.tags, itemsPerRequest).map(tags => ({
      summary: `${verb} ${counted(tags.length, 'tag')}`,
      items: tags,
      body: { endpoint, tags } as const,
    })),
  ];
  return { calls, notes: notesOf(calls, plan) };
}

function notesOf(calls: readonly PlannedCall<CloudflareCall>[], plan: CloudflarePlanName): string[] {
  const { bucket, perSecond } = requestRate[plan];
  const limited = calls.filter(({ body }) => !('files' in body)).length;
  if (limited <= bucket) return [];
  const seconds = Math.ceil((limited - bucket) / perSecond);
  return [
    `${limited} calls by prefix, host or tag on the ${plan} plan take about ${seconds} s: its limit is waited for.`,
  ];
}

/** `www.example.com/blog`: host and path. One that ends inside a name matches nothing, and is answered with success. */
function prefixOf(url: string): string {
  const { host, pathname, search } = new URL(url);
  if (search) {
    throw cannot(
      `Cloudflare takes no query in a prefix: ${url}`,
      'Leave the query out: every query below the path is taken along.',
    );
  }
  if (!pathname.endsWith('/')) {
    throw cannot(
      `Cloudflare purges prefixes by whole folders, and ${pathname}* ends inside a name`,
      `Purge the folder (${pathname.slice(0, pathname.lastIndexOf('/') + 1)}*), or list the URLs.`,
    );
  }
  const prefix = `${host}${pathname}`.replace(/\/$/, '');
  if (prefix.split('/').length - 1 > mostPathSeparators) {
    throw cannot(
      `The prefix ${prefix.slice(0, 60)}… has more than ${mostPathSeparators} folders, and Cloudflare takes no more`,
      'Purge a folder further up.',
    );
  }
  return prefix;
}

function checkTag(tag: string): void {
  if (isTag(tag, mostTagLength)) return;
  throw cannot(
    `'${tag.slice(0, 40)}' cannot be a cache tag`,
    `Cloudflare's tags are up to ${mostTagLength} printable ASCII characters without spaces and commas.`,
  );
}
