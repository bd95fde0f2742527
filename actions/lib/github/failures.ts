import { OpsError, type OpsErrorOptions } from '../errors/index.ts';

/** What GitHub, or the way to it, failed with. */
export class GitHubError extends OpsError {
  /** HTTP; undefined when no answer came. */
  readonly status: number | undefined;
  /** It was not refused: a change may have been made although the answer is an error, or none. */
  readonly mayHaveHappened: boolean;
  /** GitHub's own words. */
  readonly reason: string;

  constructor(code: string, message: string, options: OpsErrorOptions, failure: Failure) {
    super(code, message, options);
    this.status = failure.status;
    this.mayHaveHappened = failure.kind === 'doubtful';
    this.reason = failure.reason;
  }
}

export interface Failure {
  /**
   * `refused`: GitHub said no, and will again. `limited`: not done, and may be asked again after `waitMs`.
   * `unsent`: it never reached GitHub. `doubtful`: it may have been done.
   */
  kind: 'refused' | 'limited' | 'unsent' | 'doubtful';
  status: number | undefined;
  reason: string;
  /** How long GitHub asks to wait. */
  waitMs: number;
  headers: Record<string, string | undefined>;
  cause: unknown;
}

/** The mark of an answer whose body is not whole. */
export function truncated(status: number): Error & { truncatedStatus: number } {
  return Object.assign(new Error('the answer was cut off, or is not JSON'), { truncatedStatus: status });
}

/** @param now milliseconds since 1970 */
export function readFailure(thrown: unknown, now: number): Failure {
  const raw = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as {
    message?: string;
    status?: number;
    truncatedStatus?: number;
    cause?: unknown;
    response?: { headers?: Record<string, string | undefined>; data?: unknown };
  };
  const headers = raw.response?.headers ?? {};
  const base = { headers, cause: thrown, waitMs: 0 };
  // Without a response octokit still says 500.
  if (raw.response === undefined) {
    const { truncatedStatus: status } = raw;
    const code = networkCode(thrown);
    const reason = code === 'TimeoutError' ? 'no answer in time' : raw.message || 'no answer';
    return { ...base, kind: unsentCodes.has(code) ? 'unsent' : 'doubtful', status, reason };
  }
  const status = raw.status ?? 0;
  const reason = reasonOf(raw.response.data) || `HTTP ${status}`;
  const limitMs = limitOf(status, reason, headers, now);
  if (limitMs !== undefined) return { ...base, kind: 'limited', status, reason, waitMs: limitMs };
  if (status >= 500) return { ...base, kind: 'doubtful', status, reason, waitMs: retryAfterMs(headers, now) ?? 0 };
  return { ...base, kind: 'refused', status, reason };
}

/** The connection was never made, so nothing can have happened. */
const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function networkCode(thrown: unknown): string {
  let found = '';
  for (let current = thrown; typeof current === 'object' && current !== null; ) {
    const { code, name, cause } = current as { code?: unknown; name?: string; cause?: unknown };
    if (typeof code === 'string') found = code;
    else if (name === 'TimeoutError') found = name;
    current = cause;
  }
  return found;
}

function reasonOf(data: unknown): string {
  if (typeof data !== 'object' || data === null) return '';
  const { message, errors } = data as { message?: unknown; errors?: unknown };
  const details = Array.isArray(errors) ? errors.map(fieldMessage).filter(Boolean).join('; ') : '';
  return [typeof message === 'string' ? message : '', details].filter(Boolean).join(': ').slice(0, 500);
}

/** `{ resource: 'Issue', field: 'assignees', code: 'invalid', value: 'x' }` → `assignees is invalid (x)` */
function fieldMessage(error: unknown): string {
  if (typeof error === 'string') return error;
  if (typeof error !== 'object' || error === null) return '';
  const { message, field, code, value } = error as Record<string, unknown>;
  if (typeof message === 'string' && message) return typeof field === 'string' ? `${field}: ${message}` : message;
  if (typeof field !== 'string') return typeof code === 'string' ? code : '';
  return `${field} is ${String(code).replaceAll('_', ' ')}${value === undefined || value === null ? '' : ` (${String(value)})`}`;
}

// Without a header GitHub asks for at least a minute after a secondary limit.
const unsaidLimitMs = 60_000;

/** How long to wait for a limit to pass, in milliseconds; undefined when it is not a limit. */
function limitOf(
  status: number,
  reason: string,
  headers: Record<string, string | undefined>,
  now: number,
): number | undefined {
  if (status !== 429 && status !== 403) return undefined;
  const after = retryAfterMs(headers, now);
  const isSpent = headers['x-ratelimit-remaining'] === '0';
  if (status === 403 && !isSpent && after === undefined && !/rate limit|abuse detection/i.test(reason))
    return undefined;
  if (after !== undefined) return after;
  const reset = Number(headers['x-ratelimit-reset']);
  if (isSpent && Number.isFinite(reset) && reset > 0) return Math.max(0, reset * 1000 - now) + 1000;
  return unsaidLimitMs;
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(headers: Record<string, string | undefined>, now: number): number | undefined {
  const text = headers['retry-after'];
  if (!text) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

export function githubError(failure: Failure, route: string): GitHubError {
  const { status, reason, cause } = failure;
  const { code, hint } = meaningOf(failure);
  const said = status === undefined ? reason : `${reason} (HTTP ${status})`;
  return new GitHubError(code, `GitHub, ${route}: ${said}`, { hint, cause }, failure);
}

function meaningOf({ kind, status, reason, headers, waitMs }: Failure): { code: string; hint: string } {
  if (kind === 'limited') {
    const minutes = Math.max(1, Math.ceil(waitMs / 60_000));
    return {
      code: 'GITHUB_LIMITED',
      hint: `The limit passes in about ${minutes} min; the next run does it. GITHUB_TOKEN has 1,000 requests an hour for the whole repository.`,
    };
  }
  if (status === undefined || status < 400) {
    return {
      code: 'GITHUB_UNREACHABLE',
      hint: 'Check the network and GITHUB_API_URL, and https://www.githubstatus.com; run it again.',
    };
  }
  switch (status) {
    case 401:
      return { code: 'GITHUB_AUTH', hint: "The token is wrong or has expired; in a workflow, pass 'github.token'." };
    case 403:
      return { code: 'GITHUB_PERMISSION', hint: permissionHint(reason, headers['x-accepted-github-permissions']) };
    case 404:
      return {
        code: 'GITHUB_NOT_FOUND',
        hint: 'It does not exist, or the token may not see it: GitHub gives the same answer for both.',
      };
    case 409:
      return { code: 'GITHUB_CONFLICT', hint: 'Something else changed it at the same time; run it again.' };
    case 410:
      return {
        code: 'GITHUB_GONE',
        hint: 'It was switched off or removed, for example issues: Settings → General → Features → Issues.',
      };
    case 422:
      return { code: 'GITHUB_INVALID', hint: 'GitHub refuses a value that was sent; the message names it.' };
    default:
      return status >= 500
        ? { code: 'GITHUB_UNREACHABLE', hint: 'GitHub is failing; see https://www.githubstatus.com, and run it again.' }
        : { code: 'GITHUB_FAILED', hint: 'Run it again with LOG_LEVEL=debug to see every call.' };
  }
}

/** The header lists sufficient sets: `contents=write; contents=write,workflows=write`. */
function permissionHint(reason: string, accepted: string | undefined): string {
  const first = accepted?.split(';')[0]?.trim();
  if (!first)
    return `Check what the token may do: permissions of the job, and the rules of the repository. GitHub says: ${reason}`;
  const grants = first.split(',').map(grant => `'${grant.trim().replace('=', ': ')}'`);
  return `The token lacks ${grants.join(' and ')}: add it to 'permissions:' of the job, or to the token.`;
}
