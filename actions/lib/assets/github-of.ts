import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { createGitHub, type GitHub } from '../github/index.ts';

/** @throws OpsError `GITHUB_AUTH` (exit 2) without a token */
export function githubOf({ secrets, log, signal }: OpsContext, grants: string): GitHub {
  const { githubToken: token, githubRepository: repository, githubApiUrl: apiUrl } = secrets;
  if (!token || !repository) {
    throw new OpsError('GITHUB_AUTH', 'There is no token for GitHub', {
      hint: `Give the step GITHUB_TOKEN: \${{ github.token }}, and the job ${grants}.`,
      exit: 'usage',
    });
  }
  return createGitHub({ token, repository, ...(apiUrl && { apiUrl }), log, signal });
}
