/** What a cache did to answer, as far as its headers say. */
export type CacheState =
  /** From the cache, without asking. */
  | 'hit'
  /** Fetched from the origin. */
  | 'miss'
  /** The origin was asked, and what is kept is still right, or was replaced. */
  | 'revalidated'
  /** From the cache although too old. */
  | 'stale'
  /** Never kept. */
  | 'bypass'
  | 'unknown';

type Headers = Readonly<Record<string, string | undefined>>;

/**
 * Each CDN has a header of its own; the one that names the state beats what follows from `Age`.
 * Cloudflare `cf-cache-status`, nginx `x-cache-status`, CloudFront, Azure, Fastly and most Varnish set-ups `x-cache`, RFC 9211
 * `cache-status`, Varnish `x-varnish` (two ids: the request and the one that filled the cache).
 */
export function cacheState(headers: Headers): CacheState {
  const named = headers['cf-cache-status'] ?? headers['x-cache-status'] ?? headers['x-cache'];
  if (named !== undefined) return stateOf(named);
  const standard = headers['cache-status'];
  if (standard !== undefined) return standardState(standard);
  if (/^\d+ \d+$/.test(headers['x-varnish'] ?? '')) return 'hit';
  if (/^\d+$/.test(headers['x-varnish'] ?? '')) return 'miss';
  return Number(headers.age) > 0 ? 'hit' : 'unknown';
}

function stateOf(text: string): CacheState {
  const word = text.toLowerCase();
  if (/refresh_?hit|revalidat|expired|updating/.test(word)) return /updating/.test(word) ? 'stale' : 'revalidated';
  if (/stale/.test(word)) return 'stale';
  if (/dynamic|bypass|nocache|nostore|pass\b|uncacheable/.test(word)) return 'bypass';
  // The nearest cache is named last: `MISS, HIT`.
  const last = word.split(',').at(-1) ?? word;
  if (/hit/.test(last)) return 'hit';
  return /miss|error/.test(last) ? 'miss' : 'unknown';
}

function standardState(text: string): CacheState {
  const last = text.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/).at(-1) ?? text;
  if (/;\s*hit\b/i.test(last)) return 'hit';
  if (/fwd=stale/i.test(last)) return 'revalidated';
  if (/fwd=(bypass|request|method)/i.test(last)) return 'bypass';
  return /fwd=(miss|uri-miss|vary-miss)/i.test(last) ? 'miss' : 'unknown';
}

/** Seconds that the answer has been kept; null when nothing says so. */
export function ageOf(headers: Headers): number | null {
  const age = Number.parseInt(headers.age ?? '', 10);
  return Number.isFinite(age) && age >= 0 ? age : null;
}
