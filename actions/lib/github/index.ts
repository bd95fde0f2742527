export {
  type Answer,
  createGitHub,
  type GitHub,
  type GitHubOptions,
  type PaginateOptions,
  type RequestOptions,
} from './client.ts';
export { GitHubError } from './failures.ts';
export { type CommitOptions, type Committed, commitFiles } from './git.ts';
export { defaultBranch } from './repository.ts';
export type { Head, HeadEntry } from './tree.ts';
