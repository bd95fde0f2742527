import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import { type Relation, readRelations } from './relations.ts';

export interface VacuumOutcome {
  table: string;
  removedRows: number;
  status: 'done' | 'not needed' | 'failed';
  message: string;
}

/** Whether so many rows removed are worth a VACUUM now, and not when autovacuum comes to it. */
export function isWorthVacuum(removedRows: number, rowsBefore: number, ratio: number): boolean {
  return removedRows > 0 && removedRows >= ratio * Math.max(rowsBefore, removedRows);
}

/**
 * VACUUM (ANALYZE) of what lost a good share of its rows. TRUNCATE is off: giving empty pages at the end back to the disk
 * takes an ACCESS EXCLUSIVE lock, for which everybody waits.
 * https://www.postgresql.org/docs/current/sql-vacuum.html
 */
export async function vacuumTables(
  client: pg.Client,
  removed: ReadonlyMap<string, number>,
  options: { ratio: number; rowsBefore: ReadonlyMap<string, number>; signal: AbortSignal },
): Promise<VacuumOutcome[]> {
  const relations = await readRelations(client, [...removed.keys()]);
  const outcomes: VacuumOutcome[] = [];
  for (const [oid, removedRows] of removed) {
    options.signal.throwIfAborted();
    const relation = relations.get(oid);
    if (!relation) continue;
    const table = `${relation.schema}.${relation.name}`;
    const before = options.rowsBefore.get(oid) ?? relation.rows;
    if (isWorthVacuum(removedRows, before, options.ratio)) {
      outcomes.push({ table, removedRows, ...(await vacuum(client, relation)) });
    } else {
      outcomes.push({ table, removedRows, status: 'not needed', message: 'autovacuum comes to it when it pays' });
    }
  }
  return outcomes;
}

async function vacuum(client: pg.Client, relation: Relation): Promise<Pick<VacuumOutcome, 'status' | 'message'>> {
  const sql = `VACUUM (ANALYZE, TRUNCATE false) ${quoteQualified(relation.schema, relation.name)}`;
  // A role without the right is told so by a warning, and the statement succeeds.
  const warnings: string[] = [];
  const listen = (notice: { message?: string | undefined }) => warnings.push(notice.message ?? '');
  client.on('notice', listen);
  try {
    await client.query(sql);
    return warnings.length > 0 ? { status: 'failed', message: warnings.join('; ') } : { status: 'done', message: sql };
  } catch (thrown) {
    if (thrown instanceof OpsError || !(thrown as { code?: string }).code) throw thrown;
    return { status: 'failed', message: (thrown as Error).message };
  } finally {
    client.off('notice', listen);
  }
}
