import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { pgError, poolerError } from './errors.ts';
import { open } from './open.ts';
import type { PostgresTarget } from './target.ts';

/** A pool that hands out its connections in turn may give the same one again by luck; not this often. */
const rounds = 4;

/** A pooler whose connections are all in use lets the second one wait, by default for two minutes. */
const defaultWithinMs = 20_000;

/**
 * Makes sure that `client` (outside a transaction) is one session of the server and that a snapshot which it exports
 * can be imported by a second connection. Costs one extra connection and a few round trips; leaves no session state
 * behind on a pooled connection except an unused custom setting. At most `withinMs` (20 seconds).
 * Codes: PG_POOLER; those of `pgError`.
 */
export async function assertHoldsSnapshot(
  client: pg.Client,
  target: PostgresTarget,
  withinMs = defaultWithinMs,
): Promise<void> {
  const limit = AbortSignal.timeout(withinMs);
  try {
    const second = await open(target, { applicationName: 'production-ops probe', signal: limit });
    try {
      if (target.saysPooler || (await isBehindPooler(client))) await assertOneSession(client, second, target);
      await assertImports(client, second, target);
    } finally {
      await second.end().catch(() => {});
    }
  } catch (thrown) {
    await client.query('rollback').catch(() => {});
    if (limit.aborted) throw poolerError(target, `it gave no second session within ${withinMs / 1000} s`);
    throw pgError(thrown, target);
  }
}

/** A pooler greets with a cancel key of its own, so the process id in the greeting is not that of the backend. */
export async function isBehindPooler(client: pg.Client): Promise<boolean> {
  const greeted = (client as pg.Client & { processID: number | null }).processID;
  return (await backendPid(client)) !== greeted;
}

/** While `second` holds a transaction, `client` must keep its backend and its settings, and share neither. */
async function assertOneSession(client: pg.Client, second: pg.Client, target: PostgresTarget): Promise<void> {
  // A custom setting means nothing to anybody who gets this server connection after us.
  const mark = randomUUID();
  const pid = await backendPid(client);
  await client.query("select pg_catalog.set_config('production_ops.probe', $1, false)", [mark]);
  for (let round = 0; round < rounds; round++) {
    await second.query('begin');
    const secondPid = await backendPid(second);
    if (secondPid === pid) throw poolerError(target, 'two connections were given the same server process');
    const { rows } = await client.query<{ pid: number; mark: string | null }>(
      "select pg_catalog.pg_backend_pid() as pid, pg_catalog.current_setting('production_ops.probe', true) as mark",
    );
    if (rows[0]?.pid !== pid) throw poolerError(target, 'the server process changed between two statements');
    if (rows[0]?.mark !== mark) throw poolerError(target, 'a session setting was gone at the next statement');
    await second.query('commit');
  }
  await client.query('reset production_ops.probe');
}

/** Two connections that a proxy sends to different servers cannot share a snapshot either. */
async function assertImports(client: pg.Client, second: pg.Client, target: PostgresTarget): Promise<void> {
  await client.query('begin isolation level repeatable read, read only');
  const { rows } = await client.query<{ id: string }>('select pg_catalog.pg_export_snapshot() as id');
  await second.query('begin isolation level repeatable read, read only');
  try {
    await second.query(`set transaction snapshot '${rows[0]?.id}'`);
  } catch (thrown) {
    // 22023 invalid snapshot identifier, 42704 (from 17 on) snapshot does not exist.
    const code = (thrown as { code?: string }).code ?? '';
    if (['22023', '42704', '55000'].includes(code))
      throw poolerError(target, 'an exported snapshot was not found', thrown);
    throw thrown;
  }
  await second.query('commit');
  await client.query('commit');
}

async function backendPid(client: pg.Client): Promise<number | undefined> {
  const { rows } = await client.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  return rows[0]?.pid;
}
