import type { Node } from 'libpg-query';
import { deparse } from 'pgsql-deparser';
import { OpsError, toOpsError } from '../../../errors/index.ts';
import { quoteIdent } from '../../../postgres/index.ts';
import { type Catalog, readCatalog, readStatistics } from '../../catalog/index.ts';
import type { DatabaseSession } from '../../session/index.ts';
import {
  explainableSql,
  explainPrepared,
  type ParsedStatement,
  type PlanNode,
  parameterValues,
  parseStatement,
  prepareStatement,
  resolveUsage,
  writesRows,
} from '../../statements/index.ts';
import type { MeasuredStatement } from '../../workload/index.ts';
import { systemSchema } from '../facts/relations.ts';
import { readSearchPaths } from './search-paths.ts';

export type ExplainedStatement =
  | { fingerprint: string; plan: PlanNode; problem?: undefined }
  | { fingerprint: string; plan?: undefined; problem: string };

/** Planning may be slow, and a plan that takes longer is an answer as well. */
const withinMs = 5_000;

/**
 * The plans of statements, none of them executed: generic ones from 16 on, before with values from the statistics. What
 * writes is explained by what it reads, since even EXPLAIN of an UPDATE takes the lock of one.
 */
export async function explainStatements(
  session: DatabaseSession,
  statements: readonly MeasuredStatement[],
): Promise<ExplainedStatement[]> {
  const paths = await readSearchPaths(session);
  // Asked for once, also when it cannot be read: a locked table would be waited for again with each statement.
  let catalog: Promise<Catalog> | undefined;
  let hidden: string[] | undefined;
  const explained: ExplainedStatement[] = [];
  for (const statement of statements) {
    const { fingerprint } = statement;
    try {
      const parsed = await readingPart(await parseStatement(statement.text));
      const options = {
        statementTimeoutMs: withinMs,
        // A plan is not worth waiting for a lock for, and the next statement may read the same table.
        settings: { search_path: paths(statement.roles[0]), lock_timeout: '500' },
      };
      if (session.major >= 16) {
        const plan = await session.transaction(async query => {
          const rows = await query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
            `explain (generic_plan, verbose, format json) ${explainableSql(parsed)}`,
          );
          return rows[0]!['QUERY PLAN'][0].Plan;
        }, options);
        explained.push({ fingerprint, plan });
        continue;
      }
      catalog ??= session.transaction((_query, client) => readCatalog(client));
      explained.push({ fingerprint, plan: await withValues(session, parsed, await catalog, options) });
    } catch (thrown) {
      const error = toOpsError(thrown);
      if (['PG_LOST', 'CANCELLED', 'INTERNAL'].includes(error.code)) throw error;
      hidden ??= await hiddenSchemas(session);
      explained.push({ fingerprint, problem: withHidden(reasonOf(error), hidden) });
    }
  }
  return explained;
}

/** Schemas that this role may not look into: the server passes over them, and says that what is in them is not there. */
async function hiddenSchemas(session: DatabaseSession): Promise<string[]> {
  const rows = await session.rows<{ name: string }>(
    `select nspname as name from pg_catalog.pg_namespace
      where not ${systemSchema('nspname')} and not has_schema_privilege(oid, 'usage') order by nspname limit 200`,
  );
  return rows.map(({ name }) => name);
}

function withHidden(reason: string, hidden: readonly string[]): string {
  if (hidden.length === 0 || !/does not exist/.test(reason)) return reason;
  return `${reason}; or permission denied: this role may not use the schema ${hidden.map(quoteIdent).join(', ')}`;
}

async function withValues(
  session: DatabaseSession,
  parsed: ParsedStatement,
  catalog: Catalog,
  options: { statementTimeoutMs: number; settings: Record<string, string> },
): Promise<PlanNode> {
  const usage = resolveUsage(parsed, catalog);
  return session.transaction(async (_query, client) => {
    const tables = [...new Set(usage.relations.map(({ table }) => table))];
    const statistics = await readStatistics(client, tables);
    const prepared = await prepareStatement(client, parsed);
    try {
      const values = parameterValues(usage, prepared.types, statistics);
      return (await explainPrepared(client, prepared, { kind: 'values', values })).plan;
    } finally {
      // A prepared statement outlives the transaction, and through a pooler somebody else gets the session.
      await client.query(`deallocate ${prepared.name}`).catch(() => {});
    }
  }, options);
}

/** UPDATE and DELETE as the SELECT of the rows that they look for; a SELECT that locks rows without the locks. */
async function readingPart(statement: ParsedStatement): Promise<ParsedStatement> {
  if (!writesRows(statement)) return statement;
  const { node } = statement;
  const one = [{ ResTarget: { val: { A_Const: { ival: { ival: 1 } } } } }] as Node[];
  let select: Record<string, unknown> | undefined;
  if ('SelectStmt' in node) {
    const { lockingClause: _, ...rest } = node.SelectStmt;
    select = rest as Record<string, unknown>;
  } else if ('UpdateStmt' in node && !node.UpdateStmt.withClause) {
    const { relation, fromClause = [], whereClause, targetList = [] } = node.UpdateStmt;
    // What is assigned stays, so that no parameter is missing from the middle.
    const assigned = targetList.flatMap(target =>
      'ResTarget' in target && target.ResTarget.val ? [{ ResTarget: { val: target.ResTarget.val } }] : [],
    ) as Node[];
    select = {
      targetList: assigned.length > 0 ? assigned : one,
      fromClause: [{ RangeVar: relation }, ...fromClause],
      whereClause,
    };
  } else if ('DeleteStmt' in node && !node.DeleteStmt.withClause) {
    const { relation, usingClause = [], whereClause } = node.DeleteStmt;
    select = { targetList: one, fromClause: [{ RangeVar: relation }, ...usingClause], whereClause };
  }
  if (!select) throw new OpsError('SQL_WRITES', 'It writes, and reads nothing that could be explained alone');
  const given = { limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE', ...select };
  const reading = await parseStatement(await deparse({ SelectStmt: given } as never));
  if (writesRows(reading)) throw new OpsError('SQL_WRITES', 'It writes inside of a WITH');
  return reading;
}

/** A message of the server may quote a value: only what is known to quote names is repeated. */
function reasonOf({ code, message }: OpsError): string {
  if (code === 'PG_LOCKED') return 'a table of it is locked';
  if (code === 'PG_CANCELLED') return `planning took longer than ${withinMs / 1000} s`;
  const names =
    /(?:relation|column|function|operator|type|schema) .{1,200}? does not exist|permission denied for .{1,100}?(?= on|$)/.exec(
      message,
    )?.[0];
  if (names) return names;
  if (code === 'PG_DENIED') return 'the role may not read its tables';
  if (code === 'SQL_WRITES' || code === 'SQL_PARSE') return message;
  return 'the server cannot plan it apart from its application';
}
