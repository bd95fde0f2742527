import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { createGitHub, type GitHub } from './client.ts';

type Context = Pick<OpsContext, 'secrets' | 'log' | 'signal'>;

/** The repository of this run, by GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL; undefined without the first two. */
export function githubOf({ secrets, log, signal }: Context): GitHub | undefined {
  const { githubToken: token, githubRepository: repository, githubApiUrl: apiUrl } = secrets;
  return token && repository ? createGitHub({ token, repository, apiUrl, log, signal }) : undefined;
}

/**
 * The same, for what cannot be done without it.
 * @param grants what the job needs below `permissions`: `'issues: write'`
 * @throws OpsError `GITHUB_AUTH` (exit 2)
 */
export function requireGitHub(context: Context, grants: string): GitHub {
  const github = githubOf(context);
  if (github) return github;
  throw new OpsError('GITHUB_AUTH', 'There is no token for GitHub, or no repository', {
    hint: `Set GITHUB_TOKEN and GITHUB_REPOSITORY=owner/name; in a workflow give the step GITHUB_TOKEN: \${{ github.token }}, and the job ${grants}.`,
    exit: 'usage',
  });
}
