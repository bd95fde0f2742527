import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { type GitHub, GitHubError } from '../../github/index.ts';

/** https://docs.github.com/rest/using-the-rest-api/issue-event-types#labeled */
const eventSchema = z.object({
  event: z.enum(['labeled', 'unlabeled']),
  actor: z.object({ login: z.string() }).nullable(),
  label: z.object({ name: z.string().nullish() }),
});

/**
 * The login of who put this label on the issue last; undefined when nobody is known to have, or it was taken away after
 * that: a label may come to be there in other ways, such as by the renaming of another one, and then nobody has chosen.
 * @throws GitHubError
 */
export async function whoLabelled(github: GitHub, number: number, label: string): Promise<string | undefined> {
  let login: string | undefined;
  // Oldest first: the last one counts.
  for await (const raw of github.paginate('GET /repos/{owner}/{repo}/issues/{number}/events', { number })) {
    const event = eventSchema.safeParse(raw).data;
    if (event?.label.name?.toLowerCase() !== label.toLowerCase()) continue;
    login = event.event === 'labeled' ? event.actor?.login : undefined;
  }
  return login;
}

/** `maintain` is `write` here, `triage` is `read`, and a custom role is what it is based on; `role_name` is for people. */
const permissionSchema = z.object({ permission: z.enum(['admin', 'write', 'read', 'none']) });

/**
 * Labels can be set by people who may only triage; a change of the database is for those who may write.
 * https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
 *
 * @throws OpsError `APPLY_NOT_ALLOWED` (exit 2); GitHubError
 */
export async function assertMayWrite(github: GitHub, login: string): Promise<void> {
  const held = await permissionOf(github, login);
  if (held === 'admin' || held === 'write') return;
  throw new OpsError('APPLY_NOT_ALLOWED', `${login} may not write to ${github.repository} (permission: ${held})`, {
    hint: 'Somebody who may write puts the label there. Nothing was applied.',
    exit: 'usage',
  });
}

async function permissionOf(github: GitHub, username: string): Promise<z.infer<typeof permissionSchema>['permission']> {
  try {
    const route = 'GET /repos/{owner}/{repo}/collaborators/{username}/permission';
    const { data } = await github.request(route, { username });
    return permissionSchema.parse(data).permission;
  } catch (error) {
    // No person: an app, or an account that is gone.
    if (error instanceof GitHubError && error.code === 'GITHUB_NOT_FOUND') return 'none';
    throw error;
  }
}
