import { createHash } from 'node:crypto';
import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { quoteIdent } from '../../postgres/index.ts';
import { explainableSql, explainableSqlWithIntegers } from './explainable.ts';
import type { ParsedStatement } from './parser.ts';

export interface PreparedStatement {
  /** The name in this session, quoted. */
  name: string;
  /** Of `$1`, `$2` …: `integer`, `text[]`, as the server inferred them. */
  types: readonly string[];
  /** As the server accepted it. */
  sql: string;
}

/**
 * PREPAREs the statement in this session, once: a second call with the same text finds it. Nothing is executed.
 * Code: SQL_REFUSED with the server's reason (a table that is gone, a type that cannot be inferred); PREPARE of a utility
 * statement is not asked for.
 */
export async function prepareStatement(client: pg.Client, statement: ParsedStatement): Promise<PreparedStatement> {
  if (statement.kind === 'utility') throw new OpsError('SQL_REFUSED', 'A utility statement has no plan');
  const name = quoteIdent(`ops_${createHash('sha256').update(statement.text).digest('hex').slice(0, 24)}`);
  const found = await preparedAs(client, name);
  if (found) return { name, ...found };
  const first = explainableSql(statement);
  const second = explainableSqlWithIntegers(statement);
  const refused = await tryPrepare(client, name, first);
  if (refused !== undefined && (second === first || (await tryPrepare(client, name, second)) !== undefined)) {
    throw new OpsError('SQL_REFUSED', `The server refuses the statement: ${refused}`);
  }
  return { name, ...((await preparedAs(client, name)) ?? { types: [], sql: first }) };
}

/** The reason of a refusal. Inside a transaction a savepoint keeps it alive. */
async function tryPrepare(client: pg.Client, name: string, sql: string): Promise<string | undefined> {
  const isInside = await isInTransaction(client);
  if (isInside) await client.query('SAVEPOINT ops_prepare');
  try {
    await client.query(`PREPARE ${name} AS ${sql}`);
    if (isInside) await client.query('RELEASE SAVEPOINT ops_prepare');
    return undefined;
  } catch (thrown) {
    // Only a server message has a severity; a lost connection is not a refusal.
    if (!(thrown instanceof Error) || !('severity' in thrown) || thrown.severity !== 'ERROR') throw thrown;
    if (isInside) await client.query('ROLLBACK TO SAVEPOINT ops_prepare');
    return thrown.message;
  }
}

async function isInTransaction(client: pg.Client): Promise<boolean> {
  // Outside of a transaction each statement is one of its own, so the two are the same.
  const { rows } = await client.query<{ inside: boolean }>(
    'SELECT pg_catalog.now() <> pg_catalog.statement_timestamp() AS inside',
  );
  return rows[0]!.inside;
}

async function preparedAs(client: pg.Client, name: string): Promise<{ types: string[]; sql: string } | undefined> {
  const { rows } = await client.query<{ types: string[]; sql: string }>(
    `SELECT coalesce((SELECT array_agg(pg_catalog.format_type(t, NULL) ORDER BY n)
                        FROM unnest(parameter_types::oid[]) WITH ORDINALITY u (t, n)), '{}')::text[] AS types,
            pg_catalog.regexp_replace(statement, '^PREPARE "[^"]*" AS ', '') AS sql
       FROM pg_catalog.pg_prepared_statements WHERE name = $1`,
    [name.slice(1, -1)],
  );
  return rows[0];
}
