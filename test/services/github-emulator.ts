import { createEmulator } from 'emulate';

export interface Emulated {
  url: string;
  token: string;
  /** Back to the repository `acme/shop` with one commit. */
  reset(): void;
  stop(): Promise<void>;
}

/** A stateful GitHub with the repository `acme/shop`. */
export async function startEmulator(): Promise<Emulated> {
  const token = 'ghs_emulated0123456789abcdef';
  const emulator = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      tokens: { [token]: { login: 'acme', scopes: ['repo'] } },
      github: { users: [{ login: 'acme' }], repos: [{ owner: 'acme', name: 'shop', auto_init: true }] },
    },
  });
  return { url: emulator.url, token, reset: () => emulator.reset(), stop: () => emulator.close() };
}

/**
 * The emulator with GitHub's own words where it has others: of a collaborator's `permission` there are four, and what
 * else a role may is told by `role_name` alone.
 * https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
 */
export function inGitHubsWords(url: string): (request: Request) => Promise<Response> {
  const permissions: Record<string, string> = { push: 'write', maintain: 'write', triage: 'read', pull: 'read' };
  return async request => {
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const body = method === 'GET' ? null : await request.arrayBuffer();
    const answer = await fetch(`${url}${pathname}${search}`, { method, headers, body });
    if (!/\/collaborators\/[^/]+\/permission$/.test(pathname) || !answer.ok) return answer;
    const said = (await answer.json()) as { permission: string };
    return Response.json({ ...said, permission: permissions[said.permission] ?? said.permission });
  };
}
