import type pg from 'pg';
import { type Log, silentLog } from '../../log/index.ts';
import { type PostgresTarget, quoteIdent } from '../../postgres/index.ts';
import { type Catalog, type CatalogTable, readCatalog, readStatistics, type Statistics } from '../catalog/index.ts';
import { indexName } from '../indexes/index.ts';
import { isSameSubject, type Subject, type WorkloadStatement } from '../statements/index.ts';
import { type Candidate, type SizedCandidate, serves } from './candidate.ts';
import { candidatesFor, coveringCandidate, isIndexable } from './candidates.ts';
import { Evaluators } from './evaluators.ts';
import type { TrigramSupport } from './gin-candidates.ts';
import { isServerError } from './hypopg.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { Advice, AdvisedStatement, ChosenIndex, EvaluatorKind, UnansweredStatement } from './result.ts';
import { selectIndexes, type WeightedStatement } from './select.ts';
import { estimateBytes } from './size.ts';
import { unjudgedIndexes } from './unjudged.ts';
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
  readonly #catalog: Catalog;
  readonly #statistics: Statistics;
  readonly #planned: readonly PlannedStatement[];
  readonly #unanswered: UnansweredStatement[];
  readonly #evaluators: Evaluators;
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
  ) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#catalog = catalog;
    this.#statistics = statistics;
    this.#planned = planned;
    this.#unanswered = unanswered;
    this.#evaluators = evaluators;
    this.#trigrams = trigrams;
    this.#writes = writesByTable(planned);
    this.whatIf = new WhatIf(statement => evaluators.of(statement));
  }

  static async open(options: AdviseOptions): Promise<Advisor> {
    const { client } = options;
    const catalog = options.catalog ?? (await readCatalog(client));
    const read = await readWorkload(options.statements, catalog);
    const storage = read.tables.flatMap(table => catalog.storageOf(table));
    const statistics = await readStatistics(client, [...new Set([...read.tables, ...storage])]);
    const { planned, unanswered } = await planWorkload(client, read.statements, statistics);
    const trigrams = await trigramSupport(client, catalog);
    const evaluators = await Evaluators.open(options, catalog, statistics, read.tables);
    return new Advisor(
      options,
      catalog,
      statistics,
      planned,
      [...read.unanswered, ...unanswered],
      evaluators,
      trigrams,
    );
  }

  async close(): Promise<void> {
    await this.#evaluators.close();
  }

  async advise(): Promise<Advice> {
    await this.prepare();
    return this.#report(this.weighted(), await this.select(), this.budgetBytes());
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
      sized.push({ candidate: await this.#sized(candidate), statements });
    const refused = await this.#evaluators.offer(sized);
    for (const { candidate, statements } of sized) {
      if (!refused.has(candidate.id)) this.#candidates.set(candidate.id, candidate);
      else if (candidate.definition.method === 'gin' && this.#evaluators.kind === 'hypopg')
        for (const each of statements) this.#refused.set(each, [...(this.#refused.get(each) ?? []), candidate]);
    }
  }

  async #sized(candidate: Candidate): Promise<SizedCandidate> {
    const { definition, table } = candidate;
    const rows = definition.where === undefined ? table.rows : await this.#rowsWhere(table, definition.where);
    return { ...candidate, rows, bytes: this.#bytes(definition, table, rows) };
  }

  /** Of a partitioned one the sum over its leaves: a value that repeats in the whole may be alone in each of them. */
  #bytes(definition: Candidate['definition'], table: CatalogTable, rows: number): number {
    const share = rows / Math.max(1, table.rows);
    return this.#catalog
      .storageOf(table)
      .reduce((sum, leaf) => sum + estimateBytes(definition, leaf, this.#statistics, leaf.rows * share), 0);
  }

  readonly #partialRows = new Map<string, number>();

  async #rowsWhere(table: CatalogTable, where: string): Promise<number> {
    const key = `${table.oid} ${where}`;
    const known = this.#partialRows.get(key);
    if (known !== undefined) return known;
    const rows = await this.#evaluators.rowsWhere(table, where).catch(thrown => {
      if (!isServerError(thrown)) throw thrown;
      return table.rows;
    });
    this.#partialRows.set(key, rows);
    return rows;
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
    const known = this.#planned.filter(({ id, workload }) => this.#base.has(id) && workload.totalMs > 0);
    const costs = known.reduce((sum, { id, workload }) => sum + this.#base.get(id)! * workload.calls, 0);
    const times = known.reduce((sum, { workload }) => sum + workload.totalMs, 0);
    // A statement whose time is not known takes what its cost would take elsewhere.
    const usual = costs > 0 ? times / costs : 0.01;
    return this.#planned.flatMap(statement => {
      const base = this.#base.get(statement.id);
      if (base === undefined) return [];
      const { totalMs, calls } = statement.workload;
      return [{ statement, base, msPerCost: totalMs > 0 ? totalMs / Math.max(base, 1e-6) : usual * calls }];
    });
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

  async #report(
    weighted: readonly WeightedStatement[],
    chosen: readonly SizedCandidate[],
    budgetBytes: number,
  ): Promise<Advice> {
    const withAll = new Map<PlannedStatement, { cost: number; used: ReadonlySet<string> }>();
    for (const { statement } of weighted) withAll.set(statement, await this.whatIf.cost(statement, chosen));
    const ms = (cost: (each: WeightedStatement) => number) =>
      weighted.reduce((sum, each) => sum + cost(each) * each.msPerCost, 0);
    const costs = (cost: (each: WeightedStatement) => number) =>
      weighted.reduce((sum, each) => sum + cost(each) * each.statement.workload.calls, 0);
    const after = (each: WeightedStatement) => withAll.get(each.statement)!.cost;
    const indexes: ChosenIndex[] = [];
    for (const candidate of chosen) indexes.push(await this.#chosen(candidate, chosen, weighted, withAll));
    this.#explainUnhelped(weighted, withAll);
    const chosenBytes = chosen.reduce((sum, candidate) => sum + candidate.bytes, 0);
    const open = weighted.map(each => ({
      statement: each.statement,
      costBefore: each.base,
      costAfter: after(each),
      leftMs: after(each) * each.msPerCost,
      candidates: this.#refused.get(each.statement) ?? [],
    }));
    return {
      chosen: indexes.sort((a, b) => b.savedMs - a.savedMs),
      unjudged: unjudgedIndexes(open, budgetBytes - chosenBytes),
      unanswered: this.#unanswered,
      whatIfCalls: this.whatIf.calls,
      totalMsBefore: ms(each => each.base),
      totalMsAfter: ms(after),
      totalCostBefore: costs(each => each.base),
      totalCostAfter: costs(after),
      budgetBytes,
      chosenBytes,
      candidates: this.#candidates.size,
      usefulCandidates: this.usefulCandidates().length,
      evaluator: this.#evaluators.kind,
      notes: this.#evaluators.notes(),
    };
  }

  async #chosen(
    candidate: SizedCandidate,
    chosen: readonly SizedCandidate[],
    weighted: readonly WeightedStatement[],
    withAll: ReadonlyMap<PlannedStatement, { cost: number; used: ReadonlySet<string> }>,
  ): Promise<ChosenIndex> {
    const without = chosen.filter(each => each !== candidate);
    const statements: (AdvisedStatement & { savedMs: number })[] = [];
    for (const { statement, base, msPerCost } of weighted) {
      const now = withAll.get(statement)!;
      if (!now.used.has(candidate.id)) continue;
      const { cost } = await this.whatIf.cost(statement, without);
      const savedMs = (cost - now.cost) * msPerCost;
      statements.push({ fingerprint: statement.workload.fingerprint, costBefore: base, costAfter: now.cost, savedMs });
    }
    statements.sort((a, b) => b.savedMs - a.savedMs);
    const count = statements.length === 1 ? 'one statement' : `${statements.length} statements`;
    const [first] = statements;
    const times = first
      ? (first.costBefore / Math.max(first.costAfter, 0.01)).toFixed(first.costBefore < first.costAfter * 10 ? 1 : 0)
      : '1';
    return {
      definition: candidate.definition,
      name: indexName(candidate.definition),
      estimatedBytes: candidate.bytes,
      prerequisites: [...candidate.prerequisites],
      statements: statements.map(({ savedMs: _, ...rest }) => rest),
      savedMs: statements.reduce((sum, each) => sum + each.savedMs, 0),
      writeMs: this.writeMs(candidate),
      reason: `${candidate.purpose}: used by ${count}, the most relieved of them ${times} times cheaper by planner cost`,
    };
  }

  #explainUnhelped(
    weighted: readonly WeightedStatement[],
    withAll: ReadonlyMap<PlannedStatement, { cost: number; used: ReadonlySet<string> }>,
  ): void {
    const told = new Set(this.#unanswered.map(each => each.fingerprint));
    for (const { statement } of weighted) {
      const { fingerprint } = statement.workload;
      if (told.has(fingerprint) || withAll.get(statement)!.used.size > 0) continue;
      if (this.#refused.has(statement)) {
        this.#unanswered.push({
          fingerprint,
          kind: 'no-candidate',
          why: 'A GIN index could serve it; the proof says.',
        });
        continue;
      }
      const [remark] = statement.usage.remarks;
      const hasUseful = (this.#useful.get(statement.id)?.size ?? 0) > 0;
      this.#unanswered.push({
        fingerprint,
        kind: hasUseful ? 'no-gain' : 'no-candidate',
        why:
          remark ??
          (hasUseful ? 'What an index would save is less than the index costs.' : 'No index makes its plan cheaper.'),
      });
    }
  }
}

function isRefused(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'SQL_REFUSED';
}

/** How much of the workload's time asks for a subject by equality or by a join. */
function sharingOf(statements: readonly PlannedStatement[]): (table: CatalogTable, subject: Subject) => number {
  const uses: { table: number; subject: Subject; weight: number }[] = [];
  for (const { usage, workload } of statements) {
    for (const relation of usage.relations) {
      const subjects = [
        ...relation.predicates
          .filter(each => ['equal', 'in', 'is-null', 'is-true'].includes(each.test))
          .map(each => each.subject),
        ...relation.joins.map(each => each.subject),
      ];
      for (const subject of subjects) uses.push({ table: relation.table.oid, subject, weight: workload.totalMs || 1 });
    }
  }
  return (table, subject) =>
    uses
      .filter(use => use.table === table.oid && isSameSubject(use.subject, subject))
      .reduce((sum, use) => sum + use.weight, 0);
}

/** The operator class as this database reaches it; the statement that makes it where it is not there yet. */
async function trigramSupport(client: pg.Client, catalog: Catalog): Promise<TrigramSupport> {
  const { rows } = await client.query<{ schema: string }>(
    `SELECT n.nspname AS schema FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'`,
  );
  const schema = rows[0]?.schema;
  if (schema === undefined)
    return { opclass: 'gin_trgm_ops', prerequisites: ['CREATE EXTENSION IF NOT EXISTS pg_trgm'] };
  const isOnPath = catalog.searchPath.includes(schema);
  return { opclass: isOnPath ? 'gin_trgm_ops' : `${quoteIdent(schema)}.gin_trgm_ops`, prerequisites: [] };
}
