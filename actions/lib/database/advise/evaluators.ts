import type pg from 'pg';
import { OpsError, toOpsError } from '../../errors/index.ts';
import type { PostgresTarget } from '../../postgres/index.ts';
import type { Catalog, CatalogTable, Statistics } from '../catalog/index.ts';
import { writesRows } from '../statements/index.ts';
import type { Candidate, SizedCandidate } from './candidate.ts';
import type { Evaluator } from './evaluator.ts';
import { findHypopg, HypopgEvaluator, isServerError } from './hypopg.ts';
import type { PlannedStatement } from './planned-statement.ts';
import { startPlannerCopy } from './planner-copy/planner-copy.ts';
import type { EvaluatorKind } from './result.ts';

export interface EvaluatorsOptions {
  client: pg.Client;
  target?: PostgresTarget;
  evaluator?: EvaluatorKind | 'auto';
  signal?: AbortSignal;
  binDirs?: readonly string[];
}

/**
 * Who answers for which statement. HypoPG where the database has it; a planner copy where it has not, and beside HypoPG
 * for the statements that GIN could serve and, by a role that may only read, for those that write. One statement is always
 * asked of the same planner, so that its costs compare.
 */
export class Evaluators {
  readonly kind: EvaluatorKind;
  readonly #primary: Evaluator;
  readonly #startCopy: (() => Promise<Evaluator>) | undefined;
  readonly #notes: string[] = [];
  #copy: Evaluator | undefined;
  readonly #onCopy = new Set<number>();

  private constructor(primary: Evaluator, startCopy: (() => Promise<Evaluator>) | undefined) {
    this.kind = primary.kind;
    this.#primary = primary;
    this.#startCopy = startCopy;
  }

  /** Codes: ADVISE_NO_EVALUATOR; those of the planner copy when it was asked for. */
  static async open(
    options: EvaluatorsOptions,
    catalog: Catalog,
    statistics: Statistics,
    tables: readonly CatalogTable[],
  ): Promise<Evaluators> {
    const { client, target, evaluator: wanted = 'auto' } = options;
    const startCopy = target
      ? () => startPlannerCopy({ source: target, client, catalog, statistics, tables, ...shared(options) })
      : undefined;
    const hypopg = wanted === 'planner copy' ? undefined : await findHypopg(client);
    if (hypopg) return new Evaluators(new HypopgEvaluator(client, hypopg.schema, catalog), startCopy);
    if (wanted === 'hypopg' || !startCopy) {
      throw new OpsError(
        'ADVISE_NO_EVALUATOR',
        'The extension HypoPG is not in this database, so the planner cannot be asked about indexes that do not exist',
        {
          hint: 'CREATE EXTENSION hypopg, where the host offers it; without it the advisor needs PostgreSQL of the same major on this machine.',
        },
      );
    }
    return new Evaluators(await startCopy(), undefined);
  }

  /** Decides by the candidates of each statement who answers for it; before any question about it. */
  async assign(byStatement: ReadonlyMap<PlannedStatement, readonly Candidate[]>): Promise<void> {
    if (this.#primary.kind !== 'hypopg') return;
    const needs: PlannedStatement[] = [];
    const left = new Set<string>();
    for (const [statement, candidates] of byStatement) {
      const why = await this.#whyNotHypopg(statement, candidates);
      if (why === undefined) continue;
      needs.push(statement);
      left.add(why);
    }
    if (needs.length === 0) return;
    const note = (more: string) => this.#notes.push(...[...left].map(why => `${why}, and ${more}`));
    if (!this.#startCopy) return void note('there is no planner copy beside it.');
    try {
      this.#copy = await this.#startCopy();
    } catch (thrown) {
      const error = toOpsError(thrown);
      if (error.code === 'CANCELLED') throw error;
      return void note(`no planner copy could be made: ${error.message}`);
    }
    for (const statement of needs) this.#onCopy.add(statement.id);
  }

  async #whyNotHypopg(statement: PlannedStatement, candidates: readonly Candidate[]): Promise<string | undefined> {
    if (candidates.some(candidate => candidate.definition.method === 'gin'))
      return 'GIN indexes could not be judged before the proof: HypoPG does not know them';
    if (candidates.length === 0 || !writesRows(statement.parsed)) return undefined;
    try {
      await this.#primary.explain(statement, []);
      return undefined;
    } catch (thrown) {
      // insufficient_privilege: EXPLAIN asks for the rights of the statement, which a role that looks only has not.
      if (!isServerError(thrown) || !('code' in thrown) || thrown.code !== '42501') return undefined;
      return 'Statements that write could not be judged: HypoPG asks the server, which plans them only for who may write';
    }
  }

  of(statement: PlannedStatement): Evaluator {
    return this.#copy && this.#onCopy.has(statement.id) ? this.#copy : this.#primary;
  }

  /** Makes candidates known to whom they may be asked of; returns the ids that the server of one of them refuses. */
  async offer(
    all: readonly { candidate: SizedCandidate; statements: readonly PlannedStatement[] }[],
  ): Promise<Set<string>> {
    const refused = new Set<string>();
    for (const evaluator of [this.#primary, ...(this.#copy ? [this.#copy] : [])]) {
      const own = all.filter(({ statements }) => statements.some(statement => this.of(statement) === evaluator));
      for (const { id } of await evaluator.offer(own.map(each => each.candidate))) refused.add(id);
    }
    return refused;
  }

  rowsWhere(table: CatalogTable, where: string): Promise<number> {
    return this.#primary.rowsWhere(table, where);
  }

  notes(): string[] {
    return [...this.#notes, ...this.#primary.notes, ...(this.#copy?.notes ?? [])];
  }

  async close(): Promise<void> {
    await this.#primary[Symbol.asyncDispose]();
    await this.#copy?.[Symbol.asyncDispose]();
  }
}

function shared(options: EvaluatorsOptions): { signal?: AbortSignal; binDirs?: readonly string[] } {
  return {
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.binDirs ? { binDirs: options.binDirs } : {}),
  };
}
