import { createHash } from 'node:crypto';
import {
  loadParser,
  type ParsedStatement,
  parseStatement,
  type StatementKind,
  type WorkloadStatement,
} from '../statements/index.ts';
import type { RawStatement } from './read-statements.ts';
import { redactStatement } from './redact.ts';

/** A statement of the workload with all that was counted of it. */
export interface MeasuredStatement extends WorkloadStatement {
  kind: StatementKind | 'unread';
  meanMs: number;
  maxMs: number;
  blocksHit: number;
  blocksRead: number;
  tempBlocksWritten: number;
  /** Oids of the roles that execute it: their search_path finds its tables. */
  roles: readonly number[];
  /** Only the catalogue is read, or a plan is asked for: monitoring, a driver, this program. */
  isSystem: boolean;
}

/**
 * Rows grouped by the fingerprint of the parser: the server counts the same statement apart for each role, and for each
 * length of an IN list. What cannot be parsed (cut off, or no SQL of this grammar) is kept, and grouped by its text.
 */
export async function measureStatements(rows: readonly RawStatement[]): Promise<MeasuredStatement[]> {
  await loadParser();
  const groups = new Map<string, MeasuredStatement>();
  for (const row of rows) {
    if (row.text === null) continue;
    const text = redactStatement(row.text, longestText);
    const parsed = await parse(text);
    const fingerprint = parsed?.fingerprint ?? createHash('sha256').update(text).digest('hex').slice(0, 16);
    const known = groups.get(fingerprint);
    groups.set(fingerprint, known ? merged(known, row) : measured(row, text, fingerprint, parsed));
  }
  return [...groups.values()].sort((a, b) => b.totalMs - a.totalMs);
}

/** A generated IN list of a megabyte says no more than its beginning, and is not parsed either. */
const longestText = 100_000;

async function parse(text: string): Promise<ParsedStatement | undefined> {
  try {
    return await parseStatement(text);
  } catch (thrown) {
    if ((thrown as { code?: string }).code === 'SQL_PARSE') return undefined;
    throw thrown;
  }
}

function measured(
  row: RawStatement,
  text: string,
  fingerprint: string,
  parsed: ParsedStatement | undefined,
): MeasuredStatement {
  const { calls, totalMs, maxMs, rows, blocksHit, blocksRead, tempBlocksWritten } = row;
  return {
    fingerprint,
    text,
    queryIds: [row.queryId],
    kind: parsed?.kind ?? 'unread',
    calls,
    totalMs,
    meanMs: totalMs / Math.max(1, calls),
    maxMs,
    rows,
    blocksHit,
    blocksRead,
    tempBlocksWritten,
    roles: [row.role],
    isSystem: parsed !== undefined && (readsCatalogOnly(parsed) || 'ExplainStmt' in parsed.node),
  };
}

function merged(a: MeasuredStatement, row: RawStatement): MeasuredStatement {
  const calls = a.calls + row.calls;
  const totalMs = a.totalMs + row.totalMs;
  return {
    ...a,
    queryIds: [...new Set([...a.queryIds, row.queryId])],
    calls,
    totalMs,
    meanMs: totalMs / Math.max(1, calls),
    maxMs: Math.max(a.maxMs, row.maxMs),
    rows: a.rows + row.rows,
    blocksHit: a.blocksHit + row.blocksHit,
    blocksRead: a.blocksRead + row.blocksRead,
    tempBlocksWritten: a.tempBlocksWritten + row.tempBlocksWritten,
    roles: [...new Set([...a.roles, row.role])],
  };
}

const relation = /"RangeVar":\{(?:"catalogname":"[^"]*",)?(?:"schemaname":"([^"]*)",)?"relname":"([^"]*)"/g;

function readsCatalogOnly({ node }: ParsedStatement): boolean {
  const text = JSON.stringify(node);
  const relations = [...text.matchAll(relation)];
  const isOfCatalog = ([, schema, name]: RegExpMatchArray) =>
    schema === 'pg_catalog' || schema === 'information_schema' || (schema === undefined && name!.startsWith('pg_'));
  // A name that a WITH gives is no relation of the catalogue, and none of the user either.
  const named = new Set([...text.matchAll(/"ctename":"([^"]*)"/g)].map(([, name]) => name));
  const others = relations.filter(([, , name]) => !named.has(name));
  return others.length > 0 && others.every(isOfCatalog);
}
