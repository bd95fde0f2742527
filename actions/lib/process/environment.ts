import type { ChildSpec } from './child.ts';

/** What a program needs to be found, to find its files and to speak one language; nothing that could be a secret. */
const inherited = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'SSL_CERT_FILE', 'SSL_CERT_DIR'] as const;

/** The environment of a child: a small base, then `spec.env`; an undefined value removes a name. */
export function childEnvironment(spec: Pick<ChildSpec, 'env' | 'uid'>): Record<string, string> {
  const base: Record<string, string | undefined> = { LANG: 'C.UTF-8', TZ: 'UTC' };
  for (const name of inherited) if (process.env[name]) base[name] = process.env[name];
  // Another user cannot enter our home, and libpq takes the EACCES on ~/.postgresql for a broken set-up.
  if (spec.uid !== undefined && spec.uid !== process.getuid?.()) base.HOME = '/nonexistent';
  return Object.fromEntries(
    Object.entries({ ...base, ...spec.env }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
