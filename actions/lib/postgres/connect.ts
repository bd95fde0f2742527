import type pg from 'pg';
import { pgError } from './errors.ts';
import { cancelled, type OpenOptions, open } from './open.ts';
import { assertHoldsSnapshot, isBehindPooler } from './pooler.ts';
import type { PostgresTarget } from './target.ts';

export interface ConnectOptions extends OpenOptions {
  /** 0 turns the server's own limit off. Absent: the server's setting stays. */
  statementTimeoutMs?: number;
  /** Session settings, e.g. `{ search_path: '' }`. */
  settings?: Record<string, string>;
}

/**
 * Session settings for work that takes hours: a role or a database may have limits that are meant for an application. A
 * server too old to know one of them (`idle_session_timeout` came with 14, `transaction_timeout` with 17) is not told.
 */
export const withoutTimeLimits: Readonly<Record<string, string>> = {
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
};

/**
 * An open connection. Losing it later rejects the running and every later query; it never raises an unhandled 'error'.
 * The caller ends it with `client.end()`.
 *
 * Session settings are only set on a real session: through a pooler in transaction mode they would stay on a server
 * connection that the application gets next, so such a pooler is refused first.
 * Codes: those of `pgError`; PG_POOLER; CANCELLED.
 */
export async function connect(target: PostgresTarget, options: ConnectOptions = {}): Promise<pg.Client> {
  const settings: Record<string, string> = { ...options.settings };
  if (options.statementTimeoutMs !== undefined) settings.statement_timeout = String(options.statementTimeoutMs);
  const client = await open(target, options);
  try {
    if (Object.keys(settings).length > 0) {
      if (await isBehindPooler(client)) await assertHoldsSnapshot(client, target);
      await client.query(
        `select pg_catalog.set_config(name, value, false) from unnest($1::text[], $2::text[]) s(name, value)
          where name <> all ($3) or name in (select k.name from pg_catalog.pg_settings k)`,
        [Object.keys(settings), Object.values(settings), Object.keys(withoutTimeLimits)],
      );
    }
    return client;
  } catch (thrown) {
    await client.end().catch(() => {});
    throw cancelled(options.signal) ?? pgError(thrown, target);
  }
}
