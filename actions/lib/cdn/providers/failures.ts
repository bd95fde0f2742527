import { CdnError } from '../cdn-error.ts';

export interface ProviderAnswer {
  /** `Cloudflare` */
  provider: string;
  status: number | undefined;
  /** What the provider said, on one line. */
  said: string;
  retryAfter?: string | undefined;
  /** Which permission, and where it is given. */
  permissionHint: string;
  /** What the id is, and where it is found. */
  notFoundHint: string;
  cause?: unknown;
}

/** The error of an answer that is not a success; no status: there was no answer. */
export function providerError(answer: ProviderAnswer): CdnError {
  const { provider, status, said, cause } = answer;
  const text = said ? `: ${said}` : '';
  if (status === undefined)
    return new CdnError('CDN_UNREACHABLE', `${provider} could not be reached${text}`, {
      hint: 'Run it again; if it stays so, see the status page of the provider.',
      isTransient: true,
      cause,
    });
  if (status === 401 || status === 403)
    return new CdnError('CDN_AUTH', `${provider} refused the credentials (HTTP ${status})${text}`, {
      hint: answer.permissionHint,
      cause,
    });
  if (status === 404)
    return new CdnError('CDN_NOT_FOUND', `${provider} does not know it (HTTP 404)${text}`, {
      hint: answer.notFoundHint,
      cause,
    });
  if (status === 429)
    return new CdnError('CDN_LIMITED', `${provider} takes no more calls for now (HTTP 429)${text}`, {
      hint: 'Wait for the limit to pass, or purge a prefix or tag instead of many URLs.',
      isTransient: true,
      retryAfterSeconds: secondsOf(answer.retryAfter),
      cause,
    });
  const isTransient = status >= 500 || status === 408;
  return new CdnError(
    isTransient ? 'CDN_UNREACHABLE' : 'CDN_REFUSED',
    `${provider} ${isTransient ? 'failed' : 'refused the call'} (HTTP ${status})${text}`,
    {
      hint: isTransient ? 'Run it again; if it stays so, see the status page of the provider.' : 'See what it names.',
      isTransient,
      retryAfterSeconds: secondsOf(answer.retryAfter),
      cause,
    },
  );
}

/** `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}
