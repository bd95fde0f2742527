import type { Check } from '../../reports/index.ts';
import type { Applied } from './apply-changes.ts';
import type { Leftover } from './leftovers.ts';
import type { ChangeOutcome } from './outcome.ts';

export function checksOf(applied: Pick<Applied, 'outcomes' | 'leftovers'>, database: string): Check[] {
  return [
    ...applied.outcomes.map(outcome => changeCheck(outcome)),
    ...applied.outcomes.flatMap(outcome => plannerCheck(outcome)),
    leftoverCheck(applied.leftovers, database),
  ];
}

function changeCheck(outcome: ChangeOutcome): Check {
  const { status, index, message } = outcome;
  const isWell = status === 'done' || status === 'planned' || status === 'nothing to do';
  return {
    id: 'database.apply.change',
    target: index,
    status: isWell ? 'ok' : status === 'failed' ? 'critical' : 'warning',
    value: null,
    threshold: null,
    unit: '',
    message: `${outcome.kind} ${index}: ${status}, ${message}`,
  };
}

/** Built, and of no use: what was offered for a statement is not what the planner takes. */
function plannerCheck({ planner, index, rollback }: ChangeOutcome): Check[] {
  if (!planner || planner.asked === 0) return [];
  return [
    {
      id: 'database.apply.used',
      target: index,
      status: planner.used > 0 ? 'ok' : 'warning',
      value: planner.used,
      threshold: 1,
      unit: 'statements',
      message:
        planner.used > 0
          ? `The planner uses ${index} for ${planner.used} of the ${planner.asked} statements it was advised for`
          : `The planner uses ${index} for none of the ${planner.asked} statements it was advised for; to take it back: ${rollback.join(' ')}`,
    },
  ];
}

/** Also for other reports: what is half made is reported by whoever looks at indexes. */
export function leftoverCheck(leftovers: readonly Leftover[], database: string): Check {
  const over = leftovers.filter(leftover => leftover.origin !== 'in work');
  const ours = over.filter(leftover => leftover.origin === 'ours');
  const names = over.map(leftover => `${leftover.schema}.${leftover.index} (${leftover.origin})`);
  return {
    id: 'database.indexes.leftover',
    target: database,
    status: ours.length > 0 ? 'critical' : over.length > 0 ? 'warning' : 'ok',
    value: over.length,
    threshold: 0,
    unit: 'indexes',
    message:
      over.length === 0
        ? 'No index is half made'
        : `${over.length === 1 ? 'One index is' : `${over.length} indexes are`} half made: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`,
  };
}
