import type pg from 'pg';
import { quoteIdent, quoteLiteral, quoteQualified } from '../../postgres/index.ts';
import type { Catalog } from '../catalog/index.ts';
import { createIndexSql } from '../indexes/index.ts';
import type { SizedCandidate } from './candidate.ts';
import type { Evaluation, Evaluator, Refusal } from './evaluator.ts';
import { explainSamples } from './explain-samples.ts';
import type { PlannedStatement } from './planned-statement.ts';

/** Where HypoPG is in this database; undefined when it is not. */
export async function findHypopg(client: pg.Client): Promise<{ schema: string; version: string } | undefined> {
  const { rows } = await client.query<{ schema: string; version: string }>(`
    SELECT n.nspname AS schema, e.extversion AS version
      FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'hypopg'`);
  return rows[0];
}

/**
 * Asks the server itself, with indexes that exist in this session only: nothing is written, nobody else sees them, and
 * a read-only session will do. It knows no GIN (HypoPG#97); its sizes ignore deduplication, so they are not used.
 */
export class HypopgEvaluator implements Evaluator {
  readonly kind = 'hypopg';
  readonly notes: string[] = [];
  readonly #client: pg.Client;
  readonly #schema: string;
  readonly #catalog: Catalog;
  /** The candidates that exist now, with the indexes that stand for them. */
  readonly #made = new Map<string, { candidate: SizedCandidate; indexes: { oid: number; name: string }[] }>();

  constructor(client: pg.Client, schema: string, catalog: Catalog) {
    this.#client = client;
    this.#schema = schema;
    this.#catalog = catalog;
  }

  async offer(candidates: readonly SizedCandidate[]): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    for (const candidate of candidates) {
      try {
        await this.#make(candidate);
        await this.#unmake(candidate.id);
      } catch (thrown) {
        if (!isServerError(thrown)) throw thrown;
        refusals.push({ id: candidate.id, reason: thrown.message });
      }
    }
    return refusals;
  }

  rowsWhere(table: { schema: string; name: string }, where: string): Promise<number> {
    return estimatedRows(this.#client, table, where);
  }

  async explain(statement: PlannedStatement, candidates: readonly SizedCandidate[]): Promise<Evaluation> {
    const tables = new Set(statement.usage.relations.map(relation => relation.table.oid));
    const wanted = new Set(candidates.map(candidate => candidate.id));
    // What stands on other tables does not matter to this statement, and may stay for the next.
    for (const [id, { candidate }] of this.#made) {
      if (!wanted.has(id) && tables.has(candidate.table.oid)) await this.#unmake(id);
    }
    for (const candidate of candidates) if (!this.#made.has(candidate.id)) await this.#make(candidate);
    const { cost, names, filters } = await explainSamples(this.#client, statement);
    const used = candidates.filter(({ id }) => this.#made.get(id)!.indexes.some(index => names.has(index.name)));
    return { cost, used: new Set(used.map(candidate => candidate.id)), filters };
  }

  async #make(candidate: SizedCandidate): Promise<void> {
    const indexes: { oid: number; name: string }[] = [];
    this.#made.set(candidate.id, { candidate, indexes });
    try {
      for (const leaf of this.#catalog.storageOf(candidate.table)) {
        const definition = { ...candidate.definition, schema: leaf.schema, table: leaf.name };
        const sql = createIndexSql(definition, 'what_if', { concurrently: false });
        const { rows } = await this.#client.query<{ oid: number; name: string }>(
          `SELECT indexrelid::int8::float8 AS oid, indexname AS name FROM ${quoteIdent(this.#schema)}.hypopg_create_index(${quoteLiteral(sql)})`,
        );
        indexes.push(...rows);
      }
    } catch (thrown) {
      await this.#unmake(candidate.id);
      throw thrown;
    }
  }

  async #unmake(id: string): Promise<void> {
    const oids = this.#made.get(id)?.indexes.map(index => index.oid) ?? [];
    this.#made.delete(id);
    if (oids.length === 0) return;
    await this.#client.query(
      `SELECT ${quoteIdent(this.#schema)}.hypopg_drop_index(o::oid) FROM unnest('{${oids.join(',')}}'::int8[]) AS o`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...this.#made.keys()]) await this.#unmake(id).catch(() => {});
  }
}

/** A refusal by the server has a severity; a lost connection has none. */
export function isServerError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'severity' in thrown && thrown.severity === 'ERROR';
}

export async function estimatedRows(
  client: pg.Client,
  table: { schema: string; name: string },
  where: string,
): Promise<number> {
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: { 'Plan Rows': number } }[] }>(
    `EXPLAIN (FORMAT JSON) SELECT FROM ${quoteQualified(table.schema, table.name)} WHERE ${where}`,
  );
  return rows[0]!['QUERY PLAN'][0]!.Plan['Plan Rows'];
}
