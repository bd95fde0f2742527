import type pg from 'pg';
import {
  connect,
  type PostgresTarget,
  quoteIdent,
  quoteLiteral,
  quoteQualified,
  type ThrowawayServer,
} from '../../../postgres/index.ts';
import { type Catalog, type CatalogTable, readCatalog, type Statistics } from '../../catalog/index.ts';
import { createIndexSql, createTrigramExtension } from '../../indexes/index.ts';
import type { SizedCandidate } from '../candidate.ts';
import type { Evaluation, Evaluator, Refusal } from '../evaluator.ts';
import { explainSamples } from '../explain-samples.ts';
import { estimatedRows, isServerError } from '../hypopg.ts';
import type { PlannedStatement } from '../planned-statement.ts';
import { copySchema } from './copy-schema.ts';
import { copyStatistics, distinctSql } from './copy-statistics.ts';
import { shrinkRelation, stretchRelation } from './relation-files.ts';

export interface PlannerCopyOptions {
  source: PostgresTarget;
  client: pg.Client;
  catalog: Catalog;
  statistics: Statistics;
  /** The tables of the workload: others stay empty. */
  tables: readonly CatalogTable[];
  signal?: AbortSignal;
  binDirs?: readonly string[];
}

/**
 * A PostgreSQL on this machine whose planner believes that it is the source: its schema, its statistics, its sizes, its
 * cost settings, and no rows. Candidates are real indexes on empty tables, shown to the planner or hidden from it by
 * `indisvalid`; the length of each file is what the real one would have. It costs the source nothing after one reading,
 * and knows every access method.
 * Codes: those of `copySchema`.
 */
export async function startPlannerCopy(options: PlannerCopyOptions): Promise<Evaluator> {
  const { server, notes } = await copySchema(options.source, options.client, options);
  try {
    const client = await connect(server.target, { signal: options.signal });
    const copy = new PlannerCopy(server, client, options, notes);
    await copy.prepare();
    return copy;
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

/** What the planner's choice depends on beside statistics. */
const plannerSettings = `
  SELECT name, setting || CASE unit WHEN '8kB' THEN '' ELSE coalesce(unit, '') END AS value, unit
    FROM pg_catalog.pg_settings
   WHERE category LIKE 'Query Tuning%' AND name NOT LIKE 'debug%' AND name <> 'plan_cache_mode'
      OR name IN ('search_path', 'work_mem', 'hash_mem_multiplier', 'max_parallel_workers_per_gather', 'max_parallel_workers',
                  'default_text_search_config', 'TimeZone', 'DateStyle', 'IntervalStyle')`;

class PlannerCopy implements Evaluator {
  readonly kind = 'planner copy';
  readonly notes: string[];
  readonly #server: ThrowawayServer;
  readonly #client: pg.Client;
  readonly #options: PlannerCopyOptions;
  /** The copy's own catalog: oids differ from the source's. */
  #own!: Catalog;
  readonly #files = new Map<number, string>();
  readonly #made = new Map<string, { candidate: SizedCandidate; oids: number[]; names: string[]; isShown: boolean }>();
  #count = 0;

  constructor(server: ThrowawayServer, client: pg.Client, options: PlannerCopyOptions, notes: string[]) {
    this.#server = server;
    this.#client = client;
    this.#options = options;
    this.notes = notes;
  }

  async prepare(): Promise<void> {
    await this.#client.query(createTrigramExtension).catch(thrown => {
      if (!isServerError(thrown)) throw thrown;
      this.notes.push(
        'pg_trgm is not installed on this machine: no index for LIKE in the middle of text could be judged.',
      );
    });
    this.#own = await readCatalog(this.#client);
    const storage = this.#options.tables.flatMap(table => this.#options.catalog.storageOf(table));
    const missing = storage.filter(table => !this.#own.find(table.schema, table.name));
    if (missing.length > 0) this.notes.push(`Not copied: ${missing.map(table => table.name).join(', ')}`);
    await copyStatistics(this.#options.client, this.#client, [...this.#options.tables, ...storage]);
    await this.#resize(storage);
    await this.#copySettings();
  }

  async offer(candidates: readonly SizedCandidate[]): Promise<Refusal[]> {
    const refusals: Refusal[] = [];
    const tables = new Set(candidates.flatMap(candidate => this.#options.catalog.storageOf(candidate.table)));
    // An index is built by reading the table, of which there is nothing to read.
    for (const table of tables) await this.#shrink(table);
    for (const candidate of candidates) {
      if (this.#made.has(candidate.id)) continue;
      try {
        this.#made.set(candidate.id, await this.#build(candidate));
      } catch (thrown) {
        if (!isServerError(thrown)) throw thrown;
        refusals.push({ id: candidate.id, reason: thrown.message });
      }
    }
    await this.#resize([...tables]);
    return refusals;
  }

  rowsWhere(table: { schema: string; name: string }, where: string): Promise<number> {
    return estimatedRows(this.#client, table, where);
  }

  async explain(statement: PlannedStatement, candidates: readonly SizedCandidate[]): Promise<Evaluation> {
    const tables = new Set(statement.usage.relations.map(relation => relation.table.oid));
    const wanted = new Set(candidates.map(candidate => candidate.id));
    await this.#show(
      [...this.#made]
        .filter(([id, made]) => tables.has(made.candidate.table.oid) && made.isShown !== wanted.has(id))
        .map(([, made]) => made),
    );
    const { cost, names, filters } = await explainSamples(this.#client, statement);
    const used = candidates.filter(({ id }) => this.#made.get(id)?.names.some(name => names.has(name)));
    return { cost, used: new Set(used.map(candidate => candidate.id)), filters };
  }

  /** Turns each of these from shown to hidden, or the other way round. */
  async #show(turned: readonly { oids: number[]; isShown: boolean }[]): Promise<void> {
    if (turned.length === 0) return;
    for (const each of turned) each.isShown = !each.isShown;
    const list = (isShown: boolean) =>
      `'{${turned
        .filter(each => each.isShown === isShown)
        .flatMap(each => each.oids)
        .join(',')}}'::oid[]`;
    await this.#client.query(
      `UPDATE pg_catalog.pg_index SET indisvalid = indexrelid = ANY (${list(true)})
        WHERE indexrelid = ANY (${list(true)} || ${list(false)})`,
    );
  }

  async #build(candidate: SizedCandidate) {
    const leaves = this.#options.catalog.storageOf(candidate.table);
    const oids: number[] = [];
    const names: string[] = [];
    for (const leaf of leaves) {
      const name = `ops_what_if_${++this.#count}`;
      const definition = { ...candidate.definition, schema: leaf.schema, table: leaf.name };
      await this.#client.query(createIndexSql(definition, name, { concurrently: false }));
      const share = candidate.table.rows > 0 ? leaf.rows / candidate.table.rows : 1 / leaves.length;
      const qualified = quoteQualified(leaf.schema, name);
      const { rows } = await this.#client.query<{ oid: number; path: string }>(
        `UPDATE pg_catalog.pg_class SET reltuples = ${candidate.rows * share}, relpages = ${pagesOf(candidate.bytes * share)}
          WHERE oid = ${quoteLiteral(qualified)}::regclass
          RETURNING oid::int8::float8 AS oid, pg_catalog.pg_relation_filepath(oid) AS path`,
      );
      await this.#describe(candidate, leaf, qualified);
      await this.#client.query(`UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = ${rows[0]!.oid}`);
      await stretchRelation(this.#server.dataDir, rows[0]!.path, pagesOf(candidate.bytes * share));
      oids.push(rows[0]!.oid);
      names.push(name);
    }
    return { candidate, oids, names, isShown: false };
  }

  /** The planner takes half a percent for an expression it has no statistics of; `lower(email)` has as many values as email. */
  async #describe(candidate: SizedCandidate, leaf: CatalogTable, qualified: string): Promise<void> {
    const [key] = candidate.definition.keys;
    if (key?.kind !== 'expression') return;
    const match = /^(?:lower|upper|btrim)\("?([^"()]+)"?\)$/.exec(key.expression);
    const column = match ? this.#options.statistics.of(leaf, match[1]!) : undefined;
    if (column)
      await this.#client.query(
        distinctSql(qualified, -Math.min(1, column.distinct / Math.max(1, leaf.rows)), column.averageBytes),
      );
  }

  async #shrink(table: CatalogTable): Promise<void> {
    const path = await this.#path(table);
    if (path !== undefined) await shrinkRelation(this.#server.dataDir, path);
  }

  /** Gives tables and the indexes they came with the pages and rows of the source. */
  async #resize(tables: readonly CatalogTable[]): Promise<void> {
    for (const table of tables) {
      const own = this.#own.find(table.schema, table.name);
      const path = await this.#path(table);
      if (!own || path === undefined) continue;
      await this.#client.query(
        `UPDATE pg_catalog.pg_class SET reltuples = $2, relpages = $3, relallvisible = $4 WHERE oid = $1`,
        [own.oid, table.rows, table.pages, table.visiblePages],
      );
      await stretchRelation(this.#server.dataDir, path, table.pages);
      if (this.#files.has(-own.oid)) continue;
      this.#files.set(-own.oid, '');
      for (const index of table.indexes) await this.#resizeIndex(index);
    }
  }

  async #resizeIndex(index: {
    schema: string;
    name: string;
    pages: number;
    rows: number;
    isValid: boolean;
  }): Promise<void> {
    const { rows } = await this.#client.query<{ path: string; oid: number }>(
      `UPDATE pg_catalog.pg_class SET reltuples = $2, relpages = $3
        WHERE oid = pg_catalog.to_regclass($1) AND relkind = 'i'
        RETURNING pg_catalog.pg_relation_filepath(oid) AS path, oid::int8::float8 AS oid`,
      [quoteQualified(index.schema, index.name), index.rows, index.pages],
    );
    if (!rows[0]) return;
    await stretchRelation(this.#server.dataDir, rows[0].path, Math.max(1, index.pages));
    if (!index.isValid)
      await this.#client.query('UPDATE pg_catalog.pg_index SET indisvalid = false WHERE indexrelid = $1', [
        rows[0].oid,
      ]);
  }

  async #path(table: CatalogTable): Promise<string | undefined> {
    const own = this.#own.find(table.schema, table.name);
    if (!own) return undefined;
    const known = this.#files.get(own.oid);
    if (known !== undefined) return known;
    const { rows } = await this.#client.query<{ path: string | null }>(
      'SELECT pg_catalog.pg_relation_filepath($1::oid) AS path',
      [own.oid],
    );
    const path = rows[0]?.path ?? undefined;
    if (path !== undefined) this.#files.set(own.oid, path);
    return path;
  }

  async #copySettings(): Promise<void> {
    const { rows } = await this.#options.client.query<{ name: string; value: string; unit: string | null }>(
      plannerSettings,
    );
    for (const { name, value } of rows) {
      // A setting that this server lacks or does not let a session change stays as it is.
      await this.#client.query(`SET ${quoteIdent(name)} = ${settingValue(name, value)}`).catch(thrown => {
        if (!isServerError(thrown)) throw thrown;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => {});
    await this.#server.stop();
  }
}

/** search_path is a list of identifiers, already written as one. */
function settingValue(name: string, value: string): string {
  return name === 'search_path' ? value || "''" : quoteLiteral(value);
}

function pagesOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 8192));
}
