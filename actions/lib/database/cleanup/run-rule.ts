import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { formatCount, formatDuration, type Log, type ProgressTask } from '../../log/index.ts';
import { pgError } from '../../postgres/index.ts';
import { BatchRefused, type BatchRequest, type BatchResult, type CleanupSession, deleteBatch } from './batch.ts';
import { type LoadLimits, nextBatchRows, readLoad, reasonToPause } from './load.ts';
import { aliasOf, type Position, referencedSql } from './sql.ts';
import type { CleanupTarget, ResolvedRule } from './targets.ts';

export interface CleanupOptions {
  batchSeconds: number;
  /** When the run ends, whatever is left. */
  deadline: number;
  limits: LoadLimits;
  /** How often the load is looked at during a pause, and a lock is asked for again. */
  pollSeconds: number;
  signal: AbortSignal;
  log: Log;
  progress: ProgressTask;
}

export interface RuleResult {
  /** `limit`: as many as one run may, or the time is over, and the next one goes on. `put off`: locks or load. */
  status: 'done' | 'limit' | 'put off' | 'failed';
  /** Of the error of a rule that failed. */
  code: string | null;
  message: string;
  deletedRows: number;
  batches: number;
  archivedBytes: number;
  pausedSeconds: number;
  /** Rows that only the server's refusal showed to be referenced. */
  refusedRows: number;
  /** By oid of the table: with those that CASCADE took along. */
  removed: Map<string, number>;
}

/** Locks asked for in vain, one batch after another, before the rule is put off. */
const attempts = 5;
const firstBatchRows = 500;
/** 4 MiB of heap; blocks without a row to delete cost one look. */
const blocksAtOnce = 512;
/** Rows found by refusal only: each costs tries, so there is an end to them. */
const mostRefused = 100;

/** Deletes what a rule says, batch after batch, until nothing is left that may go. */
export async function runRule(
  session: CleanupSession,
  resolved: ResolvedRule,
  before: Date,
  options: CleanupOptions,
): Promise<RuleResult> {
  const run = new RuleRun(session, resolved, before, options);
  try {
    for (const target of resolved.targets) if (!(await run.table(target))) break;
  } catch (thrown) {
    if (!isOfRule(thrown, session)) throw thrown;
    const { code, message, hint } = pgError(thrown, session.target);
    const said = hint ? `${message}. ${hint.replace(/\.$/, '')}` : message;
    Object.assign(run.result, { status: 'failed', code, message: said } satisfies Partial<RuleResult>);
  }
  return run.result;
}

/** It says nothing about other rules: they are followed all the same, and what was deleted so far is reported. */
function isOfRule(thrown: unknown, { target }: CleanupSession): boolean {
  if (thrown instanceof Error && thrown.name === 'AbortError') return false;
  return ['CLEANUP_KEPT', 'ARCHIVE_FAILED', 'PG_QUERY', 'PG_DENIED', 'PG_CANCELLED', 'PG_LOCKED'].includes(
    pgError(thrown, target).code,
  );
}

class RuleRun {
  readonly result: RuleResult = {
    status: 'done',
    code: null,
    message: '',
    deletedRows: 0,
    batches: 0,
    archivedBytes: 0,
    pausedSeconds: 0,
    refusedRows: 0,
    removed: new Map(),
  };
  readonly #session: CleanupSession;
  readonly #rule: ResolvedRule;
  readonly #before: Date;
  readonly #options: CleanupOptions;
  #limit: number;
  #failures = 0;

  constructor(session: CleanupSession, rule: ResolvedRule, before: Date, options: CleanupOptions) {
    this.#session = session;
    this.#rule = rule;
    this.#before = before;
    this.#options = options;
    this.#limit = Math.min(firstBatchRows, rule.rule.batchRows);
  }

  /** False: the rule has come to an end before its rows have. */
  async table(target: CleanupTarget): Promise<boolean> {
    const referenced = referencedSql(this.#session.keys, target.oid, aliasOf(target));
    // In a tree of rows the leaves go first, and then what they referred to: as often as that helps.
    const isTree = this.#session.keys.to(target.oid).some(key => this.#rule.oids.includes(key.child.oid));
    for (;;) {
      const atFirst = this.result.deletedRows;
      if (!(await this.#pass(target, referenced))) return false;
      if (!isTree || this.result.deletedRows === atFirst) return true;
    }
  }

  async #pass(target: CleanupTarget, referenced: string | null): Promise<boolean> {
    const blocks = target.hasIndex ? 0 : await heapBlocks(this.#session.client, target);
    const passedOver: string[] = [];
    let position: Position = target.hasIndex
      ? { kind: 'index', from: null }
      : { kind: 'blocks', first: 0, end: blocksAtOnce };
    for (;;) {
      if (!(await this.#mayGoOn())) return false;
      const limit = Math.min(this.#limit, this.#rule.rule.maxRowsPerRun - this.result.deletedRows);
      const request: BatchRequest = { target, before: this.#before, referenced, position, limit, passedOver };
      const done = await this.#batch(request, passedOver);
      if (done === 'stop') return false;
      if (done === 'again') continue;
      const isOver = done.deletedRows < limit;
      if (position.kind === 'index') {
        if (isOver) return true;
        position = { kind: 'index', from: done.last };
      } else if (isOver) {
        if (position.end >= blocks) return true;
        position = { kind: 'blocks', first: position.end, end: position.end + blocksAtOnce };
        passedOver.length = 0;
      }
    }
  }

  async #batch(request: BatchRequest, passedOver: string[]): Promise<BatchResult | 'again' | 'stop'> {
    const began = performance.now();
    try {
      const done = await deleteBatch(this.#session, request);
      this.#count(request, done);
      const took = (performance.now() - began) / 1000;
      if (done.deletedRows > 0) {
        this.#limit = nextBatchRows(request.limit, took, this.#options.batchSeconds, this.#rule.rule.batchRows);
      }
      this.#failures = 0;
      return done;
    } catch (thrown) {
      if (!(thrown instanceof BatchRefused)) throw thrown;
      return (await this.#refused(thrown, request, passedOver)) ? 'again' : 'stop';
    }
  }

  /** True: there is a way to go on. */
  async #refused(refusal: BatchRefused, { target, limit }: BatchRequest, passedOver: string[]): Promise<boolean> {
    const name = `${target.schema}.${target.name}`;
    if (!['55P03', '40P01', '40001'].includes(refusal.sqlState)) {
      if (limit > 1) {
        this.#limit = Math.max(1, Math.floor(limit / 2));
        return true;
      }
      // Down to one row: this one stays.
      if (refusal.ctids.length === 1 && this.result.refusedRows < mostRefused) {
        this.#options.log.debug(`${name}: one row stays, ${refusal.message}`);
        this.result.refusedRows++;
        passedOver.push(...refusal.ctids);
        return true;
      }
      return this.#end('put off', `the server refuses to delete rows of ${name}: ${refusal.message}`);
    }
    if (++this.#failures >= attempts) {
      return this.#end('put off', `locks on ${name} were not given within ${attempts} tries: ${refusal.message}`);
    }
    this.#limit = Math.max(1, Math.floor(limit / 2));
    await this.#pause(this.#options.pollSeconds * 2 ** (this.#failures - 1) * (0.5 + Math.random()));
    return true;
  }

  async #mayGoOn(): Promise<boolean> {
    const { limits, deadline, signal, pollSeconds, log } = this.#options;
    signal.throwIfAborted();
    const most = this.#rule.rule.maxRowsPerRun;
    if (this.result.deletedRows >= most) {
      return this.#end('limit', `${formatCount(most)} rows is what one run may delete; the next one goes on`);
    }
    for (let isSaid = false; ; ) {
      const reason = reasonToPause(await readLoad(this.#session.client), limits);
      if (Date.now() >= deadline) {
        return reason === null
          ? this.#end('limit', 'the time of a run is over; the next one goes on')
          : this.#end('put off', `the time of a run is over, and it was paused because ${reason}`);
      }
      if (reason === null) return true;
      if (!isSaid) log.info(`${this.#rule.table}: pausing, because ${reason}`);
      isSaid = true;
      await this.#pause(pollSeconds * (0.5 + Math.random()));
    }
  }

  async #pause(seconds: number): Promise<void> {
    await wait(seconds * 1000, undefined, { signal: this.#options.signal });
    this.result.pausedSeconds += seconds;
  }

  #end(status: 'limit' | 'put off', message: string): false {
    this.result.status = status;
    this.result.message = message;
    return false;
  }

  #count({ target }: BatchRequest, done: BatchResult): void {
    const { result } = this;
    if (done.deletedRows === 0) return;
    result.batches++;
    result.deletedRows += done.deletedRows;
    result.archivedBytes += done.archived?.part.storedBytes ?? 0;
    for (const [oid, rows] of [[target.oid, done.deletedRows] as const, ...done.cascaded]) {
      result.removed.set(oid, (result.removed.get(oid) ?? 0) + rows);
    }
    this.#options.progress.advance(done.deletedRows);
    const paused = result.pausedSeconds > 0 ? `, paused for ${formatDuration(result.pausedSeconds)}` : '';
    this.#options.log.debug(`${this.#rule.table}: ${formatCount(result.deletedRows)} rows deleted${paused}`);
  }
}

async function heapBlocks(client: pg.Client, { oid }: CleanupTarget): Promise<number> {
  const { rows } = await client.query<{ blocks: number }>(
    `select (pg_catalog.pg_relation_size($1::oid) / current_setting('block_size')::int)::float8 as blocks`,
    [oid],
  );
  return rows[0]!.blocks;
}
