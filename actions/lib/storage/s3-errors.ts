import { OpsError } from '../errors/index.ts';

/** What a rejected request of the SDK tells, as far as anything relies on it. */
interface S3Failure {
  name: string;
  code: string;
  message: string;
  status: number | undefined;
  retryAfterSeconds: number | undefined;
}

/** What S3 or the way to it failed with, as an `OpsError`. `what` continues "Could not …". Holds no credentials. */
export function s3Error(error: unknown, what: string): OpsError {
  if (error instanceof OpsError) return error;
  const failure = readFailure(error);
  const { code, hint } = meaningOf(failure);
  const reason = failure.status
    ? `${failure.name} (HTTP ${failure.status})${failure.message === failure.name ? '' : `: ${failure.message}`}`
    : `${failure.code || failure.name}: ${failure.message}`;
  return new OpsError(code, `Could not ${what}: ${reason}`, { cause: error, ...(hint && { hint }) });
}

/** True when the same request may well succeed in a moment. */
export function isTransient(error: unknown): boolean {
  const { name, code, status } = readFailure(error);
  if (status === undefined) return networkCodes.has(code) || name === 'TimeoutError';
  if (throttledNames.has(name) || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 507;
}

export function retryAfterSeconds(error: unknown): number | undefined {
  return readFailure(error).retryAfterSeconds;
}

/** The object is there already: the answer to `If-None-Match: *`. */
export const isPreconditionFailed = (error: unknown) => readFailure(error).status === 412;
/** Another conditional write of the same key is going on. */
export const isConflict = (error: unknown) => readFailure(error).status === 409;
export const isNotFound = (error: unknown) => {
  const { name, status } = readFailure(error);
  return status === 404 && name !== 'NoSuchBucket';
};
/** The store does not know what was asked (conditional writes on some clones). */
export const isUnsupported = (error: unknown) => [400, 405, 501].includes(readFailure(error).status ?? 0);
export const isDenied = (error: unknown) => meaningOf(readFailure(error)).code === 'STORAGE_DENIED';

const networkCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
]);
// RequestTimeTooSkewed: the SDK corrects its clock from the answer, so the next request is right.
const throttledNames = new Set([
  'SlowDown',
  'RequestTimeout',
  'Throttling',
  'ThrottlingException',
  'RequestTimeTooSkewed',
]);
const fullNames = new Set(['QuotaExceeded', 'InsufficientStorage', 'XMinioStorageFull', 'StorageFull']);

function meaningOf({ name, code, status }: S3Failure): { code: string; hint?: string } {
  if (fullNames.has(name) || status === 507) {
    return { code: 'STORAGE_FULL', hint: 'Raise the quota, or keep fewer sets (backup.retention).' };
  }
  if (name === 'CredentialsProviderError') {
    return { code: 'STORAGE_DENIED', hint: 'Set BACKUP_S3_ACCESS_KEY_ID and BACKUP_S3_SECRET_ACCESS_KEY.' };
  }
  if (status === 401 || status === 403) {
    return {
      code: 'STORAGE_DENIED',
      hint: 'Check the access key, the secret key and what they may do in this bucket.',
    };
  }
  if (name === 'NoSuchBucket') return { code: 'STORAGE_FAILED', hint: 'Create the bucket, or correct its name.' };
  if (status === 404) return { code: 'STORAGE_NOT_FOUND' };
  if (status === 301 || status === 307) return { code: 'STORAGE_FAILED', hint: "Set the bucket's own region." };
  if (status === 429 || (status !== undefined && status >= 502 && status <= 504) || throttledNames.has(name)) {
    return { code: 'STORAGE_UNREACHABLE', hint: 'The store is overloaded or failing; run it again later.' };
  }
  if (status === undefined && (networkCodes.has(code) || name === 'TimeoutError' || /CERT|TLS|SSL/.test(code))) {
    return { code: 'STORAGE_UNREACHABLE', hint: 'Check the endpoint, the network and the certificate.' };
  }
  return { code: 'STORAGE_FAILED' };
}

function readFailure(error: unknown): S3Failure {
  const raw = (typeof error === 'object' && error !== null ? error : {}) as {
    name?: string;
    code?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const asked = Number(raw.$response?.headers?.['retry-after']);
  return {
    name: raw.name ?? 'Error',
    code: raw.code ?? '',
    message: raw.message || 'no reason given',
    status: raw.$metadata?.httpStatusCode,
    retryAfterSeconds: Number.isFinite(asked) ? asked : undefined,
  };
}
