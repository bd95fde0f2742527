import type { Check } from '../../reports/index.ts';
import type { Drift } from './drift.ts';

const of = { id: 'database.indexes.drift', threshold: 0, unit: 'indexes' };

/** The same verdict for an analysis and for an advice; none is declared: there is nothing to drift from. */
export function driftCheck(drift: readonly Drift[], declared: number, target: string): Check[] {
  const [first] = drift;
  if (!first) {
    if (declared === 0) return [];
    return [{ ...of, target, status: 'ok', value: 0, message: `All ${declared} declared indexes are there` }];
  }
  const counts = Map.groupBy(drift, each => each.kind);
  const text = [...counts].map(([kind, list]) => `${list.length} ${kind}`).join(', ');
  const message = `${drift.length} indexes differ from database.indexes (${text}): ${first.why}`;
  return [{ ...of, target, status: 'warning', value: drift.length, message }];
}

export function unknownDriftCheck(why: string, target: string): Check {
  return { ...of, target, status: 'unknown', value: null, message: `not known: ${why}` };
}
