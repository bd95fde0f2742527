import { formatBytes } from '../../log/index.ts';
import { indexName } from '../indexes/index.ts';
import type { SizedCandidate } from './candidate.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { Advice, AdvisedStatement, ChosenIndex, UnansweredStatement } from './result.ts';
import { unjudgedIndexes } from './unjudged.ts';
import { msAt, type PlanCost, type WeightedStatement } from './weigh.ts';
import type { WhatIf } from './what-if.ts';

/** What the search came to. */
export interface SearchOutcome extends Pick<Advice, 'budgetBytes' | 'candidates' | 'usefulCandidates' | 'evaluator'> {
  statements: readonly WeightedStatement[];
  chosen: readonly SizedCandidate[];
  /** What was said of statements while they were looked at. */
  unanswered: readonly UnansweredStatement[];
  /** Candidates of a statement that no planner could be asked about. */
  refused: ReadonlyMap<PlannedStatement, readonly SizedCandidate[]>;
  /** A candidate made this statement cheaper, chosen or not. */
  isHelped: (statement: PlannedStatement) => boolean;
  /** Milliseconds of the window that writing the candidate costs. */
  writeMs: (candidate: SizedCandidate) => number;
  whatIf: WhatIf;
  notes: string[];
}

/** The chosen set with what each of it does for which statement, and a word on every statement that it does not help. */
export async function describeAdvice(outcome: SearchOutcome): Promise<Advice> {
  const { statements, chosen, budgetBytes, whatIf } = outcome;
  const plans: Plans = new Map();
  for (const { statement } of statements) plans.set(statement, await whatIf.cost(statement, chosen));
  const after = (each: WeightedStatement) => plans.get(each.statement)!.cost;
  const leftMs = (each: WeightedStatement) => msAt(each, plans.get(each.statement)!);
  const costs = (cost: (each: WeightedStatement) => number) =>
    statements.reduce((sum, each) => sum + cost(each) * each.statement.workload.calls, 0);
  const indexes: ChosenIndex[] = [];
  for (const candidate of chosen) indexes.push(await describeIndex(candidate, plans, outcome));
  const chosenBytes = chosen.reduce((sum, candidate) => sum + candidate.bytes, 0);
  const open = statements.map(each => ({
    statement: each.statement,
    costBefore: each.base,
    costAfter: after(each),
    leftMs: leftMs(each),
    candidates: outcome.refused.get(each.statement) ?? [],
  }));
  const unjudged = unjudgedIndexes(open, budgetBytes - chosenBytes);
  return {
    chosen: indexes.sort((a, b) => b.savedMs - a.savedMs),
    unjudged,
    unanswered: [...outcome.unanswered, ...unhelped(plans, unjudged, outcome)],
    whatIfCalls: whatIf.calls,
    totalMsBefore: statements.reduce((sum, each) => sum + each.base * each.msPerCost, 0),
    totalMsAfter: statements.reduce((sum, each) => sum + leftMs(each), 0),
    totalCostBefore: costs(each => each.base),
    totalCostAfter: costs(after),
    budgetBytes,
    chosenBytes,
    candidates: outcome.candidates,
    usefulCandidates: outcome.usefulCandidates,
    evaluator: outcome.evaluator,
    notes: outcome.notes,
  };
}

/** With the whole chosen set. */
type Plans = Map<PlannedStatement, PlanCost & { used: ReadonlySet<string> }>;

async function describeIndex(
  candidate: SizedCandidate,
  plans: Plans,
  { statements, chosen, whatIf, writeMs }: SearchOutcome,
): Promise<ChosenIndex> {
  const without = chosen.filter(each => each !== candidate);
  const users: (AdvisedStatement & { savedMs: number })[] = [];
  for (const each of statements) {
    const { statement, base } = each;
    const now = plans.get(statement)!;
    if (!now.used.has(candidate.id)) continue;
    const savedMs = msAt(each, await whatIf.cost(statement, without)) - msAt(each, now);
    users.push({ fingerprint: statement.workload.fingerprint, costBefore: base, costAfter: now.cost, savedMs });
  }
  users.sort((a, b) => b.savedMs - a.savedMs);
  const count = users.length === 1 ? 'one statement' : `${users.length} statements`;
  const [first] = users;
  const times = first
    ? (first.costBefore / Math.max(first.costAfter, 0.01)).toFixed(first.costBefore < first.costAfter * 10 ? 1 : 0)
    : '1';
  return {
    definition: candidate.definition,
    name: indexName(candidate.definition),
    estimatedBytes: candidate.bytes,
    prerequisites: [...candidate.prerequisites],
    statements: users.map(({ savedMs: _, ...rest }) => rest),
    savedMs: users.reduce((sum, each) => sum + each.savedMs, 0),
    writeMs: writeMs(candidate),
    reason: `${candidate.purpose}: used by ${count}, the most relieved of them ${times} times cheaper by planner cost`,
  };
}

function unhelped(
  plans: Plans,
  unjudged: readonly ChosenIndex[],
  { unanswered, refused, isHelped }: SearchOutcome,
): UnansweredStatement[] {
  const proved = new Set(unjudged.flatMap(index => index.statements.map(each => each.fingerprint)));
  const told = new Set(unanswered.map(each => each.fingerprint));
  return [...plans].flatMap(([statement, { used }]): UnansweredStatement[] => {
    const { fingerprint } = statement.workload;
    if (told.has(fingerprint) || used.size > 0) return [];
    const [smallest] = [...(refused.get(statement) ?? [])].sort((a, b) => a.bytes - b.bytes);
    if (smallest) {
      const method = smallest.definition.method.toUpperCase();
      const why = proved.has(fingerprint)
        ? `A ${method} index could serve it; the proof says.`
        : `A ${method} index of about ${formatBytes(smallest.bytes)} could serve it, for which the storage budget has no room: it is not proved.`;
      return [{ fingerprint, kind: 'no-candidate', why }];
    }
    const [remark] = statement.usage.remarks;
    return isHelped(statement)
      ? [{ fingerprint, kind: 'no-gain', why: remark ?? 'What an index would save is less than the index costs.' }]
      : [{ fingerprint, kind: 'no-candidate', why: remark ?? 'No index makes its plan cheaper.' }];
  });
}
