import type pg from 'pg';
import { type Log, silentLog } from '../../log/index.ts';
import type { PostgresTarget } from '../../postgres/index.ts';
import { type Catalog, readCatalog, readStatistics, type Statistics } from '../catalog/index.ts';
import type { WorkloadStatement } from '../statements/index.ts';
import { type Candidate, type SizedCandidate, serves } from './candidate.ts';
import { candidatesFor, coveringCandidate, isIndexable } from './candidates.ts';
import { readCostlyFunctions } from './costly.ts';
import { describeAdvice } from './describe.ts';
import { Evaluators } from './evaluators.ts';
import { isServerError } from './hypopg.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { Advice, EvaluatorKind, UnansweredStatement } from './result.ts';
import { selectIndexes } from './select.ts';
import { sharingOf } from './sharing.ts';
import { Sizes } from './sizes.ts';
import { type TrigramSupport, trigramSupport } from './trigrams.ts';
import { type WeightedStatement, weigh } from './weigh.ts';
import { WhatIf } from './what-if.ts';
import { planWorkload, readWorkload } from './workload.ts';
import { type TableWrites, writeMs, writesByTable } from './write-cost.ts';

export interface AdviseOptions {
  /** The database that is advised on: read only, with the rights to read its tables. */
  client: pg.Client;
  /** The same, for pg_dump --schema-only; without it only HypoPG can answer. */
  target?: PostgresTarget;
  statements: readonly WorkloadStatement[];
  /** Read from `client` when absent. */
  catalog?: Catalog;
  /** Default: a fifth of what the tables of the workload take. */
  budgetBytes?: number;
  /** `auto`: HypoPG where the database has it, and a planner copy for what HypoPG does not know. */
  evaluator?: EvaluatorKind | 'auto';
  /** Plans below this cost are left as they are. Default 40: five pages found by an index. */
  leastCost?: number;
  signal?: AbortSignal;
  binDirs?: readonly string[];
  log?: Log;
}

/** A candidate must make a statement cheaper by this share to be looked at again. */
const usefulShare = 0.95;
const defaultBudgetShare = 0.2;
const defaultLeastCost = 40;

/**
 * Chooses indexes for a whole workload by planner cost, under a storage budget. Nothing is built and nothing written
 * to the database; what is chosen is a proposal that `prove` measures.
 * Codes: those of `pgError`, of the planner copy; ADVISE_NO_EVALUATOR when neither HypoPG nor a planner copy can be had.
 */
export async function advise(options: AdviseOptions): Promise<Advice> {
  const advisor = await Advisor.open(options);
  try {
    return await advisor.advise();
  } finally {
    await advisor.close();
  }
}

/** The stages of the search, in the order in which they run. */
export class Advisor {
  readonly #options: AdviseOptions;
  readonly #log: Log;
  readonly #statistics: Statistics;
  readonly #planned: readonly PlannedStatement[];
  readonly #unanswered: UnansweredStatement[];
  readonly #evaluators: Evaluators;
  readonly #sizes: Sizes;
  readonly #trigrams: TrigramSupport;
  readonly #writes: ReadonlyMap<number, TableWrites>;
  readonly whatIf: WhatIf;
  readonly #candidates = new Map<string, SizedCandidate>();
  readonly #useful = new Map<number, Set<string>>();
  readonly #base = new Map<number, number>();
  readonly #bundles: SizedCandidate[][] = [];
  readonly #refused = new Map<PlannedStatement, SizedCandidate[]>();

  private constructor(
    options: AdviseOptions,
    catalog: Catalog,
    statistics: Statistics,
    planned: readonly PlannedStatement[],
    unanswered: UnansweredStatement[],
    evaluators: Evaluators,
    trigrams: TrigramSupport,
    costly: ReadonlySet<string>,
  ) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#statistics = statistics;
    this.#planned = planned;
    this.#unanswered = unanswered;
    this.#evaluators = evaluators;
    this.#sizes = new Sizes(catalog, statistics, evaluators);
    this.#trigrams = trigrams;
    this.#writes = writesByTable(planned);
    this.whatIf = new WhatIf(statement => evaluators.of(statement), costly);
  }

  static async open(options: AdviseOptions): Promise<Advisor> {
    const { client } = options;
    const catalog = options.catalog ?? (await readCatalog(client));
    const read = await readWorkload(options.statements, catalog);
    const storage = read.tables.flatMap(table => catalog.storageOf(table));
    const statistics = await readStatistics(client, [...new Set([...read.tables, ...storage])]);
    const { planned, unanswered } = await planWorkload(client, read.statements, statistics);
    const trigrams = await trigramSupport(client, catalog);
    const costly = await readCostlyFunctions(client);
    const evaluators = await Evaluators.open(options, catalog, statistics, read.tables);
    return new Advisor(
      options,
      catalog,
      statistics,
      planned,
      [...read.unanswered, ...unanswered],
      evaluators,
      trigrams,
      costly,
    );
  }

  async close(): Promise<void> {
    await this.#evaluators.close();
  }

  async advise(): Promise<Advice> {
    await this.prepare();
    return describeAdvice({
      statements: this.weighted(),
      chosen: await this.select(),
      budgetBytes: this.budgetBytes(),
      unanswered: this.#unanswered,
      refused: this.#refused,
      isHelped: ({ id }) => (this.#useful.get(id)?.size ?? 0) > 0,
      writeMs: candidate => this.writeMs(candidate),
      whatIf: this.whatIf,
      candidates: this.#candidates.size,
      usefulCandidates: this.usefulCandidates().length,
      evaluator: this.#evaluators.kind,
      notes: this.#evaluators.notes(),
    });
  }

  /** The set for the workload; after `prepare`, and as often as one likes. */
  async select(budgetBytes = this.budgetBytes()): Promise<SizedCandidate[]> {
    return selectIndexes({
      statements: this.weighted(),
      candidates: this.usefulCandidates(),
      budgetBytes,
      writeMs: candidate => this.writeMs(candidate),
      bundles: this.#bundles,
      whatIf: this.whatIf,
      ...(this.#options.signal ? { signal: this.#options.signal } : {}),
    });
  }

  /** Makes candidates and asks about each of them alone, and about all of a statement together. */
  async prepare(): Promise<void> {
    const context = { statistics: this.#statistics, trigrams: this.#trigrams, sharing: sharingOf(this.#planned) };
    const first = new Map(
      this.#planned.map(statement => [
        statement,
        candidatesFor(statement.usage, context).filter(candidate => !this.#exists(candidate)),
      ]),
    );
    await this.#evaluators.assign(first);
    const slow: PlannedStatement[] = [];
    for (const statement of this.#planned) {
      const base = await this.#baseCost(statement);
      if (base === undefined) continue;
      if (base < (this.#options.leastCost ?? defaultLeastCost)) {
        this.whatIf.limit(statement, []);
        const why = `Its plan costs ${Math.round(base)}, which no index makes noticeably less.`;
        this.#unanswered.push({ fingerprint: statement.workload.fingerprint, kind: 'fast-enough', why });
      } else slow.push(statement);
    }
    await this.#judge(new Map(slow.map(statement => [statement, first.get(statement) ?? []])), { isAlone: true });
    await this.#judge(this.#coveringOf(slow), { isAlone: false });
    for (const statement of slow) {
      const useful = this.#useful.get(statement.id) ?? new Set();
      this.whatIf.limit(
        statement,
        this.usefulCandidates().filter(candidate => useful.has(candidate.id)),
      );
      const all = await this.whatIf.cost(statement, this.usefulCandidates());
      const bundle = this.usefulCandidates().filter(candidate => all.used.has(candidate.id));
      if (bundle.length > 1) this.#bundles.push(bundle);
    }
    this.#log.debug('Candidates judged', {
      statements: slow.length,
      candidates: this.#candidates.size,
      useful: this.usefulCandidates().length,
      calls: this.whatIf.calls,
    });
  }

  async #baseCost(statement: PlannedStatement): Promise<number | undefined> {
    try {
      this.#options.signal?.throwIfAborted();
      const { cost } = await this.whatIf.ask(statement, []);
      this.#base.set(statement.id, cost);
      return cost;
    } catch (thrown) {
      if (!isServerError(thrown) && !isRefused(thrown)) throw thrown;
      const why = `The planner refused it: ${thrown.message}`;
      this.#unanswered.push({ fingerprint: statement.workload.fingerprint, kind: 'not-explained', why });
      return undefined;
    }
  }

  /** Whether an index that is there already answers what the candidate would. */
  #exists(candidate: Candidate): boolean {
    return candidate.table.indexes.some(
      index => index.isValid && index.definition !== undefined && serves(index.definition, candidate.definition),
    );
  }

  async #judge(
    byStatement: ReadonlyMap<PlannedStatement, readonly Candidate[]>,
    { isAlone }: { isAlone: boolean },
  ): Promise<void> {
    await this.#offer(
      [...byStatement].flatMap(([statement, candidates]) => candidates.map(candidate => ({ statement, candidate }))),
    );
    for (const [statement, candidates] of byStatement) {
      this.#options.signal?.throwIfAborted();
      const sized = candidates.flatMap(candidate => this.#candidates.get(candidate.id) ?? []);
      const base = this.#base.get(statement.id)!;
      const useful = this.#useful.get(statement.id) ?? new Set<string>();
      for (const candidate of sized) {
        const { cost, used } = await this.whatIf.ask(statement, [candidate]);
        if (cost <= base * usefulShare && used.has(candidate.id)) useful.add(candidate.id);
      }
      // Some help only beside others: two bitmaps, or both sides of a merge.
      if (isAlone && sized.length > 1) for (const id of (await this.whatIf.ask(statement, sized)).used) useful.add(id);
      this.#useful.set(statement.id, useful);
    }
  }

  async #offer(all: readonly { statement: PlannedStatement; candidate: Candidate }[]): Promise<void> {
    const fresh = new Map<string, { candidate: Candidate; statements: PlannedStatement[] }>();
    for (const { candidate, statement } of all) {
      if (this.#candidates.has(candidate.id)) continue;
      const entry = fresh.get(candidate.id) ?? { candidate, statements: [] };
      entry.statements.push(statement);
      fresh.set(candidate.id, entry);
    }
    const sized: { candidate: SizedCandidate; statements: PlannedStatement[] }[] = [];
    for (const { candidate, statements } of fresh.values())
      sized.push({ candidate: await this.#sizes.of(candidate), statements });
    const refused = await this.#evaluators.offer(sized);
    for (const { candidate, statements } of sized) {
      if (!refused.has(candidate.id)) this.#candidates.set(candidate.id, candidate);
      else if (candidate.definition.method === 'gin' && this.#evaluators.kind === 'hypopg')
        for (const each of statements) this.#refused.set(each, [...(this.#refused.get(each) ?? []), candidate]);
    }
  }

  #coveringOf(statements: readonly PlannedStatement[]): Map<PlannedStatement, Candidate[]> {
    return new Map(
      statements.map(statement => {
        const useful = [...(this.#useful.get(statement.id) ?? [])].flatMap(id => this.#candidates.get(id) ?? []);
        const covering = useful.flatMap(
          candidate => coveringCandidate(candidate, statement.usage, this.#statistics) ?? [],
        );
        const distinct = new Map(covering.filter(each => !this.#exists(each)).map(each => [each.id, each]));
        return [statement, [...distinct.values()]];
      }),
    );
  }

  usefulCandidates(): SizedCandidate[] {
    const ids = new Set([...this.#useful.values()].flatMap(set => [...set]));
    return [...ids].flatMap(id => this.#candidates.get(id) ?? []);
  }

  weighted(): WeightedStatement[] {
    return weigh(this.#planned, this.#base);
  }

  budgetBytes(): number {
    if (this.#options.budgetBytes !== undefined) return this.#options.budgetBytes;
    const tables = new Set(this.#planned.flatMap(({ usage }) => usage.relations.map(relation => relation.table)));
    const bytes = [...tables].filter(isIndexable).reduce((sum, table) => sum + table.bytes, 0);
    return Math.round(bytes * defaultBudgetShare);
  }

  writeMs(candidate: SizedCandidate): number {
    const share = candidate.table.rows > 0 ? Math.min(1, candidate.rows / candidate.table.rows) : 1;
    return writeMs(candidate.definition, candidate.table, this.#writes.get(candidate.table.oid), share);
  }
}

function isRefused(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'SQL_REFUSED';
}
