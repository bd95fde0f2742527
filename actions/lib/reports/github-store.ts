import { isAbsolute, normalize } from 'node:path/posix';
import { OpsError } from '../errors/index.ts';
import { commitFiles, type GitHub } from '../github/index.ts';
import { changedFiles, keptPath, type Shelf } from './changes.ts';
import type { ReportStore } from './store.ts';

export interface GitHubStoreOptions {
  github: GitHub;
  /** Default: the repository's default branch. Another one is made when it is missing. */
  branch?: string | undefined;
  /** Inside the repository, e.g. `reports`. */
  folder: string;
  /** Told what comes near a limit. */
  warn?: (text: string) => void;
  signal: AbortSignal;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  random?: () => number;
  /** How often a commit is made anew when another one came first. */
  tries?: number;
}

/**
 * Keeps each report by one commit on a branch, by the API alone: no checkout, and never forced. Paths that `save` gives
 * are relative to the repository. Needs `contents: write`.
 *
 * @throws OpsError `CONFIG_INVALID` for a folder outside the repository; `save` throws what `changedFiles` and
 * `commitFiles` throw
 */
export function createGitHubStore(options: GitHubStoreOptions): ReportStore {
  const folder = normalize(options.folder).replace(/\/+$/, '');
  if (isAbsolute(folder) || folder === '..' || folder.startsWith('../')) {
    throw new OpsError('CONFIG_INVALID', `reports.path is '${options.folder}', which is not in the repository`, {
      hint: 'Set reports.path to a folder of the repository, e.g. reports.',
      exit: 'usage',
    });
  }
  const inRepository = (path: string) => [folder, path].filter(part => part !== '' && part !== '.').join('/');
  return {
    async save(report) {
      // Of the commit that was made, not of each that was tried.
      const warnings = new Set<string>();
      await commitFiles(options.github, {
        ...options,
        message: `${report.kind}: ${report.status}`,
        files: async head => {
          const shelf: Shelf = {
            read: path => head.read(inRepository(path)),
            list: path => head.list(inRepository(path)),
          };
          warnings.clear();
          const changed = await changedFiles(report, shelf, text => warnings.add(text));
          return new Map([...changed].map(([path, text]) => [inRepository(path), text]));
        },
      });
      for (const text of warnings) options.warn?.(text);
      return inRepository(keptPath(report));
    },
  };
}

/** The page of a file of a branch, for people. @param server `GITHUB_SERVER_URL` */
export function reportUrl(server: string, repository: string, branch: string, path: string): string {
  const encoded = (text: string) => text.split('/').map(encodeURIComponent).join('/');
  return `${server.replace(/\/+$/, '')}/${repository}/blob/${encoded(branch)}/${encoded(path)}`;
}
