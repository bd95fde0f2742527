import { expect, test } from 'vitest';
import { githubOf, requireGitHub } from '../../actions/lib/github/index.ts';
import { libraryContext } from '../../actions/lib/reports/index.ts';

const contextOf = (env: Record<string, string | undefined>) => libraryContext({ cwd: '/nowhere', env });

test('with a token and a repository there is a way to GitHub', () => {
  const context = contextOf({ GITHUB_TOKEN: 'ghs_0123456789', GITHUB_REPOSITORY: 'acme/ops' });
  expect(githubOf(context)?.repository).toBe('acme/ops');
  expect(requireGitHub(context, "'issues: write'").repository).toBe('acme/ops');
});

test.each([{}, { GITHUB_TOKEN: 'ghs_0123456789' }, { GITHUB_REPOSITORY: 'acme/ops' }])(
  'with %o there is none, and who needs it is told what to set and what to grant',
  env => {
    const context = contextOf(env);
    expect(githubOf(context)).toBeUndefined();
    expect(() => requireGitHub(context, "'issues: write'")).toThrow(
      expect.objectContaining({
        code: 'GITHUB_AUTH',
        exitCode: 2,
        hint: expect.stringMatching(/GITHUB_TOKEN and GITHUB_REPOSITORY=owner\/name.* the job 'issues: write'\.$/),
      }),
    );
  },
);
