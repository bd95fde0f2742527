import { quoteIdent } from '../../postgres/index.ts';
import type { DatabaseSession } from '../session/index.ts';

/** One row of `pg_stat_statements` of this database. Times in milliseconds. */
export interface RawStatement {
  queryId: string;
  role: number;
  /** Null where the role may not see it, or the file with the texts was lost. */
  text: string | null;
  calls: number;
  totalMs: number;
  maxMs: number;
  rows: number;
  blocksHit: number;
  blocksRead: number;
  tempBlocksWritten: number;
}

export interface RawStatements {
  statements: RawStatement[];
  /** When the counters were last set to zero as a whole; null where the server does not say (13). */
  resetAt: Date | null;
  /** Entries that were thrown out because `pg_stat_statements.max` was reached. */
  evictions: number;
  /** Rows whose text belongs to another role. */
  hidden: number;
}

/** Why there are none, and the statement or setting that changes it. */
export interface StatementsProblem {
  what: string;
  mend: string[];
}

/** What everybody without `pg_read_all_stats` sees instead of the text of others. */
const hiddenText = '<insufficient privilege>';

/**
 * The statements of this database, from the extension in whichever schema it is and by the columns that its version has
 * (1.7 and before: `total_time`). The rows of other databases are left out.
 */
export async function readStatements(
  session: DatabaseSession,
): Promise<
  { statements: RawStatements; problem?: undefined } | { statements?: undefined; problem: StatementsProblem }
> {
  const [extension] = await session.rows<{ schema: string; columns: string[]; info: boolean }>(
    `select n.nspname as schema,
            array(select attname::text from pg_catalog.pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
            exists (select from pg_catalog.pg_class i where i.relnamespace = n.oid
                       and i.relname = 'pg_stat_statements_info') as info
       from pg_catalog.pg_extension e
       join pg_catalog.pg_namespace n on n.oid = e.extnamespace
       join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = 'pg_stat_statements'
      where e.extname = 'pg_stat_statements'`,
  );
  if (!extension) return { problem: await missingExtension(session) };
  const view = `${quoteIdent(extension.schema)}.pg_stat_statements`;
  try {
    const rows = await session.rows<RawStatement & Record<string, unknown>>(statementsQuery(view, extension.columns));
    const [info] = extension.info
      ? await session.rows<{ reset: Date; dealloc: number }>(
          `select stats_reset as reset, dealloc::float8 as dealloc from ${quoteIdent(extension.schema)}.pg_stat_statements_info`,
        )
      : [];
    const isHidden = ({ text }: RawStatement) => text === hiddenText;
    return {
      statements: {
        statements: rows.filter(row => !isHidden(row)),
        resetAt: info?.reset ?? null,
        evictions: info?.dealloc ?? 0,
        hidden: rows.filter(isHidden).length,
      },
    };
  } catch (thrown) {
    if ((thrown as { code?: string }).code === 'PG_DENIED') return { problem: denied(session, extension.schema) };
    // 55000: "pg_stat_statements must be loaded via shared_preload_libraries".
    if (!/must be loaded/.test((thrown as Error).message)) throw thrown;
    return { problem: await notLoaded(session) };
  }
}

function statementsQuery(view: string, columns: readonly string[]): string {
  const has = (name: string) => columns.includes(name);
  const time = (kind: string) => (has(`${kind}_exec_time`) ? `${kind}_exec_time` : `${kind}_time`);
  return `
  select s.queryid::text as "queryId", s.userid::int8::float8 as role, s.query as text, s.calls::float8 as calls,
         s.${time('total')}::float8 as "totalMs", s.${time('max')}::float8 as "maxMs", s.rows::float8 as rows,
         s.shared_blks_hit::float8 as "blocksHit", s.shared_blks_read::float8 as "blocksRead",
         s.temp_blks_written::float8 as "tempBlocksWritten"
    from ${view} s
   where s.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
     and (s.queryid is not null or s.query = '${hiddenText}')`;
}

async function missingExtension(session: DatabaseSession): Promise<StatementsProblem> {
  const loaded = await isLoaded(session);
  const create = 'CREATE EXTENSION pg_stat_statements;';
  return loaded === true
    ? { what: 'The extension pg_stat_statements is loaded, and this database does not have it', mend: [create] }
    : {
        what: 'The extension pg_stat_statements is not in this database: what it executes is not known',
        mend: [...preload(loaded === undefined ? undefined : loaded), create],
      };
}

async function notLoaded(session: DatabaseSession): Promise<StatementsProblem> {
  const loaded = await isLoaded(session);
  return {
    what: 'The server did not load pg_stat_statements when it started: it counts nothing',
    mend: preload(loaded === true ? undefined : loaded),
  };
}

function denied(session: DatabaseSession, schema: string): StatementsProblem {
  const role = quoteIdent(session.privileges.role);
  return {
    what: `The role ${role} may not read pg_stat_statements in the schema ${quoteIdent(schema)}`,
    mend: [
      `GRANT USAGE ON SCHEMA ${quoteIdent(schema)} TO ${role};`,
      `GRANT SELECT ON ${quoteIdent(schema)}.pg_stat_statements TO ${role};`,
    ],
  };
}

/** True when it is loaded; else what the setting holds, undefined where the role may not read it. */
async function isLoaded(session: DatabaseSession): Promise<true | string | undefined> {
  const [row] = await session.rows<{ setting: string }>(
    `select setting from pg_catalog.pg_settings where name = 'shared_preload_libraries'`,
  );
  if (!row) return undefined;
  return /\bpg_stat_statements\b/.test(row.setting) ? true : row.setting;
}

/** Keeps what is loaded already; takes effect with the next start. */
function preload(current: string | undefined): string[] {
  const libraries = [...(current ?? '').split(',').map(name => name.trim()), 'pg_stat_statements'].filter(Boolean);
  const list = libraries.map(name => `'${name.replaceAll("'", "''")}'`).join(', ');
  return [`ALTER SYSTEM SET shared_preload_libraries = ${list}; -- then restart the server`];
}
