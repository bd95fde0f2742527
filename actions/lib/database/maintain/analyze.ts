import type pg from 'pg';
import { quoteQualified } from '../../postgres/index.ts';
import type { Stale } from './stale.ts';

export interface AnalyzeOutcome {
  table: string;
  status: 'planned' | 'done' | 'failed';
  message: string;
  seconds: number;
}

/** ANALYZE of one table. It takes SHARE UPDATE EXCLUSIVE: readers and writers go on. */
export async function analyzeTable(client: pg.Client, stale: Stale): Promise<AnalyzeOutcome> {
  const table = `${stale.schema}.${stale.name}`;
  const began = performance.now();
  // A role without the right is told so by a warning, and the statement succeeds.
  const warnings: string[] = [];
  const listen = (notice: { message?: string | undefined }) => warnings.push(notice.message ?? '');
  client.on('notice', listen);
  try {
    await client.query(`ANALYZE ${quoteQualified(stale.schema, stale.name)}`);
    const seconds = (performance.now() - began) / 1000;
    if (warnings.length > 0) return { table, status: 'failed', message: warnings.join('; '), seconds };
    return { table, status: 'done', message: stale.reason, seconds };
  } catch (thrown) {
    const { code, message, severity } = thrown as { code?: string; message: string; severity?: string };
    // A table that is gone, locked or too large for the time says nothing about the others; a lost server does.
    if (severity !== 'ERROR' || code === undefined) throw thrown;
    return { table, status: 'failed', message, seconds: (performance.now() - began) / 1000 };
  } finally {
    client.off('notice', listen);
  }
}
