import { z } from 'zod';
import type { MeasuredStatement } from './group.ts';

/**
 * The counters of one moment, as a report keeps them: two of them say what happened between. By fingerprint: calls,
 * milliseconds, mean milliseconds between this reading and the one before it (null: not known), and since when it is slow
 * (seconds of the epoch; 0: it is not).
 */
export const readingSchema = z.strictObject({
  at: z.iso.datetime(),
  resetAt: z.iso.datetime().nullable(),
  statements: z.record(z.string(), z.tuple([z.number(), z.number(), z.number().nullable(), z.number()])),
});
export type Reading = z.infer<typeof readingSchema>;

export interface StatementDelta {
  /** In the window. */
  calls: number;
  totalMs: number;
  meanMs: number | null;
  /** In the window before; null when it is not known. */
  previousMeanMs: number | null;
  slowSince: Date | null;
  /** Not seen in the reading before. */
  isNew: boolean;
}

export interface Deltas {
  /** `reset`: the counters were set to zero since the last reading, and count from then on. */
  kind: 'first' | 'since' | 'reset';
  /** Begin of the window; null when it is not known. */
  from: Date | null;
  seconds: number | null;
  statements: ReadonlyMap<string, StatementDelta>;
}

export interface DeltaOptions {
  at: Date;
  /** When the counters were set to zero, as the server says. */
  resetAt: Date | null;
  isSlow: (delta: { calls: number; meanMs: number }) => boolean;
}

/** What happened since the last reading; without one, or after a reset, since the counters began. */
export function deltasOf(
  statements: readonly MeasuredStatement[],
  previous: Reading | undefined,
  { at, resetAt, isSlow }: DeltaOptions,
): Deltas {
  const kind = previous === undefined ? 'first' : wasReset(statements, previous, resetAt) ? 'reset' : 'since';
  const from = kind === 'since' ? new Date(previous!.at) : resetAt;
  const found = statements.map((statement): [string, StatementDelta] => {
    const known = previous?.statements[statement.fingerprint];
    // An entry that was evicted and came again counts from zero, while the others go on.
    const base = kind === 'since' && known !== undefined && known[0] <= statement.calls ? known : undefined;
    const calls = statement.calls - (base?.[0] ?? 0);
    const totalMs = Math.max(0, statement.totalMs - (base?.[1] ?? 0));
    const meanMs = calls > 0 ? totalMs / calls : null;
    const slow = meanMs !== null && isSlow({ calls, meanMs });
    const wasSlow = known !== undefined && known[3] > 0;
    return [
      statement.fingerprint,
      {
        calls,
        totalMs,
        meanMs,
        previousMeanMs: known?.[2] ?? null,
        // One that was not called in between is as slow as it was.
        slowSince: slow || (calls === 0 && wasSlow) ? (wasSlow ? new Date(known[3] * 1000) : at) : null,
        isNew: previous !== undefined && known === undefined,
      },
    ];
  });
  return {
    kind,
    from,
    seconds: from === null ? null : Math.max(1, (at.getTime() - from.getTime()) / 1000),
    statements: new Map(found),
  };
}

/** The server says when (from 14 on); else most of what was known counts less than before. */
function wasReset(statements: readonly MeasuredStatement[], previous: Reading, resetAt: Date | null): boolean {
  if (resetAt !== null && previous.resetAt !== null) {
    return Math.floor(resetAt.getTime() / 1000) !== Math.floor(Date.parse(previous.resetAt) / 1000);
  }
  const known = statements.filter(({ fingerprint }) => previous.statements[fingerprint] !== undefined);
  const fewer = known.filter(({ fingerprint, calls }) => calls < previous.statements[fingerprint]![0]);
  return known.length === 0 ? Object.keys(previous.statements).length > 0 : fewer.length > known.length / 2;
}

/** The contents API of GitHub hands out files of up to 1 MB; the statements that cost the most are those asked about. */
const mostStatements = 2000;

export function readingOf(
  statements: readonly MeasuredStatement[],
  deltas: Deltas,
  at: Date,
  resetAt: Date | null,
): Reading {
  const kept = [...statements].sort((a, b) => b.totalMs - a.totalMs).slice(0, mostStatements);
  return {
    at: at.toISOString(),
    resetAt: resetAt?.toISOString() ?? null,
    statements: Object.fromEntries(
      kept.map(({ fingerprint, calls, totalMs }) => {
        const delta = deltas.statements.get(fingerprint)!;
        const mean = delta.meanMs ?? delta.previousMeanMs;
        const since = delta.slowSince === null ? 0 : Math.floor(delta.slowSince.getTime() / 1000);
        return [fingerprint, [calls, rounded(totalMs), mean === null ? null : rounded(mean), since]];
      }),
    ),
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(7));
}
