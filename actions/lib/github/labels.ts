import type { GitHub } from './client.ts';
import { GitHubError } from './failures.ts';

export interface NewLabel {
  name: string;
  /** Six hexadecimal digits. */
  color: string;
  description?: string;
}

/** Makes a label of the repository, unless it is there already. @throws GitHubError */
export async function createLabel(github: GitHub, label: NewLabel): Promise<void> {
  try {
    await github.request('POST /repos/{owner}/{repo}/labels', { ...label }, { isRepeatable: true });
  } catch (error) {
    // Another run was faster.
    if (!(error instanceof GitHubError) || error.status !== 422) throw error;
  }
}

/** Takes a label from the repository, and so from all that wears it. @throws GitHubError */
export async function deleteLabel(github: GitHub, name: string): Promise<void> {
  await unlessGone(github.request('DELETE /repos/{owner}/{repo}/labels/{name}', { name }));
}

/** Takes a label from one issue. @throws GitHubError */
export async function removeLabel(github: GitHub, issue: number, name: string): Promise<void> {
  const route = 'DELETE /repos/{owner}/{repo}/issues/{issue}/labels/{name}';
  await unlessGone(github.request(route, { issue, name }));
}

async function unlessGone(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (!(error instanceof GitHubError) || error.status !== 404) throw error;
  }
}
