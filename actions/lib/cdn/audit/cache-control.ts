/** The directives of a `Cache-Control` that the audit judges by (RFC 9111, 5.2; RFC 8246; RFC 5861). */
export interface CachePolicy {
  isStated: boolean;
  isNoStore: boolean;
  isNoCache: boolean;
  isPrivate: boolean;
  isImmutable: boolean;
  maxAgeSeconds: number | undefined;
  /** What shared caches go by; that of `CDN-Cache-Control` where there is one (RFC 9213). */
  sharedAgeSeconds: number | undefined;
}

export function cachePolicy(headers: Readonly<Record<string, string | undefined>>): CachePolicy {
  const directives = parse(headers['cache-control']);
  const targeted = parse(headers['cloudflare-cdn-cache-control'] ?? headers['cdn-cache-control']);
  const maxAge = seconds(directives.get('max-age'));
  return {
    isStated: headers['cache-control'] !== undefined || headers.expires !== undefined,
    isNoStore: directives.has('no-store'),
    isNoCache: directives.has('no-cache'),
    isPrivate: directives.has('private'),
    isImmutable: directives.has('immutable'),
    maxAgeSeconds: maxAge,
    sharedAgeSeconds: seconds(targeted.get('max-age')) ?? seconds(directives.get('s-maxage')) ?? maxAge,
  };
}

function parse(text: string | undefined): Map<string, string> {
  return new Map(
    (text ?? '')
      .split(',')
      .map(part => part.trim().toLowerCase())
      .filter(part => part !== '')
      .map(part => [part.split('=')[0]!.trim(), (part.split('=')[1] ?? '').trim().replace(/^"|"$/g, '')]),
  );
}

function seconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
