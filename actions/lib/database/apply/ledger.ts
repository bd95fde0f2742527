import type pg from 'pg';

/**
 * What is being changed, written into the database before it begins and taken out when it has come to its end: one row
 * for each change in progress, so the table is empty nearly always. What a killed run leaves behind is known by it. A role
 * that may not create the schema works without; then a build that was cut off is known by its name alone, which holds a
 * hash of its definition.
 */
export interface LedgerEntry {
  schema: string;
  name: string;
  table: string;
  operation: 'create' | 'drop' | 'reindex';
  startedAt: Date;
  reportId: string;
}

export type Ledger =
  | {
      isKept: true;
      begin(entry: Omit<LedgerEntry, 'startedAt'>): Promise<void>;
      end(schema: string, name: string): Promise<void>;
      entries(): Promise<LedgerEntry[]>;
    }
  | { isKept: false; reason: string };

/** To be given to an administrator when the role may not do it. */
export const ledgerSql = `CREATE SCHEMA IF NOT EXISTS production_ops;
CREATE TABLE IF NOT EXISTS production_ops.index_changes (
  index_schema text NOT NULL, index_name text NOT NULL, table_name text NOT NULL,
  operation text NOT NULL CHECK (operation IN ('create', 'drop', 'reindex')),
  report_id text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (index_schema, index_name));`;

/** @param client asked for at each use, since a lost connection is replaced @param mayMake false: look, and make nothing */
export async function openLedger(client: () => pg.Client, mayMake: boolean): Promise<Ledger> {
  const state = await look(client());
  if (state === 'missing' && mayMake) {
    try {
      await client().query(ledgerSql);
    } catch (thrown) {
      const error = thrown as { code?: string; message?: string };
      if (error.code !== '42501') throw thrown;
      return { isKept: false, reason: `the role may not create the schema production_ops (${error.message})` };
    }
  } else if (state === 'missing') {
    return { isKept: false, reason: 'the table production_ops.index_changes is not there yet' };
  }
  // A table of somebody else could have triggers that run with our rights.
  if ((await look(client())) === 'foreign') {
    return { isKept: false, reason: 'production_ops.index_changes belongs to another role' };
  }
  return {
    isKept: true,
    async begin({ schema, name, table, operation, reportId }) {
      await client().query(
        `insert into production_ops.index_changes (index_schema, index_name, table_name, operation, report_id)
         values ($1, $2, $3, $4, $5)
         on conflict (index_schema, index_name)
         do update set operation = excluded.operation, report_id = excluded.report_id, started_at = now()`,
        [schema, name, table, operation, reportId],
      );
    },
    async end(schema, name) {
      await client().query('delete from production_ops.index_changes where index_schema = $1 and index_name = $2', [
        schema,
        name,
      ]);
    },
    async entries() {
      const { rows } = await client().query(
        `select index_schema as schema, index_name as name, table_name as table, operation, report_id as "reportId",
                started_at as "startedAt" from production_ops.index_changes order by started_at`,
      );
      return rows as LedgerEntry[];
    },
  };
}

async function look(client: pg.Client): Promise<'missing' | 'ours' | 'foreign'> {
  const { rows } = await client.query<{ ours: boolean }>(
    `select c.relkind = 'r' and pg_catalog.pg_has_role(c.relowner, 'usage') and not c.relhastriggers and not c.relhasrules as ours
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'production_ops' and c.relname = 'index_changes'`,
  );
  if (rows.length === 0) return 'missing';
  return rows[0]!.ours ? 'ours' : 'foreign';
}
