import { indexName } from '../indexes/index.ts';
import type { SizedCandidate } from './candidate.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { ChosenIndex } from './result.ts';

/** A statement as the chosen set leaves it, and what nobody could be asked about for it. */
export interface OpenStatement {
  statement: PlannedStatement;
  costBefore: number;
  costAfter: number;
  /** Milliseconds of the window that it still takes, by planner cost. */
  leftMs: number;
  candidates: readonly SizedCandidate[];
}

/** A statement that the chosen set leaves with more than this share of its cost is still open. */
const openShare = 0.3;

/**
 * Indexes to be proved although the planner could not be asked about them: GIN where there is HypoPG, which does not know
 * it, and no planner copy. For each statement that the rest does not help, the costliest first, its smallest candidate, as
 * long as there is room. That they are used and pay is for the proof to say, without which nothing is offered.
 */
export function unjudgedIndexes(open: readonly OpenStatement[], roomBytes: number): ChosenIndex[] {
  const found = new Map<string, { candidate: SizedCandidate; statements: OpenStatement[] }>();
  let room = roomBytes;
  for (const each of [...open].sort((a, b) => b.leftMs - a.leftMs)) {
    if (each.costAfter <= each.costBefore * openShare) continue;
    const [smallest] = [...each.candidates].sort((a, b) => a.bytes - b.bytes);
    if (!smallest) continue;
    const known = found.get(smallest.id);
    if (known) known.statements.push(each);
    else if (smallest.bytes <= room) {
      found.set(smallest.id, { candidate: smallest, statements: [each] });
      room -= smallest.bytes;
    }
  }
  return [...found.values()].map(({ candidate, statements }) => ({
    definition: candidate.definition,
    name: indexName(candidate.definition),
    estimatedBytes: candidate.bytes,
    prerequisites: [...candidate.prerequisites],
    statements: statements.map(({ statement, costBefore, costAfter }) => ({
      fingerprint: statement.workload.fingerprint,
      costBefore,
      costAfter,
    })),
    savedMs: 0,
    writeMs: 0,
    reason: `${candidate.purpose}: HypoPG does not know ${candidate.definition.method.toUpperCase()}, so only the proof can say`,
  }));
}
