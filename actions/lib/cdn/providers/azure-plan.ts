import { batches, cannot, counted } from '../purge/refuse.ts';
import type { PlannedCall, PurgePlan, PurgeRequest } from '../purge/request.ts';

export interface AzureCall {
  contentPaths: string[];
  /** Absent: every domain of the endpoint. */
  domains?: string[];
}

// https://learn.microsoft.com/azure/frontdoor/standard-premium/how-to-cache-purge and front-door-limits.md
const mostPathsPerCall = 100;

/** @throws OpsError `CDN_CANNOT` */
export function planAzure(request: PurgeRequest): PurgePlan<AzureCall> {
  if (request.isSoft) {
    throw cannot('Azure Front Door cannot mark as stale: it only removes', 'Leave --soft out.');
  }
  if (request.tags.length > 0) {
    throw cannot('Azure Front Door has no cache tags', 'Name paths or folders instead of tags.');
  }
  const wildHost = request.hosts.find(host => host.includes('*'));
  if (wildHost) {
    throw cannot(`Azure Front Door takes no wildcard in a domain: ${wildHost}`, 'Name each subdomain.');
  }
  if (request.isEverything) return { calls: [call(['/*'], undefined)], notes: propagation };

  // One call is about some domains: URLs are grouped by theirs.
  const byHost = new Map<string, Set<string>>();
  const add = (host: string, path: string) => {
    if (!byHost.has(host)) byHost.set(host, new Set());
    byHost.get(host)!.add(path);
  };
  for (const url of request.urls) add(new URL(url).hostname, exactPath(url));
  for (const prefix of request.prefixes) add(new URL(prefix).hostname, folderPath(prefix));
  for (const host of request.hosts) add(host, '/*');
  const calls = [...byHost].flatMap(([host, paths]) =>
    batches(withoutCovered([...paths]), mostPathsPerCall).map(group => call(group, host)),
  );
  const hasQuery = request.urls.some(url => new URL(url).search !== '');
  return {
    calls,
    notes: hasQuery
      ? [...propagation, 'Azure purges a path with all of its queries: those given are left out.']
      : propagation,
  };
}

const propagation = ['Azure Front Door takes about ten minutes to purge everywhere.'];

function call(contentPaths: string[], host: string | undefined): PlannedCall<AzureCall> {
  return {
    summary: `purge ${counted(contentPaths.length, 'path')}${host ? ` of ${host}` : ''}`,
    items: contentPaths,
    body: { contentPaths, ...(host && { domains: [host] }) },
  };
}

function exactPath(url: string): string {
  const { pathname } = new URL(url);
  if (!pathname.includes('*')) return pathname;
  throw cannot(
    `Azure Front Door takes * only for a whole folder: ${pathname}`,
    'Purge the folder (/folder/*), or list the paths.',
  );
}

function folderPath(prefix: string): string {
  const { pathname, search } = new URL(prefix);
  if (search) {
    throw cannot(
      `Azure Front Door takes no query in a folder: ${prefix}`,
      'Leave the query out: every query below the folder is taken along.',
    );
  }
  if (pathname.endsWith('/')) return `${pathname}*`;
  throw cannot(
    `Azure Front Door purges whole folders, and ${pathname}* ends inside a name`,
    `Purge the folder (${pathname.slice(0, pathname.lastIndexOf('/') + 1)}*), or list the paths.`,
  );
}

function withoutCovered(paths: readonly string[]): string[] {
  const folders = paths.filter(path => path.endsWith('*')).map(path => path.slice(0, -1).toLowerCase());
  // Paths are compared without regard to case there.
  return paths.filter(
    path => !folders.some(folder => path.toLowerCase().startsWith(folder) && path.toLowerCase() !== `${folder}*`),
  );
}
