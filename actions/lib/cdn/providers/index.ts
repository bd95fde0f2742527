import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import type { PurgeProvider } from '../purge/request.ts';
import { createAzure } from './azure.ts';
import { createCloudflare } from './cloudflare.ts';
import { createCloudFront } from './cloudfront.ts';
import { createHttpPurger } from './http.ts';

/** @throws OpsError `CDN_NOT_CONFIGURED`, `CDN_AUTH` (exit 2) */
export function openProvider({
  config,
  secrets,
  reportId,
}: Pick<OpsContext, 'config' | 'secrets' | 'reportId'>): PurgeProvider {
  const { provider } = config.cdn;
  switch (provider?.kind) {
    case 'cloudflare':
      return createCloudflare(provider, secrets) as PurgeProvider;
    case 'cloudfront':
      return createCloudFront(provider, reportId) as PurgeProvider;
    case 'azure':
      return createAzure(provider, secrets) as PurgeProvider;
    case 'http':
      return createHttpPurger(provider, secrets) as PurgeProvider;
    case undefined:
      throw new OpsError('CDN_NOT_CONFIGURED', 'No CDN is configured to purge', {
        hint: 'Set cdn.provider in .github/ops.yml, or CDN_PURGE_URL, CLOUDFLARE_ZONE_ID, CLOUDFRONT_DISTRIBUTION_ID or AZURE_FRONT_DOOR_PROFILE.',
        exit: 'usage',
      });
  }
}
