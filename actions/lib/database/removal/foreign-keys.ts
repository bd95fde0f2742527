import { type DatabaseSession, isEnforced } from '../session/index.ts';

/** The columns that point somewhere: deleting or changing what they point at reads them. */
export interface ForeignKey {
  tableOid: number;
  columns: readonly string[];
  name: string;
}

/** Throws the codes of `pgError`. */
export async function readForeignKeys(session: DatabaseSession): Promise<ForeignKey[]> {
  const rows = await session.rows<{ table_oid: number; columns: string[]; name: string }>(foreignKeysQuery);
  return rows.map(row => ({ tableOid: row.table_oid, columns: row.columns, name: row.name }));
}

const foreignKeysQuery = `
  select k.conrelid::int8::float8 as table_oid, k.conname as name,
         array(select a.attname::text from unnest(k.conkey) with ordinality u (attnum, n)
                 join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.n) as columns
    from pg_catalog.pg_constraint k where k.contype = 'f' and ${isEnforced('k')}`;
