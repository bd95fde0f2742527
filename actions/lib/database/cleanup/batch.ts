import type pg from 'pg';
import {
  type ArchivedRows,
  type ArchiveManifest,
  type ArchiveOwner,
  type ArchiveTarget,
  openArchiveBatch,
  writeArchiveDoc,
  writeArchivedRows,
} from '../../backup/index.ts';
import { OpsError } from '../../errors/index.ts';
import { type PostgresTarget, quoteQualified } from '../../postgres/index.ts';
import type { ForeignKeys } from './foreign-keys.ts';
import { readRelations } from './relations.ts';
import { cascadedSql, lockSql, type Position } from './sql.ts';
import type { CleanupTarget } from './targets.ts';

/** What one run knows, whichever table it is at. */
export interface CleanupSession {
  client: pg.Client;
  target: PostgresTarget;
  keys: ForeignKeys;
  owner: ArchiveOwner;
  encoding: string;
  serverVersion: string;
  /** From 14 on: a range of places is read without the rest of the table. */
  hasTidRanges: boolean;
  archive: ArchiveTarget | null;
  /** Number of the last batch that was archived. */
  archivedBatches: number;
  now: () => Date;
}

export interface BatchRequest {
  target: CleanupTarget;
  /** Too old is what is older. */
  before: Date;
  referenced: string | null;
  position: Position;
  limit: number;
  /** Where rows lie that were found not to go. */
  passedOver: readonly string[];
}

export interface BatchResult {
  deletedRows: number;
  /** Rows of other tables (and of the same one) that CASCADE took along, by oid. */
  cascaded: ReadonlyMap<string, number>;
  /** The column's value in the last row, as text. */
  last: string | null;
  archived: ArchiveManifest | null;
}

/** More than this is held in memory as positions and locks: such a batch is cut smaller. */
const mostCascadedRows = 200_000;

/** The server refused, and nothing of the batch was done: `23503` referenced, `55P03` locked, … */
export class BatchRefused extends Error {
  readonly sqlState: string;
  /** Where the rows of the batch lie. */
  readonly ctids: readonly string[];

  constructor(sqlState: string, message: string, ctids: readonly string[]) {
    super(message);
    this.sqlState = sqlState;
    this.ctids = ctids;
  }
}

/**
 * One transaction: lock the rows and what goes along with them, archive them and read that back, delete them. What is
 * deleted is exactly what was archived, since nobody can change a locked row; a crash anywhere leaves the rows where they
 * are, or archived and gone.
 * @throws BatchRefused for what a smaller batch or another time may get done; OpsError `ARCHIVE_FAILED`, `CLEANUP_KEPT`
 */
export async function deleteBatch(session: CleanupSession, request: BatchRequest): Promise<BatchResult> {
  const { client } = session;
  const ctids: string[] = [];
  let isCommitting = false;
  let discard: ((reason: unknown) => Promise<void>) | undefined;
  await client.query('BEGIN');
  try {
    // A deferred foreign key speaks at once, and not at COMMIT, where it could not be told from a lost connection.
    await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    const locked = await lockRows(session, request);
    ctids.push(...locked.map(row => row.ctid));
    if (ctids.length === 0) {
      await client.query('ROLLBACK');
      return { deletedRows: 0, cascaded: new Map(), last: null, archived: null };
    }
    const cascaded = await lockCascaded(session, request, ctids);
    let archived: ArchiveManifest | null = null;
    if (request.target.rule.archive && session.archive) {
      if (session.archivedBatches === 0) await writeArchiveDoc(session.archive);
      const batch = await openArchiveBatch(session.archive, session.archivedBatches + 1, session.now);
      discard = reason => batch.discard(reason);
      const tables = await archivedTables(client, request.target, ctids, cascaded);
      const counted = await writeArchivedRows(client, batch, tables, session.encoding);
      assertCounted(tables, counted);
      archived = await batch.finish({
        serverVersion: session.serverVersion,
        rule: {
          table: `${request.target.schema}.${request.target.name}`,
          column: request.target.rule.column,
          before: request.before.toISOString(),
          condition: request.target.rule.condition ?? null,
        },
        tables: tables.map(({ schema, name }, at) => ({ schema, name, rows: counted[at]! })),
      });
    }
    const name = quoteQualified(request.target.schema, request.target.name);
    const deleted = await client.query(`DELETE FROM ONLY ${name} WHERE ctid = ANY ($1::tid[])`, [ctids]);
    if (deleted.rowCount !== ctids.length) throw kept(request.target, ctids.length, deleted.rowCount ?? 0);
    isCommitting = true;
    await client.query('COMMIT');
    if (archived) session.archivedBatches++;
    return {
      deletedRows: ctids.length,
      cascaded: new Map([...cascaded].map(([oid, found]) => [oid, found.size])),
      last: locked.at(-1)!.at,
      archived,
    };
  } catch (thrown) {
    // A COMMIT without an answer may have been done: then the archive is all there is.
    if (!isCommitting) {
      await client.query('ROLLBACK').catch(() => {});
      await discard?.(thrown);
    }
    throw refused(thrown, ctids);
  }
}

async function lockRows(
  { client, hasTidRanges }: CleanupSession,
  request: BatchRequest,
): Promise<{ ctid: string; at: string }[]> {
  const { target, before, referenced, position, limit, passedOver } = request;
  const blocks = position.kind === 'blocks' ? [position.first, position.end] : [];
  const place =
    position.kind === 'index' ? [position.from] : hasTidRanges ? blocks.map(block => `(${block},0)`) : blocks;
  const { rows } = await client.query<{ ctid: string; at: string }>(
    lockSql(target, referenced, position, { hasTidRanges }),
    [before.toISOString(), limit, passedOver, ...place],
  );
  return rows;
}

/** Everything that CASCADE takes along, level by level, by oid of the table it lies in. */
async function lockCascaded(
  { client, keys }: CleanupSession,
  { target, limit }: BatchRequest,
  ctids: readonly string[],
): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  const first = new Set(ctids);
  const names = new Map<string, { schema: string; name: string }>([[target.oid, target]]);
  let total = 0;
  let level = new Map<string, readonly string[]>([[target.oid, ctids]]);
  while (level.size > 0) {
    const next = new Map<string, string[]>();
    for (const [oid, parents] of level) {
      for (const key of keys.to(oid).filter(each => each.onDelete === 'cascade')) {
        const { rows } = await client.query<{ oid: string; ctid: string }>(cascadedSql(key, names.get(oid)!), [
          parents,
        ]);
        for (const row of rows) {
          if (row.oid === target.oid && first.has(row.ctid)) continue;
          const seen = found.get(row.oid) ?? new Set();
          if (seen.has(row.ctid)) continue;
          found.set(row.oid, seen.add(row.ctid));
          next.set(row.oid, [...(next.get(row.oid) ?? []), row.ctid]);
          total++;
        }
      }
    }
    if (total > mostCascadedRows && limit > 1) {
      throw new BatchRefused('54000', `CASCADE would delete more than ${mostCascadedRows} rows`, ctids);
    }
    const unknown = [...next.keys()].filter(oid => !names.has(oid));
    if (unknown.length > 0)
      for (const [oid, relation] of await readRelations(client, unknown)) names.set(oid, relation);
    level = next;
  }
  return found;
}

/** In the order of restoring: the rows of the rule, then what referred to them. */
async function archivedTables(
  client: pg.Client,
  target: CleanupTarget,
  ctids: readonly string[],
  cascaded: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<ArchivedRows[]> {
  const relations = await readRelations(client, [...cascaded.keys()]);
  const { schema, name, columns } = target;
  const own = cascaded.get(target.oid) ?? [];
  return [
    { schema, name, columns, ctids: [...ctids, ...own] },
    ...[...cascaded]
      .filter(([oid]) => oid !== target.oid)
      .map(([oid, found]) => ({ ...relations.get(oid)!, ctids: [...found] })),
  ];
}

function assertCounted(tables: readonly ArchivedRows[], counted: readonly number[]): void {
  const wrong = tables.findIndex((table, at) => table.ctids.length !== counted[at]);
  if (wrong === -1) return;
  const { schema, name, ctids } = tables[wrong]!;
  throw new OpsError(
    'ARCHIVE_FAILED',
    `${counted[wrong]} rows of ${schema}.${name} were archived, and ${ctids.length} were to be deleted`,
    { hint: 'Nothing of this batch was deleted. Row security may hide rows from the role: it needs BYPASSRLS.' },
  );
}

function kept(target: CleanupTarget, wanted: number, deleted: number): OpsError {
  return new OpsError(
    'CLEANUP_KEPT',
    `Of ${wanted} rows of ${target.schema}.${target.name} the server deleted ${deleted}, and said nothing about the others`,
    { hint: 'A BEFORE DELETE trigger or a rule of the table keeps them. Nothing of this batch was deleted.' },
  );
}

/** Lock not available, deadlock, serialization, statement timeout; referenced (23001 from 18 on); too much. */
const refusals = new Set(['55P03', '40P01', '40001', '57014', '23503', '23001', '54000']);

function refused(thrown: unknown, ctids: readonly string[]): unknown {
  const { code, message } = thrown as { code?: string; message: string };
  if (thrown instanceof BatchRefused || thrown instanceof OpsError || !code || !refusals.has(code)) return thrown;
  return new BatchRefused(code, message, ctids);
}
