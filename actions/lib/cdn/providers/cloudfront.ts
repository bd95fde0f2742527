import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { CloudFrontClient } from '@aws-sdk/client-cloudfront';
import type { CdnConfig } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';
import { CdnError } from '../cdn-error.ts';
import type { PurgeProvider } from '../purge/request.ts';
import { type CloudFrontCall, planCloudFront } from './cloudfront-plan.ts';
import { providerError } from './failures.ts';

type CloudFrontConfig = Extract<CdnConfig['provider'], { kind: 'cloudfront' }>;

const requestTimeoutMs = 30_000;
/** AWS names 25 s for 95 % of them; a distribution that is being changed takes longer. */
const completedWithinMs = 15 * 60_000;
const firstPollMs = 1_000;
const longestPollMs = 10_000;

/** @param reference differs from run to run: the same one again would return the earlier invalidation instead of a new one */
export function createCloudFront(config: CloudFrontConfig, reference: string): PurgeProvider<CloudFrontCall> {
  const { distributionId } = config;
  return {
    kind: 'cloudfront',
    propagationSeconds: 10,
    plan: request =>
      planCloudFront(request, {
        hasTags: config.tags,
        freePathsPerMonth: config.freePathsPerMonth,
        pricePerPathUsd: config.pricePerPathUsd,
      }),
    async send({ paths }, signal) {
      const { CloudFrontClient, CreateInvalidationCommand } = await import('@aws-sdk/client-cloudfront');
      const client = new CloudFrontClient({
        region: 'us-east-1',
        maxAttempts: 1,
        requestHandler: { requestTimeout: requestTimeoutMs, connectionTimeout: 10_000 },
        ...(config.apiUrl && { endpoint: config.apiUrl }),
      });
      try {
        // A repetition of this very call, whose answer was lost, returns the same invalidation and starts none.
        const caller = createHash('sha256')
          .update([reference, ...paths].join('\n'))
          .digest('hex')
          .slice(0, 32);
        const { Invalidation } = await client.send(
          new CreateInvalidationCommand({
            DistributionId: distributionId,
            InvalidationBatch: { CallerReference: caller, Paths: { Quantity: paths.length, Items: paths } },
          }),
          { abortSignal: signal },
        );
        const id = Invalidation?.Id;
        if (!id)
          throw new CdnError('CDN_UNREACHABLE', 'CloudFront answered without an invalidation', { isTransient: true });
        await completed(client, distributionId, id, signal);
        return id;
      } catch (thrown) {
        signal.throwIfAborted();
        throw thrown instanceof OpsError ? thrown : errorOf(thrown, distributionId);
      } finally {
        client.destroy();
      }
    },
  };
}

/** The SDK's own waiter gives up after a number of polls and hides why; this one is bounded by time. */
async function completed(
  client: CloudFrontClient,
  distributionId: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const { GetInvalidationCommand } = await import('@aws-sdk/client-cloudfront');
  const deadline = performance.now() + completedWithinMs;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, longestPollMs)) {
    const status = await statusOf(() =>
      client.send(new GetInvalidationCommand({ DistributionId: distributionId, Id: id }), { abortSignal: signal }),
    );
    if (status?.toLowerCase() === 'completed') return;
    if (performance.now() > deadline) {
      throw new CdnError(
        'CDN_UNREACHABLE',
        `The invalidation ${id} was not completed after ${completedWithinMs / 60_000} minutes`,
        {
          hint: 'It goes on at AWS; look at it in the console, then verify with: ops cdn audit.',
        },
      );
    }
    await wait(pollMs, undefined, { signal });
  }
}

/** Undefined when the question failed in passing: it is asked again. */
async function statusOf(
  ask: () => Promise<{ Invalidation?: { Status?: string | undefined } | undefined }>,
): Promise<string | undefined> {
  try {
    return (await ask()).Invalidation?.Status;
  } catch (thrown) {
    const status = (thrown as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
    if (status !== undefined && status < 500 && status !== 429) throw thrown;
    return undefined;
  }
}

function errorOf(thrown: unknown, distributionId: string): OpsError {
  const { name, message, $metadata } = thrown as {
    name: string;
    message: string;
    $metadata?: { httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  // It comes as HTTP 400 and passes when what is in progress is done.
  if (name === 'TooManyInvalidationsInProgress') {
    return new CdnError('CDN_LIMITED', 'Too many invalidations of this distribution are in progress', {
      hint: 'Wait for them, or purge a folder with one wildcard.',
      isTransient: true,
      retryAfterSeconds: 20,
      cause: thrown,
    });
  }
  if (name === 'CredentialsProviderError') {
    return new CdnError('CDN_AUTH', 'There are no credentials for AWS', {
      hint: 'Use aws-actions/configure-aws-credentials with OIDC before this step, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
      cause: thrown,
    });
  }
  return providerError({
    provider: 'CloudFront',
    status: /Throttl/.test(name) ? 429 : status,
    said: `${message} (${name})`,
    permissionHint: `The role needs cloudfront:CreateInvalidation and cloudfront:GetInvalidation on distribution/${distributionId}.`,
    notFoundHint: `Check CLOUDFRONT_DISTRIBUTION_ID (${distributionId}) and the account of the credentials.`,
    cause: thrown,
  });
}
