import { setTimeout as wait } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import type { Log } from '../log/index.ts';
import { type Failure, githubError, readFailure, truncated } from './failures.ts';
import { nextPageParameters, pageItems } from './pages.ts';

export interface GitHubOptions {
  token: string;
  /** `owner/name` */
  repository: string;
  /** `GITHUB_API_URL`: another one on GitHub Enterprise. Default: github.com's. */
  apiUrl?: string | undefined;
  log: Log;
  signal: AbortSignal;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** In [0, 1), for the jitter. */
  random?: () => number;
  /** In milliseconds since 1970, to tell how long a limit lasts. */
  now?: () => number;
  /** Of one attempt, with its body. */
  timeoutMs?: number;
}

export interface Answer<T> {
  status: number;
  data: T;
  headers: Record<string, string | undefined>;
}

/** The REST API of one repository. `{owner}` and `{repo}` in a route are filled in. */
export interface GitHub {
  readonly repository: string;
  /**
   * One call, repeated while that may help: limits always (bounded by five minutes of waiting), what left in doubt whether
   * it happened (timeouts, 5xx, cut answers) only when a repetition is harmless.
   *
   * @param route `GET /repos/{owner}/{repo}/issues`
   * @throws GitHubError `GITHUB_AUTH`, `GITHUB_PERMISSION`, `GITHUB_NOT_FOUND`, `GITHUB_GONE`, `GITHUB_CONFLICT`,
   * `GITHUB_INVALID`, `GITHUB_LIMITED`, `GITHUB_UNREACHABLE`, `GITHUB_FAILED`; `mayHaveHappened` says whether a POST that
   * failed must be looked for before it is made again
   */
  request<T>(route: string, parameters?: Record<string, unknown>, options?: RequestOptions): Promise<Answer<T>>;
  /** The items of a list, page after page, as they are asked for. Throws what `request` throws. */
  paginate<T>(route: string, parameters?: Record<string, unknown>, options?: PaginateOptions): AsyncIterable<T>;
}

export interface RequestOptions {
  /** Doing it twice is the same as doing it once. Default: true for all but POST. */
  isRepeatable?: boolean;
}

export interface PaginateOptions {
  /** The list ends after this many pages, each of 100 items. Default: all of them. */
  mostPages?: number;
}

/** @throws OpsError `GITHUB_AUTH` without a token, `GITHUB_INVALID` for a repository that is not `owner/name` */
export function createGitHub(options: GitHubOptions): GitHub {
  const { repository, token } = options;
  const [owner, repo, ...more] = repository.split('/');
  if (!owner || !repo || more.length > 0) {
    throw new OpsError('GITHUB_INVALID', `'${repository}' is not a repository`, {
      hint: 'Set GITHUB_REPOSITORY to owner/name.',
      exit: 'usage',
    });
  }
  if (!token) {
    throw new OpsError('GITHUB_AUTH', 'There is no token for GitHub', {
      hint: "Set GITHUB_TOKEN; in a workflow, from 'github.token'.",
      exit: 'usage',
    });
  }
  const call = createCaller(options);

  const request = <T>(
    route: string,
    parameters: Record<string, unknown> = {},
    { isRepeatable = !route.startsWith('POST ') }: RequestOptions = {},
  ) => {
    // What a route does not name would be sent along as a field.
    const place = route.includes('{owner}') ? { owner, repo } : {};
    return repeat<T>(() => call(route, { ...place, ...parameters }), { route, isRepeatable, ...withDefaults(options) });
  };

  return {
    repository,
    request,
    async *paginate<T>(
      route: string,
      parameters: Record<string, unknown> = {},
      { mostPages = Number.POSITIVE_INFINITY }: PaginateOptions = {},
    ) {
      let page: Record<string, unknown> | undefined = { per_page: 100, ...parameters };
      for (let number = 1; page && number <= mostPages; number++) {
        const answer: Answer<unknown> = await request(route, page);
        yield* pageItems<T>(answer.data);
        const next = nextPageParameters(answer.headers.link);
        page = next && { ...page, ...next };
      }
    },
  };
}

const defaultTimeoutMs = 30_000;
const apiVersion = '2022-11-28';

/** One attempt. */
function createCaller(
  options: GitHubOptions,
): (route: string, parameters: Record<string, unknown>) => Promise<Answer<unknown>> {
  const { log, signal, timeoutMs = defaultTimeoutMs } = options;
  const quiet = {
    debug() {},
    info() {},
    warn: (text: string) => log.debug(text),
    error: (text: string) => log.debug(text),
  };
  // Loaded at the first call: a command that never speaks to GitHub should not wait for it.
  const octokit = once(async () => {
    const { getOctokit } = await import('@actions/github');
    return getOctokit(options.token, {
      ...(options.apiUrl && { baseUrl: options.apiUrl.replace(/\/+$/, '') }),
      userAgent: 'production-ops',
      log: quiet,
    });
  });
  return async (route, parameters) => {
    const client = await octokit();
    const startedAt = performance.now();
    const { headers, ...rest } = parameters;
    const answer = await client.request(route, {
      ...rest,
      headers: { 'x-github-api-version': apiVersion, ...(headers as Record<string, string> | undefined) },
      request: { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) },
    });
    log.debug(`GitHub ${route}`, { status: answer.status, ms: Math.round(performance.now() - startedAt) });
    // octokit hands out a body that is not JSON, or that was cut off, as text.
    if (typeof answer.data === 'string' && answer.status !== 204 && answer.status !== 205)
      throw truncated(answer.status);
    return { status: answer.status, data: answer.data, headers: answer.headers as Record<string, string | undefined> };
  };
}

interface RepeatOptions {
  route: string;
  isRepeatable: boolean;
  signal: AbortSignal;
  log: Log;
  sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  random: () => number;
  now: () => number;
}

function withDefaults({
  signal,
  log,
  sleep,
  random,
  now,
}: GitHubOptions): Omit<RepeatOptions, 'route' | 'isRepeatable'> {
  return {
    signal,
    log,
    sleep: sleep ?? (async (milliseconds, aborted) => wait(milliseconds, undefined, { signal: aborted })),
    random: random ?? Math.random,
    now: now ?? Date.now,
  };
}

const mostAttempts = 5;
const firstDelayMs = 500;
const longestDelayMs = 20_000;
/** A job that waits longer for a limit pays for the wait and still misses its time: the next run does it. */
const longestWaitMs = 5 * 60_000;

async function repeat<T>(attempt: () => Promise<Answer<unknown>>, options: RepeatOptions): Promise<Answer<T>> {
  const { signal, log, route } = options;
  let waitedMs = 0;
  for (let number = 1; ; number++) {
    signal.throwIfAborted();
    let failure: Failure;
    try {
      return (await attempt()) as Answer<T>;
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      failure = readFailure(thrown, options.now());
    }
    const delayMs = delayBeforeNext(failure, number, options);
    if (delayMs === undefined || waitedMs + delayMs > longestWaitMs) throw githubError(failure, route);
    log.info(`GitHub: ${failure.reason}; trying again in ${Math.ceil(delayMs / 1000)} s`, { route });
    await options.sleep(delayMs, signal);
    waitedMs += delayMs;
  }
}

/** Milliseconds, or undefined when it must not or need not be tried again. */
function delayBeforeNext(failure: Failure, number: number, options: RepeatOptions): number | undefined {
  if (number >= mostAttempts) return undefined;
  const { kind } = failure;
  if (kind === 'refused') return undefined;
  if (kind === 'doubtful' && !options.isRepeatable) return undefined;
  // Full jitter: runs that failed together must not come back together.
  const backoffMs = options.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** number);
  return kind === 'limited' ? failure.waitMs + backoffMs : Math.max(failure.waitMs, backoffMs);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
