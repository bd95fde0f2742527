import { OpsError, toOpsError } from '../errors/index.ts';
import type { PostgresTarget } from './target.ts';

/** A server error as pg throws it; read structurally, because errors of pools and wrappers are not the same class. */
interface Thrown {
  message: string;
  code?: string;
  syscall?: string;
  /** Only a message of the server has a severity. */
  severity?: string;
}

/**
 * Any error of pg as an `OpsError` that names the target without its password:
 * PG_AUTH, PG_UNREACHABLE, PG_NO_DATABASE, PG_TLS, PG_TOO_MANY, PG_LOST, PG_CANCELLED (the statement, by somebody or a time limit
 * of the server), PG_LOCKED, PG_DENIED, PG_POOLER, PG_QUERY (everything
 * else, with SQLSTATE and the server's message), CANCELLED for an abort.
 * @param phase while connecting, a connection that ends is a server that could not be reached, not one that was lost
 */
export function pgError(thrown: unknown, target: PostgresTarget, phase: 'connect' | 'query' = 'query'): OpsError {
  if (thrown instanceof OpsError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') return toOpsError(thrown);
  const error = read(thrown);
  const said = withoutPassword(error.message, target);
  const kind = error.severity === undefined ? kindOfLocal(error, phase) : kindOfServer(error, phase);
  const at = target.display;
  const make = (message: string, hint?: string) =>
    new OpsError(kind, message, { hint, cause: scrubbed(thrown, target) });
  switch (kind) {
    case 'PG_AUTH':
      return make(`PostgreSQL refused the login to ${at}: ${said}`, authHint(said));
    case 'PG_UNREACHABLE':
      return make(`PostgreSQL at ${at} could not be reached: ${said}`, reachHint(error));
    case 'PG_NO_DATABASE':
      return make(`The database of ${at} does not exist: ${said}`, 'Check the name after the last / of the URL.');
    case 'PG_TLS':
      return make(`No secure connection to ${at}: ${said}`, tlsHint(said));
    case 'PG_TOO_MANY':
      return make(`PostgreSQL at ${at} has no connection left: ${said}`, 'Use fewer jobs, or raise max_connections.');
    case 'PG_LOST':
      return lostConnection(target, said, scrubbed(thrown, target));
    case 'PG_CANCELLED':
      return make(
        `The server cancelled a statement on ${at}: ${said}`,
        'An administrator or a time limit (statement_timeout of the role or the database) did; run again.',
      );
    case 'PG_LOCKED':
      return make(
        `Somebody holds a lock on ${at} that keeps a statement waiting: ${said}`,
        'pg_locks and pg_stat_activity show who; run again when it is given back.',
      );
    case 'PG_DENIED':
      return make(`The role ${target.user} may not do this on ${at}: ${said}`, `Grant it to the role ${target.user}.`);
    case 'PG_POOLER':
      return poolerError(target, said, thrown);
    case 'PG_QUERY':
      return make(
        `PostgreSQL refused a statement on ${at}: ${said}${error.code ? ` (SQLSTATE ${error.code})` : ''}`,
        'The log of the server shows the statement.',
      );
  }
}

/** A server, or one session of it, that was there before. */
export function lostConnection(target: PostgresTarget, said: string, cause?: unknown): OpsError {
  return new OpsError('PG_LOST', `The connection to ${target.display} was lost: ${said}`, {
    hint: 'Look at the log of the server for that time; run again.',
    cause,
  });
}

/** A pooler that gives each transaction another server session; nothing that needs a session can work through it. */
export function poolerError(target: PostgresTarget, evidence: string, cause?: unknown): OpsError {
  return new OpsError('PG_POOLER', `${target.display} is a pooler that cannot hold a session: ${evidence}`, {
    hint: directHint(target),
    cause: cause === undefined ? undefined : scrubbed(cause, target),
  });
}

type Kind =
  | 'PG_AUTH'
  | 'PG_UNREACHABLE'
  | 'PG_NO_DATABASE'
  | 'PG_TLS'
  | 'PG_TOO_MANY'
  | 'PG_LOST'
  | 'PG_CANCELLED'
  | 'PG_LOCKED'
  | 'PG_DENIED'
  | 'PG_POOLER'
  | 'PG_QUERY';

/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function kindOfServer(error: Thrown, phase: 'connect' | 'query'): Kind {
  const code = error.code ?? '';
  // PgBouncer answers nearly everything with 08P01 and tells the kind in words only.
  if (/unsupported startup parameter|not allowed in (statement|transaction) pooling/i.test(error.message)) {
    return 'PG_POOLER';
  }
  if (
    /no more connections allowed|remaining connection slots|too many (clients|connections)|max clients reached/i.test(
      error.message,
    )
  ) {
    return 'PG_TOO_MANY';
  }
  if (/^no such database|database .* does not exist$/i.test(error.message)) return 'PG_NO_DATABASE';
  if (/no such user|password authentication failed|SASL authentication failed/i.test(error.message)) return 'PG_AUTH';
  if (/no encryption|SSL required|requires? SSL/i.test(error.message) && code.startsWith('28')) return 'PG_TLS';
  if (code.startsWith('28')) return 'PG_AUTH';
  if (code === '3D000') return 'PG_NO_DATABASE';
  if (code === '53300') return 'PG_TOO_MANY';
  if (code === '42501') return 'PG_DENIED';
  if (code === '57014') return 'PG_CANCELLED';
  if (code === '55P03') return 'PG_LOCKED';
  // Shutdown, crash of another session, start-up, drop of the database, idle time-outs; and the 08 class.
  if (/^(57P0[1-5]|25P03|25P04|08...)$/.test(code)) return phase === 'connect' ? 'PG_UNREACHABLE' : 'PG_LOST';
  return 'PG_QUERY';
}

/** Errors that arise on our side of the wire: sockets, TLS, and pg's own texts. */
function kindOfLocal(error: Thrown, phase: 'connect' | 'query'): Kind {
  const code = error.code ?? '';
  if (/^SASL|client password must be|no password supplied/i.test(error.message)) return 'PG_AUTH';
  if (/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|ERR_OSSL)/.test(code)) return 'PG_TLS';
  if (/SSL connection|certificate/i.test(error.message)) return 'PG_TLS';
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EHOSTDOWN)/.test(code))
    return 'PG_UNREACHABLE';
  if (error.syscall === 'connect' || /timeout expired/i.test(error.message)) return 'PG_UNREACHABLE';
  const isBroken = /^(ECONNRESET|EPIPE|ETIMEDOUT|ECONNABORTED|ERR_STREAM)/.test(code);
  if (isBroken || /connection (terminated|ended|error)|not queryable|client was closed/i.test(error.message)) {
    return phase === 'connect' ? 'PG_UNREACHABLE' : 'PG_LOST';
  }
  return 'PG_QUERY';
}

function authHint(said: string): string {
  return /pg_hba/.test(said)
    ? 'The server does not accept this user from this address: see its pg_hba.conf or its list of allowed networks.'
    : 'Check user and password in the URL; special characters in a password must be percent-encoded.';
}

function reachHint(error: Thrown): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'Nothing listens there: check host and port, and that the server runs.';
    case 'ENOTFOUND':
      return 'The host name is not known: check it in the URL.';
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
      return 'No route to it. Many hosted databases answer on IPv6 only, which GitHub runners lack: use their IPv4 or session-mode endpoint.';
    case 'ENOENT':
    case 'EACCES':
      return 'Check the folder of the unix socket, and that this user may enter it.';
    case '57P03':
      return 'The server is starting, stopping or recovering: try again when it accepts connections.';
    default:
      return 'A firewall or an allow-list that does not know this machine is the usual reason.';
  }
}

function tlsHint(said: string): string {
  if (/does not support SSL/i.test(said))
    return 'The server offers no TLS: use sslmode=disable only inside a private network.';
  if (/no encryption|SSL required/i.test(said)) return 'The server demands TLS: add sslmode=require to the URL.';
  return 'Give the right authority with sslrootcert=FILE, or choose sslmode=require to encrypt without checking who answers.';
}

/** How each host calls its direct endpoint. */
function directHint(target: PostgresTarget): string {
  if (/-pooler\./.test(target.host)) return 'Use the direct endpoint: the same host without "-pooler".';
  if (/pooler\.supabase\./.test(target.host))
    return 'Use the direct endpoint, or the session-mode pooler on port 5432.';
  if (target.port === 6543)
    return 'Use the direct endpoint of the database (usually port 5432), not the pooler on 6543.';
  return 'Use the direct endpoint of the database, or a pooler in session mode.';
}

function read(thrown: unknown): Thrown {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const error = thrown as Error & Omit<Thrown, 'message'>;
  // Node tries IPv4 and IPv6 in turn and reports both as one AggregateError with an empty message.
  const inner = thrown instanceof AggregateError ? (thrown.errors[0] as Thrown | undefined) : undefined;
  return {
    message: error.message || inner?.message || error.code || 'no reason given',
    code: error.code ?? inner?.code,
    syscall: error.syscall ?? inner?.syscall,
    severity: error.severity,
  };
}

function withoutPassword(text: string, target: PostgresTarget): string {
  const { password } = target;
  return password && password.length >= 4 ? text.replaceAll(password, '***') : text;
}

/** A cause is printed with LOG_LEVEL=debug, so it passes the same filter. */
function scrubbed(thrown: unknown, target: PostgresTarget): unknown {
  if (!(thrown instanceof Error)) return undefined;
  const { password } = target;
  return password && password.length >= 4 && (thrown.stack ?? thrown.message).includes(password) ? undefined : thrown;
}
