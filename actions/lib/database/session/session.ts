import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { connect, isBehindPooler, type PostgresTarget, pgError } from '../../postgres/index.ts';
import { type Privileges, readPrivileges } from './privileges.ts';

export interface SessionOptions {
  /** Shown in pg_stat_activity. Default: `production-ops`. */
  applicationName?: string;
  /** Of each statement, on the server. Default 30 s. */
  statementTimeoutMs?: number;
  /** Default 2 s: nobody waits behind us, and we wait behind nobody for long. */
  lockTimeoutMs?: number;
  signal?: AbortSignal;
}

export interface ReadOptions {
  statementTimeoutMs?: number;
  /** Settings of this transaction alone, e.g. `{ search_path: '"app", public' }`. */
  settings?: Readonly<Record<string, string>>;
}

/** A connection that only reads. Every call is one short transaction, so that no snapshot keeps VACUUM from its work. */
export interface DatabaseSession extends AsyncDisposable {
  readonly target: PostgresTarget;
  readonly versionNum: number;
  readonly major: number;
  readonly database: string;
  readonly isInRecovery: boolean;
  /** A pooler answers: two calls may be served by two server processes, and only what is in one transaction is one session. */
  readonly isPooled: boolean;
  readonly privileges: Privileges;
  /** Rows of one statement. Throws the codes of `pgError`. */
  rows<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[], options?: ReadOptions): Promise<Row[]>;
  /** Several statements in one transaction, hence on one server process; it is always rolled back. */
  transaction<T>(work: (query: Query, client: pg.Client) => Promise<T>, options?: ReadOptions): Promise<T>;
  end(): Promise<void>;
}

export type Query = <Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]) => Promise<Row[]>;

/** A server that accepted a statement and vanished would leave us waiting for as long as TCP believes in it. */
const answerWithinMs = 15_000;

/**
 * Opens a session on any PostgreSQL from 13 to 18, primary or replica, directly or through a pooler in session or
 * transaction mode: settings are those of a transaction (`set_config(…, true)`), and nothing stays on a pooled connection.
 * Codes: those of `pgError`; PG_POOLER for a pooler in statement mode; PG_TOO_OLD; CANCELLED.
 */
export async function openSession(target: PostgresTarget, options: SessionOptions = {}): Promise<DatabaseSession> {
  const client = await connect(target, {
    applicationName: options.applicationName ?? 'production-ops',
    ...(options.signal && { signal: options.signal }),
  });
  try {
    const reader = new Reader(client, target, options);
    const [row] = await reader.rows<{ version: string; database: string; recovering: boolean }>(
      `select current_setting('server_version_num') as version, current_database() as database,
              pg_is_in_recovery() as recovering`,
    );
    const versionNum = Number(row!.version);
    assertSupported(versionNum, target);
    const isPooled = target.saysPooler || (await reader.transaction(() => isBehindPooler(client)));
    const privileges = await readPrivileges((sql, values) => reader.rows(sql, values));
    return Object.assign(reader, {
      versionNum,
      major: Math.floor(versionNum / 10_000),
      database: row!.database,
      isInRecovery: row!.recovering,
      isPooled,
      privileges,
    });
  } catch (thrown) {
    await client.end().catch(() => {});
    throw pgError(thrown, target);
  }
}

class Reader {
  readonly target: PostgresTarget;
  readonly #client: pg.Client;
  readonly #options: SessionOptions;
  /** The end of the last transaction: statements of two must not mix on one connection. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(client: pg.Client, target: PostgresTarget, options: SessionOptions) {
    this.#client = client;
    this.target = target;
    this.#options = options;
  }

  async rows<Row extends pg.QueryResultRow>(
    sql: string,
    values?: readonly unknown[],
    options?: ReadOptions,
  ): Promise<Row[]> {
    return this.transaction(query => query<Row>(sql, values), options);
  }

  transaction<T>(work: (query: Query, client: pg.Client) => Promise<T>, options: ReadOptions = {}): Promise<T> {
    const mine = this.#last.then(() => this.#transaction(work, options));
    this.#last = mine.catch(() => {});
    return mine;
  }

  async #transaction<T>(work: (query: Query, client: pg.Client) => Promise<T>, options: ReadOptions): Promise<T> {
    const statementTimeoutMs = options.statementTimeoutMs ?? this.#options.statementTimeoutMs ?? 30_000;
    const settings: Record<string, string> = {
      search_path: '',
      statement_timeout: String(statementTimeoutMs),
      lock_timeout: String(this.#options.lockTimeoutMs ?? 2_000),
      idle_in_transaction_session_timeout: '60000',
      ...options.settings,
    };
    const query: Query = async <Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]) => {
      // `query_timeout` of one query is missing from the types of pg, and read by its client.
      const config = { text: sql, values: values && [...values], query_timeout: statementTimeoutMs + answerWithinMs };
      return (await this.#client.query<Row>(config)).rows;
    };
    try {
      await query('begin isolation level read committed, read only');
      try {
        await query(
          'select pg_catalog.set_config(name, value, true) from unnest($1::text[], $2::text[]) s(name, value)',
          [Object.keys(settings), Object.values(settings)],
        );
        return await work(query, this.#client);
      } finally {
        await query('rollback').catch(() => {});
      }
    } catch (thrown) {
      throw pgError(thrown, this.target);
    }
  }

  async end(): Promise<void> {
    await this.#client.end().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

const oldestMajor = 13;

/** @throws OpsError `PG_TOO_OLD` (exit 2) for a server before the oldest major that all of this is tried on */
export function assertSupported(versionNum: number, target: PostgresTarget): void {
  const major = Math.floor(versionNum / 10_000);
  if (major >= oldestMajor) return;
  throw new OpsError('PG_TOO_OLD', `${target.display} is PostgreSQL ${major}, which is too old for this`, {
    hint: `PostgreSQL ${oldestMajor} to 18 can be looked after. The versions before get no security fixes any more: upgrade it.`,
    exit: 'usage',
  });
}
