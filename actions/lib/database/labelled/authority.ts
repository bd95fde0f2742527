import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { type GitHub, GitHubError } from '../../github/index.ts';

const eventSchema = z.object({
  event: z.literal('labeled'),
  actor: z.object({ login: z.string() }).nullable(),
  label: z.object({ name: z.string().nullish() }),
});

/** The login of who put this label on the issue last; undefined when nobody is known to have. @throws GitHubError */
export async function whoLabelled(github: GitHub, number: number, label: string): Promise<string | undefined> {
  let login: string | undefined;
  // Oldest first: the last one counts.
  for await (const raw of github.paginate('GET /repos/{owner}/{repo}/issues/{number}/events', { number })) {
    const event = eventSchema.safeParse(raw).data;
    if (event?.label.name?.toLowerCase() === label.toLowerCase()) login = event.actor?.login;
  }
  return login;
}

const permissionSchema = z.object({ permission: z.string(), role_name: z.string().optional() });

/**
 * Labels can be set by people who may only triage; a change of the database is for those who may write.
 * https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
 *
 * @throws OpsError `APPLY_NOT_ALLOWED` (exit 2); GitHubError
 */
export async function assertMayWrite(github: GitHub, login: string): Promise<void> {
  const held = await permissionOf(github, login);
  // `permission` is the base of a custom role; `maintain` is `write` there.
  if (['admin', 'maintain', 'write'].includes(held)) return;
  throw new OpsError('APPLY_NOT_ALLOWED', `${login} may not write to ${github.repository} (permission: ${held})`, {
    hint: 'Somebody who may write puts the label there. Nothing was applied.',
    exit: 'usage',
  });
}

async function permissionOf(github: GitHub, username: string): Promise<string> {
  try {
    const route = 'GET /repos/{owner}/{repo}/collaborators/{username}/permission';
    const { data } = await github.request(route, { username });
    const { permission, role_name: role } = permissionSchema.parse(data);
    return ['admin', 'write', 'read', 'none'].includes(permission) ? permission : (role ?? permission);
  } catch (error) {
    // No person: an app, or an account that is gone.
    if (error instanceof GitHubError && error.code === 'GITHUB_NOT_FOUND') return 'none';
    throw error;
  }
}
