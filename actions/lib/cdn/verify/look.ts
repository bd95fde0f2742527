import { browserHeaders, exchange, sha256 } from '../http.ts';
import { ageOf, cacheState } from './cache-state.ts';
import type { Seen } from './judge.ts';

/** One look as a browser has it. No query is added to get round a cache: that would be another object. */
export async function look(url: string, signal: AbortSignal): Promise<Seen> {
  const answer = await exchange({ method: 'GET', url: new URL(url), headers: browserHeaders, signal });
  return {
    status: answer.status,
    cache: cacheState(answer.headers),
    ageSeconds: ageOf(answer.headers),
    sha256: sha256(answer.body),
  };
}
