import type pg from 'pg';
import { pinnedSettings } from '../../backup/index.ts';
import { OpsError } from '../../errors/index.ts';
import { assertHoldsSnapshot, connect, type PostgresTarget, pgError } from '../../postgres/index.ts';
import { assertSupported } from '../session/index.ts';

/** Two integers, so that no application that takes a bigint by chance takes ours: "prod", "clea". */
const lockKey = [0x7072_6f64, 0x636c_6561] as const;

/** The longest that one statement of a batch may take: longer ones are cut smaller. */
const statementTimeoutMs = 60_000;

/**
 * The one connection that a clean-up works over, and the lock that makes it the only one in this database.
 * @throws OpsError `PG_POOLER`; `PG_TOO_OLD`; `CLEANUP_READ_ONLY`; `CLEANUP_RUNNING`; those of `pgError`
 */
export async function openCleanupSession(
  target: PostgresTarget,
  options: { lockTimeoutSeconds: number; signal: AbortSignal },
): Promise<pg.Client> {
  const client = await connect(target, {
    applicationName: 'production-ops cleanup',
    signal: options.signal,
    settings: {
      ...pinnedSettings,
      lock_timeout: `${Math.max(1, Math.round(options.lockTimeoutSeconds * 1000))}ms`,
      // A run that is stuck in the middle of a batch gives its locks back.
      idle_in_transaction_session_timeout: '10min',
      client_min_messages: 'warning',
    },
    statementTimeoutMs,
  });
  try {
    await assertHoldsSnapshot(client, target);
    const { rows } = await client.query<{ version: number; recovering: boolean; readonly: string; taken: boolean }>(
      `select current_setting('server_version_num')::int as version,
              pg_catalog.pg_is_in_recovery() as recovering, current_setting('transaction_read_only') as readonly,
              case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_try_advisory_lock($1, $2) end as taken`,
      [...lockKey],
    );
    const { version, recovering, readonly, taken } = rows[0]!;
    assertSupported(version, target);
    if (recovering || readonly === 'on') {
      throw new OpsError('CLEANUP_READ_ONLY', `${target.display} ${recovering ? 'is a replica' : 'only reads'}`, {
        hint: 'Set DATABASE_URL to the primary, with a role that may delete.',
        exit: 'usage',
      });
    }
    if (!taken) {
      throw new OpsError('CLEANUP_RUNNING', `Another clean-up is at work on ${target.display}`, {
        hint: 'Wait for it: it goes on where this one would have begun.',
      });
    }
    return client;
  } catch (thrown) {
    await client.end().catch(() => {});
    throw pgError(thrown, target);
  }
}
