import { batches, cannot, counted, isTag } from '../purge/refuse.ts';
import type { PlannedCall, PurgePlan, PurgeRequest } from '../purge/request.ts';

/** One request to each cache server. */
export interface HttpCall {
  method: 'PURGE' | 'BAN';
  /** With its query. */
  path: string;
  host: string;
  headers: Readonly<Record<string, string>>;
}

export interface HttpRules {
  /** Which of the two the servers are: they are asked in different ways. */
  flavour: 'varnish' | 'nginx';
  /** Varnish with the vmod xkey. */
  hasTags: boolean;
}

// Header names that our VCL (purge.vcl, in this folder) reads.
const headerOf = {
  pattern: 'x-ban-url',
  scope: 'x-ban-scope',
  soft: 'x-purge-soft',
  tags: 'xkey-purge',
  softTags: 'xkey-softpurge',
};
const tagsPerCall = 50;

/**
 * PURGE for one URL; for more than one Varnish is asked to BAN, and nginx to PURGE a path that ends with `*`
 * (ngx_cache_purge, partial keys).
 * @throws OpsError `CDN_CANNOT`
 */
export function planHttp(request: PurgeRequest, rules: HttpRules): PurgePlan<HttpCall> {
  return rules.flavour === 'varnish' ? planVarnish(request, rules) : planNginx(request);
}

function planVarnish(request: PurgeRequest, { hasTags }: HttpRules): PurgePlan<HttpCall> {
  if (request.isSoft && (request.prefixes.length > 0 || request.hosts.length > 0 || request.isEverything)) {
    throw cannot(
      'Varnish cannot mark a prefix, a host or everything as stale: a ban removes',
      'Leave --soft out, or name URLs or tags.',
    );
  }
  if (request.tags.length > 0 && !hasTags) {
    throw cannot(
      'These Varnish servers are not said to have tags',
      'Install the vmod xkey, send the header xkey from the origin, and set cdn.provider.tags: true in .github/ops.yml.',
    );
  }
  if (request.isEverything) {
    return {
      calls: [ban('*', 'all', '.*', 'ban everything')],
      notes: ['Everything that the servers keep is taken, of every host.'],
    };
  }
  const soft = request.isSoft ? { [headerOf.soft]: '1' } : {};
  const calls: PlannedCall<HttpCall>[] = [
    ...request.urls.map(url => purge(url, soft)),
    ...request.prefixes.map(prefix => {
      const { host, pathname, search } = new URL(prefix);
      return ban(host, 'host', `^${escapeRegex(pathname + search)}`, `ban ${prefix}*`);
    }),
    ...request.hosts.map(host => ban(host, 'host', '.*', `ban ${host}`)),
    ...batches(request.tags, tagsPerCall).map(tags => ({
      summary: `${request.isSoft ? 'invalidate' : 'purge'} ${counted(tags.length, 'tag')}`,
      items: tags.map(checkTag),
      body: {
        method: 'PURGE' as const,
        path: '/',
        host: 'tags',
        headers: { [request.isSoft ? headerOf.softTags : headerOf.tags]: tags.join(' ') },
      },
    })),
  ];
  return { calls, notes: [] };
}

function planNginx(request: PurgeRequest): PurgePlan<HttpCall> {
  if (request.isSoft) throw cannot('nginx cannot mark as stale: it only removes', 'Leave --soft out.');
  if (request.tags.length > 0) throw cannot('nginx has no cache tags', 'Name paths or folders instead of tags.');
  if (request.isEverything) {
    throw cannot('nginx purges one host at a time', 'Name the hosts with --host instead of --everything.');
  }
  const all = [
    ...request.urls,
    ...request.prefixes.map(p => `${p}*`),
    ...request.hosts.map(host => `https://${host}/*`),
  ];
  return { calls: all.map(url => purge(url, {})), notes: [] };
}

function purge(url: string, headers: Readonly<Record<string, string>>): PlannedCall<HttpCall> {
  const { host, pathname, search } = new URL(url);
  return {
    summary: `${'x-purge-soft' in headers ? 'invalidate' : 'purge'} ${url}`,
    items: [url],
    body: { method: 'PURGE', path: pathname + search, host, headers },
  };
}

function ban(host: string, scope: 'host' | 'all', pattern: string, summary: string): PlannedCall<HttpCall> {
  return {
    summary,
    items: [host],
    body: { method: 'BAN', path: '/', host, headers: { [headerOf.pattern]: pattern, [headerOf.scope]: scope } },
  };
}

/** Inside the quotes of a ban expression: a quote or a space would end it. */
function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replace(/["\s]/g, '.');
}

function checkTag(tag: string): string {
  if (isTag(tag, 1024)) return tag;
  throw cannot(
    `'${tag.slice(0, 40)}' cannot be a tag`,
    'The tags of xkey are printable ASCII characters without spaces and commas.',
  );
}
