import type { CdnConfig, SecretValues } from '../../config/index.ts';
import type { OpsError } from '../../errors/index.ts';
import { CdnError } from '../cdn-error.ts';
import type { PurgeProvider } from '../purge/request.ts';
import { type AzureCall, planAzure } from './azure-plan.ts';
import { providerError } from './failures.ts';

type AzureConfig = Extract<CdnConfig['provider'], { kind: 'azure' }>;

const pollMs = 5_000;
/** "About ten minutes", and as much again. */
const doneWithinMs = 20 * 60_000;
const hourMs = 3_600_000;

export function createAzure(config: AzureConfig, secrets: SecretValues): PurgeProvider<AzureCall> {
  const { subscriptionId, resourceGroup, profile, endpoint } = config;
  const token = secrets.azureAccessToken;
  return {
    kind: 'azure',
    propagationSeconds: 120,
    plan: planAzure,
    async send(body, signal) {
      const { CdnManagementClient } = await import('@azure/arm-cdn');
      const credential = token
        ? { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + hourMs }) }
        : new (await import('@azure/identity')).DefaultAzureCredential();
      const client = new CdnManagementClient(credential, subscriptionId, {
        ...(config.apiUrl && { endpoint: config.apiUrl }),
        retryOptions: { maxRetries: 0 },
      });
      const timeout = AbortSignal.timeout(doneWithinMs);
      try {
        await client.afdEndpoints.beginPurgeContentAndWait(resourceGroup, profile, endpoint, body, {
          abortSignal: AbortSignal.any([signal, timeout]),
          updateIntervalInMs: pollMs,
        });
        return undefined;
      } catch (thrown) {
        signal.throwIfAborted();
        if (timeout.aborted) {
          throw new CdnError('CDN_UNREACHABLE', `Azure had not purged after ${doneWithinMs / 60_000} minutes`, {
            hint: 'It goes on at Azure; verify with: ops cdn audit.',
          });
        }
        throw errorOf(thrown, config);
      }
    },
  };
}

function errorOf(thrown: unknown, { resourceGroup, profile, endpoint }: AzureConfig): OpsError {
  const { name, statusCode, code, message, response } = thrown as {
    name: string;
    statusCode?: number;
    code?: string;
    message: string;
    response?: { headers?: { get(name: string): string | undefined } };
  };
  if (
    name === 'CredentialUnavailableError' ||
    name === 'AggregateAuthenticationError' ||
    name === 'AuthenticationError'
  ) {
    return new CdnError('CDN_AUTH', 'There are no credentials for Azure', {
      hint: 'Use azure/login with OIDC before this step, or set AZURE_ACCESS_TOKEN.',
      cause: thrown,
    });
  }
  return providerError({
    provider: 'Azure',
    status: statusCode,
    said: [firstLine(message), code].filter(Boolean).join(' '),
    retryAfter: response?.headers?.get('retry-after'),
    permissionHint:
      'The identity needs Microsoft.Cdn/profiles/afdEndpoints/purge/action on the profile (role CDN Endpoint Contributor).',
    notFoundHint: `Check resource group ${resourceGroup}, profile ${profile} and endpoint ${endpoint}.`,
    cause: thrown,
  });
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.slice(0, 300);
}
