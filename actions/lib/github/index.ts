export { type Answer, createGitHub, type GitHub, type GitHubOptions } from './client.ts';
export { GitHubError } from './failures.ts';
