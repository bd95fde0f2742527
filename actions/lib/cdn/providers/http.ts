import type { CdnConfig, SecretValues } from '../../config/index.ts';
import { exchange } from '../http.ts';
import type { PurgeProvider } from '../purge/request.ts';
import { providerError } from './failures.ts';
import { type HttpCall, planHttp } from './http-plan.ts';

type HttpConfig = Extract<CdnConfig['provider'], { kind: 'http' }>;

/** Cache servers of one's own: every one of them is asked, and one that refuses fails the call. */
export function createHttpPurger(config: HttpConfig, secrets: SecretValues): PurgeProvider<HttpCall> {
  const authorization = secrets.cdnPurgeToken && { authorization: `Bearer ${secrets.cdnPurgeToken}` };
  return {
    kind: 'http',
    propagationSeconds: 2,
    plan: request => planHttp(request, { flavour: config.flavour, hasTags: config.tags }),
    async send({ method, path, host, headers }, signal) {
      for (const server of config.servers) {
        const answer = await exchange({
          method,
          url: new URL(path, server),
          headers: { ...headers, ...authorization, host },
          signal,
        });
        // nginx answers 404 or 412 for what it did not have: that it is not there is what was asked for.
        if (answer.status < 300 || (method === 'PURGE' && (answer.status === 404 || answer.status === 412))) continue;
        throw providerError({
          provider: new URL(server).host,
          status: answer.status === 405 ? 403 : answer.status,
          said: answer.status === 405 ? `${method} is not allowed` : '',
          retryAfter: answer.headers['retry-after'],
          permissionHint:
            'Its configuration must let this machine, or the bearer of CDN_PURGE_TOKEN, use PURGE and BAN: see actions/cdn/README.md.',
          notFoundHint: 'Check CDN_PURGE_URL.',
        });
      }
      return undefined;
    },
  };
}
