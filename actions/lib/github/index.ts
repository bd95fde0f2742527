export { checkedAnswer } from './answer.ts';
export { isProgram } from './authors.ts';
export {
  type Answer,
  createGitHub,
  type GitHub,
  type GitHubOptions,
  type PaginateOptions,
  type RequestOptions,
} from './client.ts';
export { type FolderEntry, listFolder, readText } from './contents.ts';
export { GitHubError } from './failures.ts';
export { branchSha, type CommitOptions, type Committed, commitFiles, type NewContent } from './git.ts';
export { createLabel, deleteLabel, type NewLabel, removeLabel } from './labels.ts';
export { mostBodyCharacters } from './limits.ts';
export { githubOf, requireGitHub } from './of-context.ts';
export { onceOnly } from './once-only.ts';
export { defaultBranch } from './repository.ts';
export type { Head, HeadEntry } from './tree.ts';
