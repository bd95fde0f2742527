import { isRedundantBeside, type SizedCandidate, serves } from './candidate.ts';
import { plainCandidates, visitWorth } from './covering.ts';
import { msAt, type PlanCost, type WeightedStatement } from './weigh.ts';
import type { WhatIf } from './what-if.ts';

export interface SelectionProblem {
  statements: readonly WeightedStatement[];
  candidates: readonly SizedCandidate[];
  budgetBytes: number;
  /** Milliseconds of the window that writing the candidate costs. */
  writeMs: (candidate: SizedCandidate) => number;
  /** Sets that only help together, such as both sides of a merge. */
  bundles: readonly (readonly SizedCandidate[])[];
  whatIf: WhatIf;
  signal?: AbortSignal;
}

/**
 * Filling the whole budget must save at least this share of the workload; less storage, less gain. And where indexes leave
 * little of the workload, by what they leave: one table scan that is gone must not make all other gains look small.
 */
const storagePrice = { ofAll: 0.01, ofRest: 0.05 };
/** A smaller index that keeps so much of what a larger one saves is the better one. */
const keptShare = 0.95;
/**
 * Less than this share of the workload, or of every statement that uses it, is not worth an index. The second is as large
 * as the planner's own error: for the same rows in the same order it holds one of two indexes to be a fifth cheaper.
 */
const leastGain = { ofAll: 0.0005, ofRest: 0.005 };
const leastStatementShare = 0.3;
const priceRounds = 8;

/**
 * The set of candidates with the least time for the workload, writing included, within the budget. Three starts — from
 * nothing by the best gain for its bytes, from all that plans would use by the least loss for its bytes, and at a price
 * for storage so high that what is bought with it fits — and from each a local search that removes, swaps and adds until
 * nothing gets better; then what is not worth keeping goes.
 * The first start alone is the greedy part of Extend (Schlosser, Kossmann, Boissier: Efficient Scalable Multi-Attribute
 * Index Selection, ICDE 2019), over candidates instead of attributes.
 */
export async function selectIndexes(problem: SelectionProblem): Promise<SizedCandidate[]> {
  const search = await Search.open(problem);
  const starts = [await search.growFrom([]), await search.shrinkFrom(await search.wanted()), await search.bought()];
  let best: { set: IndexSet; total: number } | undefined;
  for (const start of starts) {
    const set = await search.improve(start);
    const total = await search.total(set);
    if (!best || total < best.total) best = { set, total };
  }
  return [...(await search.worthKeeping(best!.set))];
}

type IndexSet = readonly SizedCandidate[];

class Search {
  readonly #problem: SelectionProblem;
  readonly #totalMs: number;
  /** With all candidates at once: what no index takes away. */
  readonly #restMs: number;
  readonly #byTable: Map<number, WeightedStatement[]>;
  /** Of one byte, in milliseconds. */
  readonly #price: number;
  readonly #plain: ReadonlyMap<string, SizedCandidate>;

  static async open(problem: SelectionProblem): Promise<Search> {
    let restMs = 0;
    for (const each of problem.statements)
      restMs += msAt(each, await problem.whatIf.cost(each.statement, problem.candidates));
    return new Search(problem, restMs);
  }

  private constructor(problem: SelectionProblem, restMs: number, price?: number) {
    this.#problem = problem;
    this.#totalMs = problem.statements.reduce((sum, each) => sum + each.base * each.msPerCost, 0);
    this.#restMs = restMs;
    this.#price = price ?? this.#shareOf(storagePrice) / Math.max(1, problem.budgetBytes);
    this.#plain = plainCandidates(problem.candidates);
    this.#byTable = new Map();
    for (const each of problem.statements) {
      for (const oid of new Set(each.statement.usage.relations.map(relation => relation.table.oid))) {
        this.#byTable.set(oid, [...(this.#byTable.get(oid) ?? []), each]);
      }
    }
  }

  /** Milliseconds of the workload under the set, with writing, and with the price of storage. */
  async total(set: IndexSet): Promise<number> {
    let sum = 0;
    for (const each of this.#problem.statements) sum += await this.#ms(each, set);
    return sum + this.#overhead(set);
  }

  async #ms(each: WeightedStatement, set: IndexSet): Promise<number> {
    return msAt(each, await this.#plan(each, set));
  }

  /** The planner's, with what columns that are carried along save by what it is worth. */
  async #plan({ statement }: WeightedStatement, set: IndexSet): Promise<PlanCost> {
    const { whatIf } = this.#problem;
    const plan = await whatIf.cost(statement, set);
    const { cost, used } = plan;
    const carrying = set.filter(({ id }) => used.has(id) && this.#plain.has(id));
    if (carrying.length === 0) return plan;
    // Of what the plan reads only: what is not read must not seem to save anything.
    const plain = set.filter(({ id }) => used.has(id)).map(each => this.#plain.get(each.id) ?? each);
    const visiting = await whatIf.cost(statement, plain);
    // Where the planner would rather do something else than visit the table, it is not the visits that are saved.
    if (!plain.every(({ id }) => visiting.used.has(id))) return plan;
    const share = Math.max(...carrying.map(({ table }) => visitWorth(table)));
    return { ...plan, cost: cost + Math.max(0, visiting.cost - cost) * (1 - share) };
  }

  #overhead(set: IndexSet): number {
    const { writeMs } = this.#problem;
    return set.reduce((sum, candidate) => sum + writeMs(candidate) + candidate.bytes * this.#price, 0);
  }

  /** Milliseconds. */
  #shareOf({ ofAll, ofRest }: { ofAll: number; ofRest: number }): number {
    return Math.min(this.#totalMs * ofAll, this.#restMs * ofRest);
  }

  /** How much less `to` costs than `from`; only statements on tables that differ are asked. */
  async #gain(from: IndexSet, to: IndexSet): Promise<number> {
    this.#problem.signal?.throwIfAborted();
    const changed = [...from.filter(each => !to.includes(each)), ...to.filter(each => !from.includes(each))];
    const tables = new Set(changed.map(candidate => candidate.table.oid));
    const affected = new Set([...tables].flatMap(oid => this.#byTable.get(oid) ?? []));
    let gain = this.#overhead(from) - this.#overhead(to);
    for (const each of affected) {
      if (!changed.some(candidate => this.#problem.whatIf.isRelevant(each.statement, candidate))) continue;
      gain += (await this.#ms(each, from)) - (await this.#ms(each, to));
    }
    return gain;
  }

  #fits(set: IndexSet): boolean {
    return bytesOf(set) <= this.#problem.budgetBytes;
  }

  /** The set with more, without what the new ones make superfluous, and without those that are so themselves. */
  #with(set: IndexSet, added: IndexSet): IndexSet {
    const isServed = (each: SizedCandidate) =>
      added.some(one => one !== each && serves(one.definition, each.definition));
    let next = set.filter(each => !added.includes(each) && !isServed(each));
    for (const each of added) {
      if (next.some(one => isRedundantBeside(each.definition, one.definition))) continue;
      next = [...next.filter(one => !isRedundantBeside(one.definition, each.definition)), each];
    }
    return next;
  }

  /** Adds what gains most for its bytes, again and again. An estimate from an earlier round is an upper bound mostly. */
  async growFrom(start: IndexSet): Promise<IndexSet> {
    let set = start;
    const moves = [...this.#problem.candidates.map(candidate => [candidate]), ...this.#problem.bundles];
    const estimates = new Map<IndexSet, number>(moves.map(move => [move, Number.POSITIVE_INFINITY]));
    for (;;) {
      const best = await this.#bestMove(set, estimates);
      if (!best) return set;
      estimates.delete(best);
      set = this.#with(set, best);
    }
  }

  async #bestMove(set: IndexSet, estimates: Map<IndexSet, number>): Promise<IndexSet | undefined> {
    const fresh = new Set<IndexSet>();
    for (;;) {
      let best: IndexSet | undefined;
      let rate = 0;
      for (const [move, estimate] of estimates) {
        if (estimate > rate) [best, rate] = [move, estimate];
      }
      if (!best) return undefined;
      if (fresh.has(best)) return best;
      const next = this.#with(
        set,
        best.filter(each => !set.includes(each)),
      );
      const more = bytesOf(next) - bytesOf(set);
      const gain = this.#fits(next) && next.length > 0 ? await this.#gain(set, next) : 0;
      estimates.set(best, gain > 0 ? gain / Math.max(8192, more) : 0);
      fresh.add(best);
    }
  }

  /**
   * What is worth its bytes at the lowest price at which all of that together fits: under a tight budget one large index is
   * weighed against the many small ones, on other tables, that it would leave no room for.
   */
  async bought(): Promise<IndexSet> {
    const { budgetBytes } = this.#problem;
    let price = this.#price;
    let [tooLow, enough]: [number, number | undefined] = [price, undefined];
    let best: IndexSet = [];
    for (let round = 0; round < priceRounds; round++) {
      const market = this.#withoutBudget(price);
      const set = await market.improve(await market.growFrom([]));
      const bytes = bytesOf(set);
      if (bytes <= budgetBytes) [best, enough] = [set, price];
      else tooLow = price;
      if (bytes <= budgetBytes && (round === 0 || bytes > budgetBytes * 0.95)) break;
      price = enough === undefined ? tooLow * 4 : Math.sqrt(tooLow * enough);
    }
    return best;
  }

  #withoutBudget(price: number): Search {
    return new Search({ ...this.#problem, budgetBytes: Number.POSITIVE_INFINITY }, this.#restMs, price);
  }

  /** What the plans use when all candidates are there. */
  async wanted(): Promise<IndexSet> {
    const ids = new Set<string>();
    for (const { statement } of this.#problem.statements) {
      for (const id of (await this.#problem.whatIf.cost(statement, this.#problem.candidates)).used) ids.add(id);
    }
    return this.#problem.candidates.filter(candidate => ids.has(candidate.id));
  }

  /** Removes what loses least for its bytes until the rest fits and nothing is superfluous. */
  async shrinkFrom(start: IndexSet): Promise<IndexSet> {
    let set = this.#with([], start);
    for (;;) {
      let best: { next: IndexSet; rate: number } | undefined;
      for (const candidate of set) {
        const next = set.filter(each => each !== candidate);
        const rate = -(await this.#gain(set, next)) / candidate.bytes;
        if (!best || rate < best.rate) best = { next, rate };
      }
      if (!best || (best.rate >= 0 && this.#fits(set))) return set;
      set = best.next;
    }
  }

  /** Removes, swaps for another on the same table, adds: the first that makes it better, until none does. */
  async improve(start: IndexSet): Promise<IndexSet> {
    const least = this.#totalMs * 1e-5;
    let set = start;
    for (let round = 0; round < 20; round++) {
      const next = await this.#betterNeighbour(set, least);
      if (!next) return set;
      set = await this.growFrom(next);
    }
    return set;
  }

  async #betterNeighbour(set: IndexSet, least: number): Promise<IndexSet | undefined> {
    for (const candidate of set) {
      const without = set.filter(each => each !== candidate);
      if ((await this.#gain(set, without)) > 0) return without;
      for (const other of this.#problem.candidates) {
        if (set.includes(other) || other.table !== candidate.table || !this.#sharesStatement(candidate, other))
          continue;
        const swapped = this.#with(without, [other]);
        if (this.#fits(swapped) && (await this.#gain(set, swapped)) > least) return swapped;
      }
    }
    return undefined;
  }

  #sharesStatement(a: SizedCandidate, b: SizedCandidate): boolean {
    const { whatIf } = this.#problem;
    return (this.#byTable.get(a.table.oid) ?? []).some(
      ({ statement }) => whatIf.isRelevant(statement, a) && whatIf.isRelevant(statement, b),
    );
  }

  /**
   * Takes the smallest index that does nearly as well, so that two that are alike do not come by turns, and leaves out what
   * gains too little.
   */
  async worthKeeping(start: IndexSet): Promise<IndexSet> {
    let set = start;
    for (const candidate of [...set].sort((a, b) => b.bytes - a.bytes)) {
      const without = set.filter(each => each !== candidate);
      const worth = await this.#gain(without, set);
      const least = Math.max(worth * keptShare, worth - this.#shareOf(leastGain));
      for (const other of this.#smaller(candidate)) {
        const swapped = this.#with(without, [other]);
        if (set.includes(other) || (await this.#gain(without, swapped)) < least || (await this.#slows(set, swapped)))
          continue;
        set = swapped;
        break;
      }
    }
    for (;;) {
      const weak = await this.#weakest(set);
      if (!weak) return set;
      set = set.filter(each => each !== weak);
    }
  }

  #smaller({ table, bytes }: SizedCandidate): SizedCandidate[] {
    const smaller = this.#problem.candidates.filter(each => each.table === table && each.bytes < bytes);
    return smaller.sort((a, b) => a.bytes - b.bytes || (a.id < b.id ? -1 : 1));
  }

  async #slows(from: IndexSet, to: IndexSet): Promise<boolean> {
    for (const each of this.#problem.statements) {
      const [before, after] = [await this.#plan(each, from), await this.#plan(each, to)];
      if (after.cost > before.cost * (1 + leastStatementShare)) return true;
    }
    return false;
  }

  async #weakest(set: IndexSet): Promise<SizedCandidate | undefined> {
    let weakest: { candidate: SizedCandidate; gain: number } | undefined;
    for (const candidate of set) {
      const without = set.filter(each => each !== candidate);
      const gain = await this.#gain(without, set);
      const isEnough = gain > this.#shareOf(leastGain) && (await this.#slows(set, without));
      if (!isEnough && (!weakest || gain < weakest.gain)) weakest = { candidate, gain };
    }
    return weakest?.candidate;
  }
}

function bytesOf(set: IndexSet): number {
  return set.reduce((sum, candidate) => sum + candidate.bytes, 0);
}
