import type { CatalogTable } from '../catalog/index.ts';
import { definitionSql } from '../indexes/index.ts';
import type { SizedCandidate } from './candidate.ts';

/** A page that is found in memory takes about this share of what the planner reckons for it, as if it came from storage. */
const inMemoryWorth = 0.25;

/** For each candidate that carries columns the same one without them, by the id of the first. */
export function plainCandidates(candidates: readonly SizedCandidate[]): Map<string, SizedCandidate> {
  const known = new Map(candidates.map(candidate => [definitionSql(candidate.definition), candidate]));
  return new Map(
    candidates.flatMap(({ id, definition }) => {
      const plain = definition.include.length > 0 && known.get(definitionSql({ ...definition, include: [] }));
      return plain ? [[id, plain] as const] : [];
    }),
  );
}

/**
 * Which share of the cost that the planner saves by not visiting the pages of this table is really saved. All that columns
 * in an index save are these visits; where the server has found the table in its memory so far, they are cheap.
 */
export function visitWorth({ counters }: Pick<CatalogTable, 'counters'>): number {
  if (counters.pagesAsked <= 0) return 1;
  const inMemory = Math.min(1, counters.pagesInMemory / counters.pagesAsked);
  return 1 - inMemory * (1 - inMemoryWorth);
}
