import type { CdnConfig, SecretValues } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { PurgeProvider } from '../purge/request.ts';
import { type CloudflareCall, planCloudflare } from './cloudflare-plan.ts';
import { providerError } from './failures.ts';

type CloudflareConfig = Extract<CdnConfig['provider'], { kind: 'cloudflare' }>;

const timeoutMs = 30_000;

/** @throws OpsError `CDN_AUTH` (exit 2) without a token */
export function createCloudflare(config: CloudflareConfig, secrets: SecretValues): PurgeProvider<CloudflareCall> {
  const apiToken = secrets.cloudflareApiToken;
  if (!apiToken) {
    throw new OpsError('CDN_AUTH', 'There is no token for Cloudflare', {
      hint: 'Set CLOUDFLARE_API_TOKEN to an API token with the permission Zone, Cache Purge, Purge.',
      exit: 'usage',
    });
  }
  return {
    kind: 'cloudflare',
    propagationSeconds: 30,
    plan: request => planCloudflare(request, config.plan),
    async send({ endpoint, ...what }, signal) {
      // Only the resource that is used: the whole SDK is 2,000 calls.
      const { createClient } = await import('cloudflare/tree-shakable');
      const { BaseCache } = await import('cloudflare/resources/cache/cache');
      const client = createClient({
        resources: [BaseCache],
        apiToken,
        ...(config.apiUrl && { baseURL: config.apiUrl }),
        // Repetitions are the executor's, which waits as long as it is told.
        maxRetries: 0,
        timeout: timeoutMs,
        logLevel: 'off',
      });
      const params = { zone_id: config.zoneId, ...what };
      try {
        const answer =
          endpoint === 'invalidate_cache'
            ? await client.cache.invalidate(params, { signal })
            : await client.cache.purge(params, { signal });
        return answer?.id;
      } catch (thrown) {
        signal.throwIfAborted();
        throw errorOf(thrown, config.zoneId);
      }
    },
  };
}

function errorOf(thrown: unknown, zoneId: string): OpsError {
  const { status, errors, headers, message } = thrown as {
    status?: number;
    errors?: readonly { code?: number; message?: string }[];
    headers?: Headers;
    message: string;
  };
  const said = errors?.length
    ? errors.map(({ code, message: text }) => `${text} (${code})`).join('; ')
    : status
      ? ''
      : message;
  // 7003 and 7000: no such zone. It comes as 400 or 404.
  const isUnknownZone = errors?.some(({ code }) => code === 7003 || code === 7000) ?? false;
  return providerError({
    provider: 'Cloudflare',
    status: isUnknownZone ? 404 : status,
    said,
    retryAfter: headers?.get('retry-after') ?? undefined,
    permissionHint: 'The API token needs the permission Zone, Cache Purge, Purge for this zone.',
    notFoundHint: `Check CLOUDFLARE_ZONE_ID (${zoneId.slice(0, 6)}…): dashboard, the site, Overview, API, Zone ID.`,
    cause: thrown,
  });
}
