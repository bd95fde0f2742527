import { OpsError } from '../../errors/index.ts';
import { connect, type PostgresTarget, pgError, quoteQualified } from '../../postgres/index.ts';
import { createIndexSql } from '../indexes/index.ts';
import type { Budget } from './budget.ts';
import { type CopySession, reasonOf } from './copy-session.ts';
import { type IndexRef, type ProposedIndex, refOf } from './provable.ts';
import type { Build } from './result.ts';

export interface Built {
  index: ProposedIndex;
  build: Build;
}

export interface BuildOutcome {
  built: Built[];
  failed: { index: ProposedIndex; why: string }[];
}

/**
 * Builds what is proposed, one after the other, and takes statistics of the tables: those of an expression exist only
 * when its index does. What cannot be built is an outcome, and the next one is tried.
 * @param admin for extensions, which the role that measures may not create
 * @throws OpsError `PG_LOST` and others when the server is gone; CANCELLED
 */
export async function buildIndexes(
  session: CopySession,
  admin: PostgresTarget,
  proposed: readonly ProposedIndex[],
  budget: Budget,
  signal: AbortSignal,
): Promise<BuildOutcome> {
  const outcome: BuildOutcome = { built: [], failed: [] };
  for (const index of proposed) {
    signal.throwIfAborted();
    try {
      if (budget.isOver(0.4))
        throw new OpsError('PROOF_TIME', 'the time of the proof was over before it could be built');
      await runPrerequisites(admin, index, signal);
      outcome.built.push({ index, build: await buildOne(session, index, budget) });
    } catch (thrown) {
      if (isGone(thrown)) throw thrown;
      outcome.failed.push({ index, why: failureOf(thrown) });
    }
  }
  const tables = new Set(
    outcome.built
      .filter(({ index }) => index.definition.keys.some(key => key.kind === 'expression'))
      .map(({ index }) => quoteQualified(index.definition.schema, index.definition.table)),
  );
  for (const table of tables) await session.query(`ANALYZE ${table}`);
  return outcome;
}

async function buildOne(session: CopySession, index: ProposedIndex, budget: Budget): Promise<Build> {
  await session.query(`SET statement_timeout = ${Math.ceil(budget.remainingMs(0.5)) || 1}`);
  try {
    const startedAt = performance.now();
    await session.query(createIndexSql(index.definition, index.name, { concurrently: false }));
    return { seconds: (performance.now() - startedAt) / 1000, bytes: await indexBytes(session, refOf(index)) };
  } finally {
    if (!session.isGone) await session.query('SET statement_timeout = 0');
  }
}

/** Of all its partitions together. */
export async function indexBytes(session: CopySession, { schema, name }: IndexRef): Promise<number> {
  const [row] = await session.query<{ bytes: string }>(
    `SELECT coalesce(sum(pg_catalog.pg_relation_size(p.relid)), 0) AS bytes
       FROM pg_catalog.pg_partition_tree($1::text::regclass) p`,
    [quoteQualified(schema, name)],
  );
  // pg_partition_tree knows only what is partitioned or a partition.
  const bytes = Number(row!.bytes);
  if (bytes > 0) return bytes;
  const [plain] = await session.query<{ bytes: string }>(
    'SELECT pg_catalog.pg_relation_size($1::text::regclass) AS bytes',
    [quoteQualified(schema, name)],
  );
  return Number(plain!.bytes);
}

async function runPrerequisites(admin: PostgresTarget, index: ProposedIndex, signal: AbortSignal): Promise<void> {
  if (index.prerequisites.length === 0) return;
  const client = await connect(admin, { applicationName: 'production-ops prove', signal });
  try {
    for (const sql of index.prerequisites) await client.query(sql);
  } catch (thrown) {
    throw pgError(thrown, admin);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Drops one that was built here. */
export async function dropIndex(session: CopySession, index: IndexRef): Promise<void> {
  await session.query(`DROP INDEX IF EXISTS ${quoteQualified(index.schema, index.name)}`);
  session.unwatch(index);
}

/** The server, not the statement, is what failed. */
export function isGone(thrown: unknown): boolean {
  if (!(thrown instanceof OpsError)) return true;
  return ['PG_LOST', 'PG_UNREACHABLE', 'PG_TOO_MANY', 'PG_AUTH', 'PG_TLS', 'CANCELLED', 'INTERNAL'].includes(
    thrown.code,
  );
}

function failureOf(thrown: unknown): string {
  if (!(thrown instanceof OpsError)) return 'its build failed';
  if (thrown.code === 'PROOF_TIME') return thrown.message;
  if (thrown.code === 'PG_CANCELLED') return 'its build took longer than the proof has time';
  const state = /\(SQLSTATE (\w{5})\)$/.exec(thrown.message)?.[1];
  switch (state) {
    case '42P07':
      return 'an index of that name is there already';
    case '53100':
      return 'its build filled the disk of the copy';
    case '0A000':
    case '58P01':
    case '22023':
      return 'an extension that it needs is not installed where the copy is';
    case '54000':
      return 'a row is too large for it: a value is longer than a third of a page';
    case '23505':
      return 'the rows are not unique';
    default:
      return `its build failed: ${reasonOf(thrown)}`;
  }
}
