import type { DatabaseSession } from '../session/index.ts';

/** The columns that point somewhere: deleting or changing what they point at reads them. */
export interface ForeignKey {
  tableOid: number;
  columns: readonly string[];
  name: string;
}

/** Throws the codes of `pgError`. */
export async function readForeignKeys(session: DatabaseSession): Promise<ForeignKey[]> {
  const rows = await session.rows<{ table_oid: number; columns: string[]; name: string }>(
    foreignKeysQuery(session.major),
  );
  return rows.map(row => ({ tableOid: row.table_oid, columns: row.columns, name: row.name }));
}

// One that is NOT ENFORCED (from 18 on) reads nothing.
const foreignKeysQuery = (major: number) => `
  select k.conrelid::int8::float8 as table_oid, k.conname as name,
         array(select a.attname::text from unnest(k.conkey) with ordinality u (attnum, n)
                 join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.n) as columns
    from pg_catalog.pg_constraint k where k.contype = 'f' ${major >= 18 ? 'and k.conenforced' : ''}`;
