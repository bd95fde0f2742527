import { userInfo } from 'node:os';
import { OpsError } from '../errors/index.ts';

/** One database of one server, and how to reach it. Holds a secret: show `display`, never the rest. */
export interface PostgresTarget {
  /** Canonical, with the password; only what libpq also understands. Never in an argv or a log. */
  url: string;
  /** A host name, an address, or the absolute folder of a unix socket. */
  host: string;
  port: number;
  user: string;
  password?: string;
  database: string;
  sslmode?: SslMode;
  /** Files, as in libpq; `sslrootcert` may be `system`. */
  sslrootcert?: string;
  sslcert?: string;
  sslkey?: string;
  channelBinding?: 'disable' | 'prefer' | 'require';
  /** Server options of the session, e.g. `-c search_path=app`. */
  options?: string;
  connectTimeoutSeconds?: number;
  /** The caller's URL says that a pooler answers there (Prisma's `pgbouncer=true`). */
  saysPooler?: boolean;
  /** `postgres://user@host:port/database`, without any secret. */
  display: string;
}

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

/**
 * Reads a `postgres://` or `postgresql://` URL as libpq does: percent-encoding, IPv6 in brackets, a unix socket as
 * `?host=/run/postgresql` or `postgres://%2Frun%2Fpostgresql/db`, and the query parameters that matter for reaching
 * the server. Parameters of other clients (`schema`, `connection_limit`, …) are left out.
 * The database defaults to the user, the user to the one of the operating system, the port to 5432.
 *
 * Not `new URL`: it refuses an encoded slash in the host, and its errors carry the whole input with the password.
 * Code: PG_URL (usage); no part of its message comes from where a password may be.
 */
export function parsePostgresUrl(url: string): PostgresTarget {
  const match = /^postgres(?:ql)?:\/\/([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/is.exec(url.trim());
  if (!match) {
    throw usage(
      'The database URL is not a postgres:// URL',
      'Write it as postgres://user:password@host:5432/database.',
    );
  }
  const [, authority = '', path = '', query = ''] = match;
  const at = authority.lastIndexOf('@');
  const [user, password] = splitOnce(at < 0 ? '' : authority.slice(0, at), ':');
  const place = readHost(authority.slice(at + 1));
  const parameters = readQuery(query);
  const get = (name: string): string | undefined => parameters.get(name) || undefined;

  const found: Omit<PostgresTarget, 'url' | 'display'> = {
    host: get('host') ?? (decode(place.host, 'host') || 'localhost'),
    port: readPort(get('port') ?? place.port),
    user: get('user') ?? (decode(user, 'user name') || userInfo().username),
    database: get('dbname') ?? decode(path, 'database name'),
  };
  found.database ||= found.user;
  const secret = get('password') ?? (password === undefined ? undefined : decode(password, 'password'));
  if (secret) found.password = secret;
  for (const name of ['sslrootcert', 'sslcert', 'sslkey', 'options'] as const) {
    const value = get(name);
    if (value !== undefined) found[name] = value;
  }
  const sslmode = get('sslmode') ?? (get('ssl') === 'true' ? 'require' : undefined);
  if (sslmode !== undefined) found.sslmode = readChoice('sslmode', sslmode, sslModes);
  const binding = get('channel_binding');
  if (binding) found.channelBinding = readChoice('channel_binding', binding, ['disable', 'prefer', 'require'] as const);
  const timeout = Number(get('connect_timeout'));
  if (Number.isInteger(timeout) && timeout > 0) found.connectTimeoutSeconds = timeout;
  if (get('pgbouncer') === 'true') found.saysPooler = true;

  for (const [what, value] of Object.entries({ host: found.host, user: found.user, database: found.database })) {
    if (/[\0\r\n]/.test(value)) throw usage(`The ${what} in the database URL holds a line break or NUL`, oneLineHint);
  }
  return complete(found);
}

/** The same server and user, another database. */
export function withDatabase(target: PostgresTarget, database: string): PostgresTarget {
  return complete({ ...target, database });
}

/** The same database, as somebody else. */
export function withUser(target: PostgresTarget, user: string, password: string): PostgresTarget {
  return complete({ ...target, user, password });
}

const oneLineHint = 'Check that the secret was pasted as one line.';
const encodeHint = 'Percent-encode special characters in user and password: / is %2F, @ is %40, : is %3A, # is %23.';

function complete(found: Omit<PostgresTarget, 'url' | 'display'>): PostgresTarget {
  const isSocket = found.host.startsWith('/');
  const host = found.host.includes(':') && !isSocket ? `[${found.host}]` : found.host;
  const place = isSocket ? '' : `${host}:${found.port}`;
  const user = encodeURIComponent(found.user);
  const secret = found.password === undefined ? '' : `:${encodeURIComponent(found.password)}`;
  const query: [string, string][] = isSocket ? [['host', found.host]] : [];
  if (isSocket && found.port !== 5432) query.push(['port', String(found.port)]);
  const database = encodeURIComponent(found.database);
  const display = `postgres://${user}@${place}/${database}${written(query)}`;

  if (found.sslmode) query.push(['sslmode', found.sslmode]);
  for (const name of ['sslrootcert', 'sslcert', 'sslkey', 'options'] as const) {
    if (found[name]) query.push([name, found[name]]);
  }
  if (found.channelBinding) query.push(['channel_binding', found.channelBinding]);
  if (found.connectTimeoutSeconds) query.push(['connect_timeout', String(found.connectTimeoutSeconds)]);
  return { ...found, url: `postgres://${user}${secret}@${place}/${database}${written(query)}`, display };
}

/** libpq reads `+` as itself, so a space must be `%20`. Slashes stay: they are legal in a query and easier to read. */
function written(query: readonly [string, string][]): string {
  if (query.length === 0) return '';
  return `?${query.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll('%2F', '/')}`).join('&')}`;
}

function readHost(text: string): { host: string; port: string } {
  if (text.includes(',')) {
    throw usage('The database URL names several hosts', 'Name one: a snapshot belongs to a single server.');
  }
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', port: bracketed[2] ?? '' };
  const [host, port = ''] = splitOnce(text, ':');
  return { host, port };
}

function readPort(text: string): number {
  if (text === '') return 5432;
  const port = Number(text);
  // The text is not repeated: an unencoded slash in a password puts a piece of it here.
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw usage('The port in the database URL is not a number from 1 to 65535', encodeHint);
  }
  return port;
}

function readQuery(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of query.split('&').filter(Boolean)) {
    const [name, value = ''] = splitOnce(part, '=');
    parameters.set(decode(name, 'parameter name'), decode(value, 'query'));
  }
  return parameters;
}

function readChoice<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const choice = choices.find(known => known === value);
  if (choice === undefined) {
    throw usage(
      `The ${name} in the database URL is not one that PostgreSQL knows`,
      `Use one of ${choices.join(', ')}.`,
    );
  }
  return choice;
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Without `cause`: the URIError is harmless, but nothing near a password is kept.
    throw usage(
      `The ${what} in the database URL has a % that is not followed by two hex digits`,
      'A literal % is %25.',
    );
  }
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)];
}

function usage(message: string, hint: string): OpsError {
  return new OpsError('PG_URL', message, { hint, exit: 'usage' });
}
