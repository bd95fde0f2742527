import type { SecretValues } from '../../config/index.ts';
import { toOpsError } from '../../errors/index.ts';
import { type PostgresTarget, parsePostgresUrl } from '../../postgres/index.ts';
import { type DatabaseSession, openSession } from '../session/index.ts';

/** How often indexes were read, on every server that was asked, and since when that has been counted. */
export interface IndexUsage {
  /** By schema and name, as `usageKey` writes them; the sum over all servers. */
  scans: ReadonlyMap<string, number>;
  /** The shortest time that a server has counted for. */
  windowSeconds: number;
  replicas: 'none given' | 'all asked' | 'not all asked';
  /** Why a replica could not be asked. */
  notes: string[];
}

export function usageKey(schema: string, name: string): string {
  return JSON.stringify([schema, name]);
}

/**
 * Asks the primary and the replicas of `DATABASE_REPLICA_URLS`: each counts only what it has read itself. A replica that
 * does not answer is named, and then nothing is called unused. Throws the codes of `pgError` for the primary.
 */
export async function readIndexUsage(
  primary: DatabaseSession,
  context: { secrets: Pick<SecretValues, 'databaseReplicaUrls'>; signal: AbortSignal },
): Promise<IndexUsage> {
  const urls = context.secrets.databaseReplicaUrls ?? [];
  const scans = new Map<string, number>();
  const notes: string[] = [];
  let windowSeconds = await countInto(scans, primary);
  for (const url of urls) {
    let target: PostgresTarget | undefined;
    try {
      target = parsePostgresUrl(url);
      await using replica = await openSession(target, { signal: context.signal });
      windowSeconds = Math.min(windowSeconds, await countInto(scans, replica));
    } catch (thrown) {
      context.signal.throwIfAborted();
      notes.push(`A replica was not asked, so no index counts as unused: ${toOpsError(thrown).message}`);
    }
  }
  const replicas = urls.length === 0 ? 'none given' : notes.length > 0 ? 'not all asked' : 'all asked';
  return { scans, windowSeconds, replicas, notes };
}

async function countInto(scans: Map<string, number>, session: DatabaseSession): Promise<number> {
  const rows = await session.rows<{ schema: string; name: string; scans: string }>(scansQuery);
  for (const row of rows) {
    const key = usageKey(row.schema, row.name);
    scans.set(key, (scans.get(key) ?? 0) + Number(row.scans));
  }
  const [window] = await session.rows<{ seconds: number }>(windowQuery);
  return window!.seconds;
}

const scansQuery = `
  select schemaname as schema, indexrelname as name, coalesce(idx_scan, 0)::text as scans
    from pg_catalog.pg_stat_user_indexes`;

// Never reset: counted at least since the server started, and nobody can say how long before.
const windowQuery = `
  select extract(epoch from now() - coalesce(
           (select stats_reset from pg_catalog.pg_stat_database where datname = current_database()),
           pg_catalog.pg_postmaster_start_time()))::float8 as seconds`;
