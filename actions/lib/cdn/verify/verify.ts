import { setTimeout as wait } from 'node:timers/promises';
import type { CdnConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { Progress } from '../../log/index.ts';
import type { SiteManifest } from '../manifest.ts';
import { together } from '../together.ts';
import { type Freshness, judgeFreshness, type Seen } from './judge.ts';
import { look } from './look.ts';
import { expectedOf } from './origin.ts';

export interface VerifyOptions {
  zones: CdnConfig['zones'];
  manifest: SiteManifest | undefined;
  /** `performance.now()` when the first call was taken. */
  purgedAtMs: number;
  /** How long the CDN takes to reach everywhere. */
  propagationSeconds: number;
  progress: Progress;
  signal: AbortSignal;
}

export interface VerifiedUrl {
  url: string;
  freshness: Freshness | 'unreachable';
  reason: string;
  seconds: number;
}

const atOnce = 4;
const firstPollMs = 250;
const longestPollMs = 5_000;

/** Each URL is looked at until it is fresh, or until the CDN has had its time. */
export async function verifyUrls(urls: readonly string[], options: VerifyOptions): Promise<VerifiedUrl[]> {
  const task = options.progress.start('verifying', urls.length);
  const verified: VerifiedUrl[] = [];
  await together(urls, atOnce, async (url, index) => {
    verified[index] = await verifyUrl(url, options);
    task.advance(1);
  });
  task.done();
  return verified;
}

async function verifyUrl(url: string, options: VerifyOptions): Promise<VerifiedUrl> {
  const { purgedAtMs, propagationSeconds, signal } = options;
  const sinceSeconds = () => (performance.now() - purgedAtMs) / 1000;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 2, longestPollMs)) {
    const outcome = await lookAndJudge(url, options, sinceSeconds);
    const seconds = sinceSeconds();
    if (outcome.freshness === 'fresh' || outcome.freshness === 'unverified' || seconds > propagationSeconds)
      return { url, ...outcome, seconds };
    await wait(pollMs, undefined, { signal });
  }
}

async function lookAndJudge(
  url: string,
  { zones, manifest, signal }: VerifyOptions,
  sinceSeconds: () => number,
): Promise<Pick<VerifiedUrl, 'freshness' | 'reason'>> {
  try {
    const expected = await expectedOf(url, { zones, manifest, signal });
    const seen: Seen = await look(url, signal);
    return judgeFreshness(seen, expected, sinceSeconds());
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof OpsError)) throw thrown;
    return { freshness: 'unreachable', reason: thrown.message };
  }
}
