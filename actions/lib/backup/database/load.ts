import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { formatBytes } from '../../log/index.ts';
import { connect, copyIn, pgError, quoteQualified } from '../../postgres/index.ts';
import { readPart } from '../parts/part-reader.ts';
import type { Part, TableRecord } from '../sets/manifest.ts';
import { frozen, pinnedSettings } from './copy-statement.ts';
import type { TableIndexes } from './indexes.ts';
import { type Load, LoadOrder } from './load-order.ts';
import type { RestoreOptions } from './restore.ts';

/**
 * Every row part, by `jobs` connections. One that finds nothing more to load builds indexes of the tables that are in,
 * as long as others load.
 *
 * @param chosen indexes into the manifest's tables; undefined: all
 */
export async function loadRows(
  options: RestoreOptions,
  chosen: Set<number> | undefined,
  indexes: TableIndexes,
): Promise<{ rows: number; plainBytes: number }> {
  const parts = options.manifest.parts.filter(
    part => part.role === 'rows' && (!chosen || part.slices?.some(slice => chosen.has(slice.table))),
  );
  const total = parts.reduce((sum, part) => sum + part.plainBytes, 0);
  const task = options.progress.start('loading rows', total, formatBytes);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let rows = 0;
  const order = new LoadOrder(parts, options.jobs);
  const work: LoadWork = { ...options, signal, chosen, onLoaded: part => task.advance(part.plainBytes) };
  const load = async () => {
    const client = await connect(options.target, {
      applicationName: 'production-ops restore worker',
      signal,
      settings: { ...pinnedSettings, synchronous_commit: 'off' },
    });
    try {
      for (let next = order.next(); next !== undefined; next = order.next()) {
        signal.throwIfAborted();
        rows += await loadTogether(client, next.load, work);
        indexes.isIn(next.done());
      }
    } catch (error) {
      throw pgError(error, options.target);
    } finally {
      await client.end().catch(() => {});
    }
  };
  const worker = async () => {
    await load();
    while (order.isLoading && (await indexes.build(signal)));
  };
  const lanes = Array.from({ length: options.jobs }, worker);
  for (const lane of lanes) lane.catch(error => stop.abort(error));
  await Promise.allSettled(lanes);
  task.done();
  options.signal.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason;
  return { rows, plainBytes: total };
}

/**
 * Parts in one transaction: it is committed after the last byte was read and all hashes matched.
 *
 * A large table that comes whole is truncated first, which lets COPY write its rows frozen: they are visible to all at
 * once, so that nothing has to come back and write every page again, neither the first reader, nor VACUUM, nor the
 * freezing that is due when the table is old. Under `wal_level = minimal` they are not even logged.
 * https://www.postgresql.org/docs/current/sql-copy.html, FREEZE
 */
async function loadTogether(client: pg.Client, load: Load, work: LoadWork): Promise<number> {
  await client.query('begin');
  try {
    const [table] = load.tables;
    const rows =
      load.tables.size === 1 ? await loadTable(client, table!, load, work) : await loadTables(client, load, work);
    await client.query('commit');
    return rows;
  } catch (error) {
    await client.query('rollback').catch(() => {});
    throw error;
  }
}

interface LoadWork extends RestoreOptions {
  /** Indexes into the manifest's tables; undefined: all. */
  chosen: Set<number> | undefined;
  onLoaded: (part: Part) => void;
}

/**
 * All parts by one COPY: each begins with a ring of 16 MiB of buffers, which it uses again and again; many of them in a
 * row search the whole buffer pool for victims instead, and take a half more of the server's time.
 */
async function loadTable(client: pg.Client, index: number, load: Load, work: LoadWork): Promise<number> {
  const table = work.manifest.database.tables[index]!;
  const isFrozen = load.isWhole && (await truncated(client, table));
  let sent = 0;
  const chunks = async function* () {
    for await (const { part, bytes } of opened(load, work)) {
      for (const slice of part.slices ?? []) {
        await bytes.skipTo(slice.offset);
        yield* bytes.take(slice.plainBytes);
        sent += slice.rows;
      }
    }
  };
  const loaded = await copyIn(client, isFrozen ? frozen(table.copyFrom) : table.copyFrom, chunks());
  if (loaded !== sent) throw otherCount(table, loaded, sent);
  return loaded;
}

/** Small tables that share a part. */
async function loadTables(client: pg.Client, load: Load, work: LoadWork): Promise<number> {
  let rows = 0;
  for await (const { part, bytes } of opened(load, work)) {
    for (const slice of part.slices ?? []) {
      const table = work.manifest.database.tables[slice.table]!;
      await bytes.skipTo(slice.offset);
      if (work.chosen && !work.chosen.has(slice.table)) continue;
      const loaded = await copyIn(client, table.copyFrom, bytes.take(slice.plainBytes));
      if (loaded !== slice.rows) throw otherCount(table, loaded, slice.rows);
      rows += loaded;
    }
  }
  return rows;
}

/** Whether it could be truncated: an owner may have taken that right away. */
async function truncated(client: pg.Client, table: TableRecord): Promise<boolean> {
  const name = quoteQualified(table.schema, table.name);
  const { rows } = await client.query<{ may: boolean }>(`select has_table_privilege($1, 'truncate') as may`, [name]);
  if (!rows[0]!.may) return false;
  await client.query(`truncate only ${name}`);
  return true;
}

/** One part after the other, each read to its end, where the hashes are compared, before the next one comes. */
async function* opened(load: Load, work: LoadWork): AsyncGenerator<{ part: Part; bytes: ByteReader }> {
  const open = (part: Part | undefined) =>
    part && { part, bytes: new ByteReader(readPart(work.storage, part, work)[Symbol.asyncIterator]()) };
  let current = open(load.take());
  let ahead: typeof current;
  // Before the one ahead, or, where connections are few, every one of them waits for a part that nobody reads yet.
  current?.bytes.begin();
  try {
    for (; current; current = ahead) {
      // The next one is fetched and opened while this one loads: over a network that takes longer than the load.
      ahead = open(load.take());
      ahead?.bytes.begin();
      yield current;
      await current.bytes.drain();
      work.onLoaded(current.part);
    }
  } finally {
    await Promise.allSettled([current?.bytes.close(), ahead?.bytes.close()]);
  }
}

function otherCount(table: TableRecord, loaded: number, sent: number): OpsError {
  return new OpsError(
    'SET_DAMAGED',
    `${loaded} rows of ${table.schema}.${table.name} were loaded, and the set says ${sent}`,
  );
}

/** Takes a byte stream apart at the offsets of the manifest. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #position = 0;
  #first: Promise<IteratorResult<Buffer>> | undefined;

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source;
  }

  /** Opens the source, before anything is taken. */
  begin(): void {
    this.#first = this.#source.next();
    this.#first.catch(() => {}); // it is thrown where the bytes are taken
  }

  async skipTo(offset: number): Promise<void> {
    for await (const _ of this.take(offset - this.#position));
  }

  async *take(length: number): AsyncGenerator<Buffer> {
    let left = length;
    while (left > 0) {
      if (this.#chunk.length === 0 && !(await this.#next())) return; // the reader's own check names the part
      const piece = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(piece.length);
      this.#position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** Reads on to the end, where the hashes are compared. */
  async drain(): Promise<void> {
    while (await this.#next());
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #next(): Promise<boolean> {
    const next = await (this.#first ?? this.#source.next());
    this.#first = undefined;
    if (next.done) return false;
    this.#chunk = next.value;
    return true;
  }
}
