import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { connect, type PostgresTarget, pgError } from '../../postgres/index.ts';
import type { ConnectionsData, PoolData } from './data.ts';

/**
 * What PgBouncer's admin console says. It is no database: it speaks the simple protocol alone, and knows SHOW. The role
 * needs to be among `stats_users`. Columns differ by version and are read by name (1.16 to 1.25).
 * Codes: PGBOUNCER_DENIED, PGBOUNCER_NOT_ADMIN; those of `pgError`.
 */
export async function readPooler(
  target: PostgresTarget,
  options: { signal: AbortSignal },
): Promise<NonNullable<ConnectionsData['pooler']>> {
  const client = await connect(target, { applicationName: 'production-ops', signal: options.signal });
  try {
    const version = String(Object.values((await show(client, 'VERSION'))[0] ?? {})[0] ?? '');
    const pools = await show(client, 'POOLS');
    const stats = await show(client, 'STATS');
    return {
      version,
      pools: pools.filter(isUser).map(poolOf),
      stats: stats.filter(isUser).map(row => ({
        database: String(row.database),
        transactionsPerSecond: number(row.avg_xact_count),
        queriesPerSecond: number(row.avg_query_count),
        // Microseconds.
        transactionMs: number(row.avg_xact_time) / 1000,
        queryMs: number(row.avg_query_time) / 1000,
        waitMs: number(row.avg_wait_time) / 1000,
      })),
    };
  } catch (thrown) {
    throw refused(thrown, target);
  } finally {
    await client.end().catch(() => {});
  }
}

type Row = Record<string, unknown>;

async function show(client: pg.Client, what: string): Promise<Row[]> {
  const config: pg.QueryConfig & { query_timeout: number } = { text: `SHOW ${what}`, query_timeout: 10_000 };
  return (await client.query<Row>(config)).rows;
}

/** The console counts itself as a pool. */
function isUser(row: Row): boolean {
  return row.database !== 'pgbouncer';
}

function poolOf(row: Row): PoolData {
  return {
    database: String(row.database),
    user: String(row.user),
    mode: String(row.pool_mode),
    clientsActive: number(row.cl_active),
    clientsWaiting: number(row.cl_waiting),
    serversActive: number(row.sv_active),
    serversIdle: number(row.sv_idle),
    maxWaitSeconds: number(row.maxwait) + number(row.maxwait_us) / 1_000_000,
  };
}

function number(value: unknown): number {
  return Number(value ?? 0) || 0;
}

function refused(thrown: unknown, target: PostgresTarget): OpsError {
  const error = pgError(thrown, target);
  if (/not allowed|admin access/i.test(error.message)) {
    return new OpsError('PGBOUNCER_DENIED', `PgBouncer does not show its pools to ${target.user}`, {
      hint: `Add ${target.user} to stats_users in pgbouncer.ini, and RELOAD.`,
      cause: thrown,
    });
  }
  if (error.code === 'PG_QUERY' && /unrecognized configuration parameter|syntax/i.test(error.message)) {
    return new OpsError('PGBOUNCER_NOT_ADMIN', `${target.display} is not the admin console of PgBouncer`, {
      hint: 'PGBOUNCER_ADMIN_URL must end in /pgbouncer, the name of its admin database.',
      cause: thrown,
    });
  }
  return error;
}
