import type { SizedCandidate } from './candidate.ts';
import { callsAny } from './costly.ts';
import type { Evaluation, Evaluator } from './evaluator.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { PlanCost } from './weigh.ts';

/** One answer of the planner: with `offered` it read `used`, at this cost. */
interface Answer extends PlanCost {
  offered: ReadonlySet<string>;
  used: ReadonlySet<string>;
}

/**
 * Costs of statements under sets of candidates, with as few questions to the planner as possible. Only candidates on
 * tables of the statement that have helped it before are put into a question; and a set between what a plan used and what
 * it was offered has the same plan, because the planner chose it from more than that.
 */
export class WhatIf {
  calls = 0;
  readonly #evaluator: (statement: PlannedStatement) => Evaluator;
  readonly #costly: ReadonlySet<string>;
  readonly #answers = new Map<number, Answer[]>();
  readonly #relevant = new Map<number, Map<string, SizedCandidate>>();

  /** @param costly functions of which a call takes longer than to read a row */
  constructor(evaluator: (statement: PlannedStatement) => Evaluator, costly: ReadonlySet<string>) {
    this.#evaluator = evaluator;
    this.#costly = costly;
  }

  /** Candidates that may change the plan of the statement; others are left out of its questions from now on. */
  limit(statement: PlannedStatement, candidates: readonly SizedCandidate[]): void {
    this.#relevant.set(statement.id, new Map(candidates.map(candidate => [candidate.id, candidate])));
  }

  isRelevant(statement: PlannedStatement, candidate: SizedCandidate): boolean {
    return this.#relevant.get(statement.id)?.has(candidate.id) ?? false;
  }

  /** @param set any candidates; what is not relevant to the statement is ignored */
  async cost(statement: PlannedStatement, set: readonly SizedCandidate[]): Promise<Answer> {
    const relevant = this.#relevant.get(statement.id);
    return this.ask(statement, relevant ? set.filter(candidate => relevant.has(candidate.id)) : set);
  }

  /** The same with exactly this set. */
  async ask(statement: PlannedStatement, set: readonly SizedCandidate[]): Promise<Answer> {
    const ids = new Set(set.map(candidate => candidate.id));
    const answers = this.#answers.get(statement.id) ?? [];
    const known = answers.find(answer => answer.used.isSubsetOf(ids) && ids.isSubsetOf(answer.offered));
    if (known) return known;
    this.calls++;
    const { cost, used, filters }: Evaluation = await this.#evaluator(statement).explain(statement, set);
    const answer = { offered: ids, used, cost, filtersCostly: filters.some(each => callsAny(each, this.#costly)) };
    answers.push(answer);
    this.#answers.set(statement.id, answers);
    return answer;
  }
}
