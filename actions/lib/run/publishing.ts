import { resolve } from 'node:path';
import { announce, createGitHubMemory } from '../alerts/index.ts';
import type { LoadedConfig } from '../config/index.ts';
import { createGitHub } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import { createDirectoryStore, createGitHubStore } from '../reports/index.ts';
import type { Frame } from './operation.ts';

export interface PublishingOptions {
  loaded: LoadedConfig;
  cwd: string;
  log: Log;
  signal: AbortSignal;
  now: () => Date;
}

/**
 * Where a run in Actions keeps its report, and who is told. With GITHUB_TOKEN: one commit by the API on
 * `reports.branch` (needs `contents: write`), then issues and the webhook (needs `issues: write`). Without a token: the
 * working tree, and nobody.
 */
export function publishing({ loaded, cwd, log, signal, now }: PublishingOptions): Pick<Frame, 'store' | 'announce'> {
  const { config, secrets } = loaded;
  const { path: folder, branch } = config.reports;
  const { githubToken: token, githubRepository: repository, githubApiUrl: apiUrl } = secrets;
  if (!token || !repository) return { store: createDirectoryStore(resolve(cwd, folder)) };
  const github = createGitHub({ token, repository, ...(apiUrl && { apiUrl }), log, signal });
  const memory = createGitHubMemory({ github, branch, folder, signal, log });
  return {
    store: createGitHubStore({ github, branch, folder, signal }),
    async announce(report) {
      await announce([report], { config, secrets, log, signal, now, cwd, github, memory });
    },
  };
}
