import type { CacheState } from './cache-state.ts';

export interface Seen {
  status: number;
  cache: CacheState;
  ageSeconds: number | null;
  sha256: string;
}

/** What is right: what the origin answers, or what the build made. */
export interface Expected {
  status: number | null;
  sha256: string;
}

export const freshnessNames = ['fresh', 'kept', 'stale', 'unverified'] as const;
/**
 * `fresh`: what visitors get is right, and was fetched since the purge. `kept`: right, from a copy that the purge should have
 * taken. `stale`: not what it should be. `unverified`: nothing shows either.
 */
export type Freshness = (typeof freshnessNames)[number];

export interface Verdict {
  freshness: Freshness;
  /** On one line, for the report. */
  reason: string;
}

// Clocks of caches and ours differ, and Age is in whole seconds.
const ageSlackSeconds = 3;

/**
 * The body is the only proof; headers say which copy it came from.
 * @param secondsSincePurge since the CDN took the call
 */
export function judgeFreshness(seen: Seen, expected: Expected | undefined, secondsSincePurge: number): Verdict {
  const isSince =
    seen.cache === 'miss' ||
    seen.cache === 'revalidated' ||
    seen.cache === 'bypass' ||
    (seen.ageSeconds !== null && seen.ageSeconds <= secondsSincePurge + ageSlackSeconds);
  const copy = `${seen.cache}${seen.ageSeconds === null ? '' : `, age ${seen.ageSeconds} s`}`;
  if (expected) {
    if (expected.status !== null && seen.status !== expected.status)
      return { freshness: 'stale', reason: `answers HTTP ${seen.status}, the origin ${expected.status} (${copy})` };
    if (seen.sha256 !== expected.sha256)
      return {
        freshness: 'stale',
        reason: `serves ${seen.sha256.slice(0, 8)}, and ${expected.sha256.slice(0, 8)} is right (${copy})`,
      };
    if (isSince) return { freshness: 'fresh', reason: `right, and fetched since the purge (${copy})` };
    if (seen.cache === 'unknown' && seen.ageSeconds === null)
      return { freshness: 'fresh', reason: 'right; no header says which copy it is' };
    return { freshness: 'kept', reason: `right, from a copy that is older than the purge (${copy})` };
  }
  if (isSince)
    return { freshness: 'fresh', reason: `fetched since the purge (${copy}); the origin is not known to compare with` };
  if (seen.cache === 'hit' || seen.cache === 'stale')
    return { freshness: 'stale', reason: `from a copy that is older than the purge (${copy})` };
  return {
    freshness: 'unverified',
    reason: 'no header says which copy it is, and the origin is not known to compare with',
  };
}
