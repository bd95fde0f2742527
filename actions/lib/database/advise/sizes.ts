import type { Catalog, CatalogTable, Statistics } from '../catalog/index.ts';
import type { Candidate, SizedCandidate } from './candidate.ts';
import type { Evaluators } from './evaluators.ts';
import { isServerError } from './hypopg.ts';
import { estimateBytes } from './size.ts';

/** Gives candidates their size; how many rows a condition lets in, the planner is asked once. */
export class Sizes {
  readonly #catalog: Catalog;
  readonly #statistics: Statistics;
  readonly #evaluators: Evaluators;
  readonly #partialRows = new Map<string, number>();

  constructor(catalog: Catalog, statistics: Statistics, evaluators: Evaluators) {
    this.#catalog = catalog;
    this.#statistics = statistics;
    this.#evaluators = evaluators;
  }

  async of(candidate: Candidate): Promise<SizedCandidate> {
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
}
