import type pg from 'pg';
import type { OpsError } from '../errors/index.ts';
import type { ChildSpec } from '../process/index.ts';
import { lostConnection, pgError } from './errors.ts';
import { libpqEnv } from './libpq.ts';
import { open } from './open.ts';
import type { PostgresTarget } from './target.ts';

/**
 * The failure of work that several connections and client programs do together on a server that has answered before.
 *
 * When the server goes away each of them fails in its own words and at its own time: a socket breaks, a new connection is
 * refused, a snapshot whose owner is gone does not exist, `pg_dumpall` says that it could not connect and keeps the
 * reason to itself. Whichever is first is chance, so what does not say by itself that the server is gone is held against the
 * server once more, and all of them come out as `PG_LOST`.
 * @param session the connection on which the others depend (it holds their snapshot)
 */
export async function workFailure(thrown: unknown, target: PostgresTarget, session?: pg.Client): Promise<OpsError> {
  const error = pgError(thrown, target);
  if (error.code === 'PG_UNREACHABLE') return lostConnection(target, `a new one was refused: ${error.message}`, thrown);
  const isOfProgram = error.code === 'PG_DUMP' || error.code === 'PG_RESTORE';
  if (session && (isOfProgram || error.code === 'PG_QUERY')) {
    const reason = await sessionFailure(session, target);
    if (reason?.code === 'PG_LOST') return reason;
  }
  if (!isOfProgram) return error;
  const refusal = await connectFailure(target);
  if (refusal?.code === 'PG_UNREACHABLE') return lostConnection(target, `${error.message}; ${refusal.message}`, error);
  if (!couldNotConnect.test(error.message)) return error;
  return refusal ?? lostConnection(target, `${error.message}; by now the server takes connections again`, error);
}

/**
 * What every client program of PostgreSQL is started with: the environment with which it reaches `target`, and the same
 * errors for a connection that fails as our own connections have.
 */
export function clientProgram(target: PostgresTarget, spec: Omit<ChildSpec, 'explain'>): ChildSpec {
  return {
    ...spec,
    env: { ...libpqEnv(target), ...spec.env },
    hint: stderr => spec.hint?.(stderr) ?? (stderr === '' ? undefined : ownWordsHint),
    explain: stderr => serverError(stderr, target),
  };
}

const ownWordsHint = 'These are its own words; the log of the server for that time may say more.';

/** How long a server that does not answer may keep a failure from being told. */
const askForMs = 5_000;

/** Where libpq and the server say that a connection broke; older versions word a refused one differently. */
const brokenConnection = new RegExp(
  [
    'server closed the connection',
    'terminating (connection|background)',
    'connection to server was lost',
    'no connection to the server',
    'could not (receive data from|send data to) (server|client)',
    'SSL (SYSCALL error|connection has been closed)',
    'the database system is (starting|shutting|in recovery|not)',
    'Connection (refused|reset|timed out)',
    'timeout expired',
  ].join('|'),
  'i',
);
/** All that `pg_dumpall --database` says when it cannot connect, for whatever reason. */
const couldNotConnect = /could not connect to database/;
const refusedConnection =
  /connection to server .* failed: (?:FATAL|ERROR): +(.+)|could not connect to server: FATAL: +(.+)/;
const cancelledStatement = /canceling statement due to (lock timeout)?.*/;

/** What became of the connection of a client program, from its whole stderr; undefined for any other failure. */
function serverError(stderr: string, target: PostgresTarget): OpsError | undefined {
  const lines = stderr.split('\n').map(line => line.trim());
  const broken = lines.find(line => brokenConnection.test(line));
  if (broken) return lostConnection(target, broken);
  for (const line of lines) {
    const refused = refusedConnection.exec(line);
    const refusal = refused && asServerError(refused[1] ?? refused[2]!, undefined, target);
    if (refusal && refusal.code !== 'PG_QUERY') return refusal; // else its own words say as much
    const stopped = cancelledStatement.exec(line);
    if (stopped) return asServerError(stopped[0], stopped[1] ? lockNotAvailable : queryCanceled, target);
  }
  return undefined;
}

/** SQLSTATEs that the text of a program leaves out: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const lockNotAvailable = '55P03';
const queryCanceled = '57014';

function asServerError(message: string, code: string | undefined, target: PostgresTarget): OpsError {
  return pgError(Object.assign(new Error(message), { severity: 'ERROR', code }), target);
}

async function sessionFailure(session: pg.Client, target: PostgresTarget): Promise<OpsError | undefined> {
  try {
    // An aborted transaction refuses every statement but this one, and is no lost connection.
    await session.query({ text: 'rollback', query_timeout: askForMs } as pg.QueryConfig);
    return undefined;
  } catch (thrown) {
    return /^Query read timeout/.test((thrown as Error).message)
      ? lostConnection(target, `the server has not answered for ${askForMs / 1000} s`, thrown)
      : pgError(thrown, target);
  }
}

async function connectFailure(target: PostgresTarget): Promise<OpsError | undefined> {
  try {
    const client = await open(target, { connectTimeoutMs: askForMs });
    await client.end();
    return undefined;
  } catch (thrown) {
    return pgError(thrown, target, 'connect');
  }
}
