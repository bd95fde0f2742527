import type { TableFacts } from './facts.ts';

export interface Stale {
  schema: string;
  name: string;
  /** Changed rows as a share of all; above 1 when more rows changed than there are. */
  changedRatio: number;
  reason: string;
}

/**
 * Tables whose statistics are stale, the stalest first: never analysed though there are rows, or more changed since than
 * the share and the number allow. Autoanalyze never comes to a partitioned table itself.
 * https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-STATISTICS
 */
export function staleTables(tables: readonly TableFacts[], limits: { staleRatio: number; staleRows: number }): Stale[] {
  const stale = tables.flatMap((table): Stale[] => {
    const { schema, name, isPartitioned, rows, liveRows, heapBytes, changedSinceAnalyze, isAnalyzed } = table;
    const changedRatio = changedSinceAnalyze / Math.max(rows, liveRows, 1);
    if (isPartitioned) {
      return rows <= 0 && !isAnalyzed ? [{ schema, name, changedRatio: 1, reason: 'never analysed as a whole' }] : [];
    }
    // After a crash or a restore the counters are zero, whatever the table holds: its size counts.
    if (rows <= 0 && !isAnalyzed && heapBytes > 0) return [{ schema, name, changedRatio, reason: 'never analysed' }];
    if (changedSinceAnalyze < Math.max(limits.staleRows, 1) || changedRatio < limits.staleRatio) return [];
    const reason = `${changedSinceAnalyze} rows changed since the last ANALYZE`;
    return [{ schema, name, changedRatio, reason }];
  });
  return stale.sort((a, b) => b.changedRatio - a.changedRatio);
}
