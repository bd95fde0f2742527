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
