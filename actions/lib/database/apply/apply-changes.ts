import type { OpsContext } from '../../context/index.ts';
import { toOpsError } from '../../errors/index.ts';
import type { PostgresTarget } from '../../postgres/index.ts';
import { pgError } from '../../postgres/index.ts';
import type { ApplyContext, CreateOrder } from './build.ts';
import { type ExpectedUser, namesOf, type OfferedChange } from './change.ts';
import { createIndex } from './create.ts';
import { dropIndex } from './drop.ts';
import { openLedger } from './ledger.ts';
import { findLeftovers, type Leftover, type Mended, mendRecorded } from './leftovers.ts';
import type { ApplyOptions } from './options.ts';
import type { ChangeOutcome, StepResult } from './outcome.ts';
import { reindex } from './reindex.ts';
import { openApplySessions } from './sessions.ts';
import { askPlanner } from './verify.ts';

export interface Applied {
  outcomes: ChangeOutcome[];
  mended: Mended[];
  /** Half-made indexes that are there now, whosever they are. */
  leftovers: Leftover[];
  /** What could not be watched, and why. */
  notGuarded: string[];
  isRecorded: boolean;
}

/**
 * Carries out what a person chose, one after the other: first what is built, then what is rebuilt, then what is dropped,
 * so that nothing is taken away before its successor is there. One that fails does not keep the others from their turn.
 * Before that, whatever an earlier run had begun and not ended is put right; so it is run with no change at all, too.
 * @throws OpsError those of `openApplySessions`; CANCELLED when aborted, after clearing up
 */
export async function applyChanges(
  context: Pick<OpsContext, 'log' | 'progress' | 'signal' | 'reportId'> & Pick<ApplyContext, 'secrets'>,
  target: PostgresTarget,
  changes: readonly OfferedChange[],
  options: ApplyOptions,
  isDryRun = false,
): Promise<Applied> {
  await using sessions = await openApplySessions(target, options, context.log, context.signal);
  try {
    const ledger = await openLedger(sessions.control, changes.length > 0 && !isDryRun);
    const notGuarded = new Set<string>();
    if (!ledger.isKept && changes.length > 0 && !isDryRun) {
      notGuarded.add(
        `what is in progress is not recorded, because ${ledger.reason}; a build that is cut off is known by its name`,
      );
    }
    const apply: ApplyContext = { ...context, sessions, options, ledger, notGuarded, isDryRun };
    const mended = isDryRun ? [] : await mendRecorded(apply);
    const outcomes: ChangeOutcome[] = [];
    for (const change of inOrder(changes)) {
      context.signal.throwIfAborted();
      outcomes.push(await applyOne(apply, change));
    }
    const leftovers = await findLeftovers(sessions.control(), ledger, [sessions.workPid()]);
    return { outcomes, mended, leftovers, notGuarded: [...notGuarded], isRecorded: ledger.isKept };
  } catch (thrown) {
    throw context.signal.aborted ? toOpsError(new DOMException('aborted', 'AbortError')) : pgError(thrown, target);
  }
}

const turns = { create: 0, merge: 1, reindex: 2, drop: 3 } as const;

export function inOrder(changes: readonly OfferedChange[]): OfferedChange[] {
  return [...changes].sort((a, b) => turns[a.kind] - turns[b.kind]);
}

async function applyOne(context: ApplyContext, change: OfferedChange): Promise<ChangeOutcome> {
  const startedAt = Date.now();
  const results = await carryOut(context, change);
  const built = results[0]!;
  const last = results.findLast(result => result.status !== 'nothing to do') ?? built;
  const planner =
    'definition' in change && (built.status === 'done' || built.status === 'nothing to do')
      ? await verify(context, change.expectedUsers, built)
      : null;
  return {
    id: change.id,
    kind: change.kind,
    status: worst(results),
    ...namesOf(change),
    message: [...new Set(results.map(result => result.message))].join('; '),
    statements: results.flatMap(result => result.statements),
    rollback: results.flatMap(result => result.rollback ?? []).reverse(),
    attempts: Math.max(...results.map(result => result.attempts)),
    seconds: (Date.now() - startedAt) / 1000,
    sizeBytes: built.sizeBytes,
    sizeBeforeBytes: last.sizeBeforeBytes ?? built.sizeBeforeBytes ?? null,
    planner,
  };
}

async function carryOut(context: ApplyContext, change: OfferedChange): Promise<[StepResult, ...StepResult[]]> {
  switch (change.kind) {
    case 'create':
      return [await createIndex(context, orderOf(change))];
    case 'reindex':
      return [await reindex(context, change.index)];
    case 'drop':
      return [await dropIndex(context, change.index)];
    case 'merge': {
      const built = await createIndex(context, orderOf(change));
      const results: [StepResult, ...StepResult[]] = [built];
      if (context.isDryRun) return results;
      // Nothing is taken away before its successor is there.
      if (built.status !== 'done' && built.status !== 'nothing to do') return results;
      for (const replaced of change.replaces) {
        const coveredBy = {
          schema: change.definition.schema,
          name: built.plannerNames?.[0] ?? namesOf(change).index,
        };
        // It was in use until now: that is why it is merged.
        results.push(await dropIndex(context, { ...replaced, scans: null, coveredBy }));
      }
      return results;
    }
  }
}

function orderOf(change: Extract<OfferedChange, { kind: 'create' | 'merge' }>): CreateOrder {
  const { definition, sizeBytes, prerequisites } = change;
  return { definition, name: namesOf(change).index, sizeBytes, prerequisites };
}

async function verify(
  { sessions }: ApplyContext,
  users: readonly ExpectedUser[],
  built: StepResult,
): Promise<ChangeOutcome['planner']> {
  if (users.length === 0) return null;
  const answers = await askPlanner(sessions.control(), users, new Set(built.plannerNames));
  return {
    used: answers.filter(answer => answer.isUsed).length,
    asked: answers.filter(answer => answer.isUsed !== null).length,
    notUsedBy: answers.filter(answer => answer.isUsed === false).map(answer => answer.fingerprint),
    notAsked: answers
      .filter(answer => answer.isUsed === null)
      .map(answer => `${answer.fingerprint}: ${answer.problem}`),
  };
}

/** The gravest of the steps of one change. */
function worst(results: readonly StepResult[]): ChangeOutcome['status'] {
  const gravity = ['failed', 'refused', 'deferred', 'done', 'planned', 'nothing to do'] as const;
  return gravity.find(status => results.some(result => result.status === status)) ?? 'nothing to do';
}
