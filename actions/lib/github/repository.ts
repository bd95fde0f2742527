import type { GitHub } from './client.ts';

/** The branch that a repository shows first, and that schedules run on. */
export async function defaultBranch(github: GitHub): Promise<string> {
  const { data } = await github.request<{ default_branch: string }>('GET /repos/{owner}/{repo}');
  return data.default_branch;
}
