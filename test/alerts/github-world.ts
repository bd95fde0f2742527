import { createEmulator } from 'emulate';
import { alertPolicy } from '../../actions/lib/alerts/policy.ts';
import { configSchema } from '../../actions/lib/config/schema.ts';
import { createGitHub, type GitHub } from '../../actions/lib/github/index.ts';
import { type Log, silentLog } from '../../actions/lib/log/index.ts';
import { inGitHubsWords } from '../services/github-emulator.ts';
import { type GitHubProxy, startGitHubProxy } from '../services/github-proxy.ts';
import type { AlertsInput } from './model.ts';

export const botToken = 'ghs_bot-token-0123456789';
export const personToken = 'ghp_person-token-0123456789';
export const otherToken = 'ghp_other-token-0123456789';
export const ownerToken = 'ghp_owner-token-0123456789';
const repository = 'acme/ops';

export interface Issue {
  number: number;
  title: string;
  body: string;
  state: string;
  state_reason: string | null;
  labels: { name: string; color: string }[];
  assignees: { login: string }[];
  user: { login: string };
  comments: number;
}

/** A stateful GitHub with a fault proxy before it. */
export interface GitHubWorld extends AsyncDisposable {
  proxy: GitHubProxy;
  /** Every log line of clients of this world, `level: message`. */
  lines: string[];
  client(options?: { token?: string; timeoutMs?: number }): GitHub;
  /** Past the proxy: what a person does, or looks at. */
  ask<T>(method: string, path: string, body?: unknown, token?: string): Promise<T>;
  issues(): Promise<Issue[]>;
  comments(number: number): Promise<string[]>;
  reset(): void;
}

export async function openGitHubWorld(): Promise<GitHubWorld> {
  const emulator = await createEmulator({
    service: 'github',
    port: 0,
    seed: {
      tokens: {
        [botToken]: { login: 'github-actions[bot]', scopes: ['repo'] },
        [ownerToken]: { login: 'acme', scopes: ['repo'] },
        [personToken]: { login: 'anna', scopes: ['repo'] },
        [otherToken]: { login: 'ben', scopes: ['repo'] },
      },
      github: {
        users: [{ login: 'acme' }, { login: 'github-actions[bot]' }, { login: 'anna' }, { login: 'ben' }],
        repos: [{ owner: 'acme', name: 'ops' }],
      },
    },
  });
  const proxy = await startGitHubProxy(inGitHubsWords(emulator.url));
  const lines: string[] = [];
  const log: Log = {
    ...silentLog,
    info: message => lines.push(`info: ${message}`),
    warn: message => lines.push(`warn: ${message}`),
    error: message => lines.push(`error: ${message}`),
  };

  const ask = async <T>(method: string, path: string, body?: unknown, token = personToken) => {
    const answer = await fetch(`${emulator.url}/repos/${repository}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    // What was removed is answered with nothing.
    return (answer.status === 204 ? undefined : await answer.json()) as T;
  };

  return {
    proxy,
    lines,
    client: ({ token = botToken, timeoutMs = 10_000 } = {}) =>
      createGitHub({
        token,
        repository,
        apiUrl: proxy.url,
        log,
        signal: new AbortController().signal,
        // Nobody waits for a limit of a fake.
        sleep: async () => {},
        random: () => 0,
        timeoutMs,
      }),
    ask,
    issues: () => ask<Issue[]>('GET', '/issues?state=all&per_page=100&direction=asc'),
    comments: async number => {
      const list = await ask<{ body: string }[]>('GET', `/issues/${number}/comments?per_page=100`);
      return list.map(({ body }) => body);
    },
    reset() {
      emulator.reset();
      proxy.reset();
      lines.length = 0;
    },
    async [Symbol.asyncDispose]() {
      await proxy.stop();
      await emulator.close();
    },
  };
}

export function configOf(alerts: AlertsInput = {}) {
  return configSchema.parse({ platform: 'shop', alerts });
}

export function policyIn(alerts: AlertsInput = {}) {
  return alertPolicy(configOf(alerts).alerts);
}
