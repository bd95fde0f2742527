import { isAbsolute, resolve } from 'node:path';
import { announce, createGitHubMemory } from '../alerts/index.ts';
import type { Environment, LoadedConfig } from '../config/index.ts';
import { OpsError, toOpsError } from '../errors/index.ts';
import { requireGitHub } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import { createDirectoryStore, createGitHubReader, createGitHubStore, type ReportStore } from '../reports/index.ts';
import type { RunEvent } from './event.ts';
import type { Frame } from './operation.ts';

export interface PublishingOptions {
  loaded: LoadedConfig;
  event: RunEvent;
  env: Environment;
  cwd: string;
  log: Log;
  signal: AbortSignal;
  now: () => Date;
}

/**
 * Where a run in Actions keeps its report, and who is told. Published: one commit by the API on `reports.branch` (needs
 * `contents: write`), then issues and the webhook (needs `issues: write`). Not published: a folder of the runner, and
 * nobody.
 */
export function publishing(options: PublishingOptions): Pick<Frame, 'store' | 'announce'> {
  const { loaded, log, cwd, signal, now } = options;
  const { config, secrets } = loaded;
  const plan = planPublishing(factsOf(options));
  const warn = (text: string) => log.warn(text);
  const local = createDirectoryStore(localFolder(plan, options), warn);
  if (plan.kind === 'local') {
    log.info(`The report is kept on the runner and announced to nobody: ${plan.reason}`);
    return { store: local };
  }
  const { path: folder, branch } = config.reports;
  const github = requireGitHub({ secrets, log, signal }, "'contents: write' and 'issues: write'");
  const memory = createGitHubMemory({ github, branch, folder, signal, log });
  return {
    store: withSpare(createGitHubStore({ github, branch, folder, signal, warn }), local),
    async announce(report) {
      // Only what is breached has a chart. A summary that cannot be read is no reason to say nothing.
      const reader = createGitHubReader(github, folder, branch);
      const summary = report.status === 'ok' ? undefined : await reader.summary().catch(() => undefined);
      signal.throwIfAborted();
      await announce([report], { config, secrets, log, signal, now, cwd, github, memory, summary });
    },
  };
}

export interface PublishingFacts {
  hasToken: boolean;
  /** `.github/ops.yml`, or the file that the input `config` names, is there. */
  hasConfigFile: boolean;
  /** `reports.publish`; undefined when nothing is said. */
  isAskedFor: boolean | undefined;
  isPullRequest: boolean;
  isOtherBranch: boolean;
}

export type PublishingPlan = { kind: 'publish' } | { kind: 'local'; reason: string; isOurTree: boolean };

/**
 * A repository that only `uses:` an action has not asked for commits and issues: one that has, has a configuration file.
 * And what a pull request changes is not the state of what is in use: its report would stand as the latest of its kind,
 * and open or close alerts. That cannot be configured, since the configuration may itself be part of the pull request.
 *
 * @throws OpsError `CONFIG_MISSING_VALUE` when publishing is asked for, and there is no token for it
 */
export function planPublishing(facts: PublishingFacts): PublishingPlan {
  const { hasToken, hasConfigFile, isAskedFor, isPullRequest, isOtherBranch } = facts;
  const local = (reason: string): PublishingPlan => ({
    kind: 'local',
    reason,
    // A later step may commit all that it finds in the checkout.
    isOurTree: hasConfigFile && !isPullRequest,
  });
  if (isPullRequest) return local('this run is about a pull request');
  if (isAskedFor === false) return local('reports.publish is false');
  if (!hasConfigFile) return local('this repository has no .github/ops.yml');
  if (isOtherBranch && isAskedFor !== true) return local('this is a push to a branch that is not the default one');
  if (hasToken) return { kind: 'publish' };
  if (isAskedFor !== true) return local('there is no GITHUB_TOKEN');
  throw new OpsError('CONFIG_MISSING_VALUE', 'reports.publish is true, and there is no GITHUB_TOKEN to publish with', {
    hint: "Pass it below 'env:' of the step: GITHUB_TOKEN: ${{ github.token }}.",
    exit: 'usage',
  });
}

function factsOf({ loaded, event }: PublishingOptions): PublishingFacts {
  const { config, secrets, file } = loaded;
  return {
    hasToken: secrets.githubToken !== undefined && secrets.githubRepository !== undefined,
    hasConfigFile: file !== undefined,
    isAskedFor: config.reports.publish,
    isPullRequest: event.isPullRequest,
    isOtherBranch: event.isOtherBranch,
  };
}

/** The reports folder of the checkout, or, when that is not ours to write to, the runner's folder for what is temporary. */
function localFolder(plan: PublishingPlan, { loaded, cwd, env }: PublishingOptions): string {
  const { path } = loaded.config.reports;
  const isOurTree = plan.kind === 'local' && plan.isOurTree;
  if (isOurTree || !env.RUNNER_TEMP) return resolve(cwd, path);
  return resolve(env.RUNNER_TEMP, 'production-ops', isAbsolute(path) ? 'reports' : path.replaceAll('..', '_'));
}

/** What could not be committed is at least kept where a later step can find it. The failure stays a failure. */
function withSpare(store: ReportStore, spare: ReportStore): ReportStore {
  return {
    async save(report) {
      try {
        return await store.save(report);
      } catch (thrown) {
        const error = toOpsError(thrown);
        const path = await spare.save(report).catch(() => undefined);
        if (path === undefined) throw error;
        throw new OpsError(error.code, `The report could not be committed: ${error.message}`, {
          hint: [error.hint, `It is in ${path} on the runner. To have no reports committed: reports.publish: false.`]
            .filter(Boolean)
            .join(' '),
          cause: error,
        });
      }
    },
  };
}
