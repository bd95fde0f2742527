import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { connect, type PostgresTarget, pgError, quoteLiteral, quoteQualified } from '../../postgres/index.ts';
import { type ParsedStatement, type PreparedStatement, prepareStatement } from '../statements/index.ts';
import { type PlanFacts, planFacts } from './plan.ts';
import { type IndexRef, refKey, type Values } from './provable.ts';

/** One execution of one statement. */
export interface Run {
  ms: number;
  /** Shared blocks that were touched, in memory or not; of a change also what its triggers touched. */
  buffers: number;
  readBuffers: number;
  /** Blocks of temporary files: a sort or a hash that did not fit into work_mem. */
  tempBlocks: number;
  /** Of the watched indexes, those that were read; by `refKey`. */
  used: ReadonlySet<string>;
  isWrite: boolean;
}

export type Ran = { kind: 'ran'; run: Run } | { kind: 'timed out'; limitMs: number } | { kind: 'refused'; why: string };
export type Explained = { kind: 'explained'; plan: PlanFacts } | Exclude<Ran, { kind: 'ran' }>;

export interface CopySessionOptions {
  /** Settings of production that its planner goes by; those that the role may not set are left out. */
  settings: Readonly<Record<string, string>>;
  statementTimeoutMs: number;
  signal: AbortSignal;
}

/** A server that accepted a statement and vanished would leave us waiting for as long as TCP believes in it. */
const answerWithinMs = 30_000;

/**
 * One connection to the copy, and the one thing it is for: running a statement as if some indexes were not there. They
 * are dropped in a transaction that is rolled back, which takes no time, needs no right but that of the owner, and lets
 * two states of the database be measured in turn, again and again, so that noise falls on both.
 */
export class CopySession implements AsyncDisposable {
  readonly target: PostgresTarget;
  readonly client: pg.Client;
  /** May be lowered when time runs out. */
  statementTimeoutMs: number;
  /** Oids of the watched indexes and of the partitions of them, by `refKey`. */
  readonly #watched = new Map<string, { ref: IndexRef; oids: number[] }>();
  #isGone = false;
  readonly #prepared = new Map<string, PreparedStatement | { why: string }>();

  private constructor(target: PostgresTarget, client: pg.Client, statementTimeoutMs: number) {
    this.target = target;
    this.client = client;
    this.statementTimeoutMs = statementTimeoutMs;
    client.once('end', () => {
      this.#isGone = true;
    });
  }

  /** Codes: those of `pgError`. */
  static async open(target: PostgresTarget, options: CopySessionOptions): Promise<CopySession> {
    const { signal } = options;
    const settings = { statement_timeout: '0', lock_timeout: '30s', idle_in_transaction_session_timeout: '0' };
    const client = await connect(target, { applicationName: 'production-ops prove', settings, signal });
    try {
      // A role that is no superuser may not set all of them, and another major does not know all of them.
      await client.query(settingsQuery, [Object.keys(options.settings), Object.values(options.settings)]);
      return new CopySession(target, client, options.statementTimeoutMs);
    } catch (thrown) {
      await client.end().catch(() => {});
      throw pgError(thrown, target);
    }
  }

  /** A statement of our own, outside of any transaction. Codes: those of `pgError`. */
  async query<Row extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]> {
    try {
      return (await this.client.query<Row>(sql, values && [...values])).rows;
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  #failed(thrown: unknown): OpsError {
    const error = pgError(thrown, this.target);
    if (error.code === 'PG_LOST' || error.code === 'CANCELLED') this.#isGone = true;
    return error;
  }

  /** From now on runs say whether they read these; what does not exist is left out. */
  async watch(indexes: readonly IndexRef[]): Promise<void> {
    const rows = await this.query<{ n: number; oids: number[] }>(watchQuery, [
      indexes.map(index => index.schema),
      indexes.map(index => index.name),
    ]);
    for (const { n, oids } of rows) this.#watched.set(refKey(indexes[n - 1]!), { ref: indexes[n - 1]!, oids });
  }

  /** The connection was lost: no other statement can succeed. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether it is among the watched ones, which exist. */
  knows(index: IndexRef): boolean {
    return this.#watched.has(refKey(index));
  }

  unwatch(index: IndexRef): void {
    this.#watched.delete(refKey(index));
  }

  /** The types of the parameters, as the server infers them; a reason when it does not take the statement. */
  async prepare(statement: ParsedStatement): Promise<PreparedStatement | { why: string }> {
    const known = this.#prepared.get(statement.text);
    if (known) return known;
    let answer: PreparedStatement | { why: string };
    try {
      answer = await prepareStatement(this.client, statement);
    } catch (thrown) {
      if (!(thrown instanceof OpsError)) throw this.#failed(thrown);
      // The server's words may quote a value.
      answer = { why: statement.kind === 'utility' ? 'it is a utility statement' : 'the server does not take it' };
    }
    this.#prepared.set(statement.text, answer);
    return answer;
  }

  /** The plan without `hidden`; nothing is executed. Throws what `run` throws. */
  async explain(statement: ParsedStatement, values: Values, hidden: readonly IndexRef[] = []): Promise<Explained> {
    return this.#inTransaction(statement, hidden, async prepared => {
      const plan = await this.#explained('FORMAT JSON', prepared, values);
      return { kind: 'explained', plan };
    });
  }

  /**
   * Executes it without `hidden`, and rolls back. What the server refuses is an outcome.
   * @throws OpsError `PG_LOST` and others when the server itself is gone; CANCELLED
   */
  async run(statement: ParsedStatement, values: Values, hidden: readonly IndexRef[] = []): Promise<Ran> {
    return this.#inTransaction(statement, hidden, async prepared => {
      // What the server has not yet handed to its statistics, of transactions before this one, is in the counts as well.
      const before = await this.#counts(statement);
      // Without times of each node, which would cost more than many a statement.
      const plan = await this.#explained('ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON', prepared, values);
      const after = await this.#counts(statement);
      const { hit, read, temp } = plan.buffers;
      const run: Run = {
        ms: plan.executionMs ?? 0,
        // Triggers, foreign keys among them, are no part of the plan.
        buffers: plan.isWrite ? after.blocks - before.blocks : hit + read,
        readBuffers: read,
        tempBlocks: temp,
        used: this.#used(plan, before, after),
        isWrite: plan.isWrite,
      };
      return { kind: 'ran', run };
    });
  }

  async #explained(options: string, prepared: PreparedStatement, values: Values): Promise<PlanFacts> {
    const given = prepared.types.map((_, n) => values[n] ?? null);
    const list = given.map(value => (value === null ? 'NULL' : quoteLiteral(value))).join(', ');
    const config = {
      text: `EXPLAIN (${options}) EXECUTE ${prepared.name}${list === '' ? '' : `(${list})`}`,
      query_timeout: this.statementTimeoutMs + answerWithinMs,
    };
    const { rows } = await this.client.query<{ 'QUERY PLAN': unknown }>(config);
    return planFacts(rows[0]?.['QUERY PLAN']);
  }

  /** Of the watched indexes; also by a foreign key's own query, which no plan shows. */
  #used(plan: PlanFacts, before: Counts, after: Counts): Set<string> {
    const isRead = (oid: number) => {
      const count = after.scans.get(oid);
      // Workers of a parallel scan count for themselves: for those the name in the plan has to do.
      return count !== undefined && (count.scans > (before.scans.get(oid)?.scans ?? 0) || plan.indexes.has(count.name));
    };
    return new Set([...this.#watched].flatMap(([key, { oids }]) => (oids.some(isRead) ? [key] : [])));
  }

  async #counts({ text }: ParsedStatement): Promise<Counts> {
    // Also in a WITH. Going through all tables costs more than many a statement that only reads.
    const mayWrite = /\b(?:insert|update|delete|merge)\b/i.test(text);
    const oids = [...this.#watched.values()].flatMap(watched => watched.oids);
    const { rows } = await this.client.query<CountsRow>(countsQuery, [oids, mayWrite]);
    const { blocks, scans } = rows[0]!;
    return { blocks: Number(blocks), scans: new Map(scans.map(({ oid, ...count }) => [Number(oid), count])) };
  }

  async #inTransaction<T>(
    statement: ParsedStatement,
    hidden: readonly IndexRef[],
    work: (prepared: PreparedStatement) => Promise<T>,
  ): Promise<T | Exclude<Ran, { kind: 'ran' }>> {
    const prepared = await this.prepare(statement);
    if ('why' in prepared) return { kind: 'refused', why: prepared.why };
    const limitMs = Math.ceil(this.statementTimeoutMs);
    const drop =
      hidden.length > 0 ? `DROP INDEX ${hidden.map(each => quoteQualified(each.schema, each.name)).join(', ')};` : '';
    try {
      // A constraint that is checked at commit would not be checked at all.
      await this.client.query(
        `BEGIN; ${drop} SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL plan_cache_mode = force_custom_plan;
         SET LOCAL statement_timeout = ${limitMs}`,
      );
      return await work(prepared);
    } catch (thrown) {
      const error = thrown as { code?: string; severity?: string };
      // Only a server that is still there refuses; its text may hold a value and is not passed on.
      if (error.severity !== 'ERROR') throw this.#failed(thrown);
      return error.code === '57014' ? { kind: 'timed out', limitMs } : { kind: 'refused', why: refusal(error.code) };
    } finally {
      if (!this.#isGone) await this.client.query('ROLLBACK').catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.end().catch(() => {});
  }
}

/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
function refusal(code: string | undefined): string {
  switch (code) {
    case '42P01':
      return 'a table of it is not there any more';
    case '42501':
      return 'the role may not run it on the copy';
    case '55P03':
      return 'somebody holds a lock on the copy';
    case '53100':
      return 'the disk of the copy is full';
    case '42P02':
    case '08P01':
    case '42P18':
      return 'values for its parameters are not known';
    default:
      return `the server refused it (SQLSTATE ${code ?? 'unknown'})`;
  }
}

/** What a failure of a statement of our own means, in the same words. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof OpsError)) return 'it failed';
  const code = /\(SQLSTATE (\w{5})\)$/.exec(thrown.message)?.[1];
  return code === undefined ? thrown.message : refusal(code);
}

const settingsQuery = `
  SELECT pg_catalog.set_config(w.name, w.value, false)
    FROM unnest($1::text[], $2::text[]) AS w (name, value)
    JOIN pg_catalog.pg_settings s USING (name)
   WHERE s.context = 'user' OR s.context = 'superuser' AND (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)`;

// Of an index on a partitioned table the leaves are what is read.
const watchQuery = `
  SELECT w.n::int AS n, ARRAY(SELECT p.relid::oid::int8::float8 FROM pg_catalog.pg_partition_tree(c.oid) p
                               UNION SELECT c.oid::int8::float8) AS oids
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (schema, name, n)
    JOIN pg_catalog.pg_namespace s ON s.nspname = w.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = w.name AND c.relkind IN ('i', 'I')`;

interface Counts {
  /** Of tables and indexes of people. */
  blocks: number;
  scans: ReadonlyMap<number, { name: string; scans: number }>;
}

interface CountsRow {
  blocks: string;
  scans: { oid: string; name: string; scans: number }[];
}

const countsQuery = `
  SELECT (SELECT coalesce(sum(pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid)), 0)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE $2 AND c.relkind IN ('r', 'i', 'm', 't')
             AND n.nspname <> 'pg_catalog' AND n.nspname <> 'information_schema') AS blocks,
         (SELECT coalesce(json_agg(json_build_object('oid', c.oid::text, 'name', c.relname,
                                                     'scans', pg_catalog.pg_stat_get_xact_numscans(c.oid))), '[]')
            FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::float8[]::int8[]::oid[])) AS scans`;
