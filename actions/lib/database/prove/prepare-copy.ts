import { quoteQualified } from '../../postgres/index.ts';
import type { CopySession } from './copy-session.ts';

/**
 * VACUUM (ANALYZE) of every table that nobody has vacuumed since its rows came: without a visibility map each index-only
 * scan visits the table all the same, and a covering index would seem to be worth nothing. Returns how many there were.
 * Tables that the role does not own are left out by the server with a warning. Throws the codes of `pgError`.
 */
export async function vacuumWhatIsNew(session: CopySession): Promise<number> {
  const tables = await session.query<{ schema: string; name: string }>(neverVacuumed);
  for (const { schema, name } of tables) await session.query(`VACUUM (ANALYZE) ${quoteQualified(schema, name)}`);
  return tables.length;
}

const neverVacuumed = `
  SELECT n.nspname AS schema, c.relname AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     AND (c.reltuples < 0 OR c.relallvisible = 0) AND pg_catalog.pg_relation_size(c.oid) > 0
   ORDER BY pg_catalog.pg_relation_size(c.oid) DESC`;
