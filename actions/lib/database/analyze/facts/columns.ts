import type { DatabaseSession } from '../../session/index.ts';

/** What ANALYZE knows of a column, and how it lies in a row. */
export interface ColumnFacts {
  tableOid: number;
  attnum: number;
  name: string;
  /** -1 for a length of its own. */
  length: number;
  alignment: 'c' | 's' | 'i' | 'd';
  type: string;
  /** Null where there are no statistics, or the role may not read them. */
  averageWidth: number | null;
  nullRatio: number | null;
  /** As in pg_stats: negative is a share of the rows. */
  distinct: number | null;
  /** Upper end of the histogram of an integer column. */
  highest: number | null;
}

/** The columns of some tables. `pg_stats` hides those that the role may not SELECT. */
export function readColumns(session: DatabaseSession, tableOids: readonly number[]): Promise<ColumnFacts[]> {
  return session.rows<ColumnFacts & Record<string, unknown>>(
    `select a.attrelid::int8::float8 as "tableOid", a.attnum, a.attname as name, a.attlen as length,
            a.attalign as alignment, format_type(a.atttypid, null) as type,
            s.avg_width as "averageWidth", s.null_frac::float8 as "nullRatio", s.n_distinct::float8 as distinct,
            case when a.atttypid in ('int2'::regtype, 'int4'::regtype)
                 then (select max(bound) from unnest(s.histogram_bounds::text::int8[]) bound) end::float8 as highest
       from pg_catalog.pg_attribute a
       join pg_catalog.pg_class c on c.oid = a.attrelid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stats s
         on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname and s.inherited = (c.relkind = 'p')
      where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped
      order by 1, 2`,
    [tableOids],
  );
}

/** B-tree operator classes whose equal keys may differ in bytes: such an index is never deduplicated. */
export async function readUndeduplicated(session: DatabaseSession, opclasses: readonly number[]): Promise<Set<number>> {
  const rows = await session.rows<{ oid: number }>(
    // Support function 4 is `equalimage`. That of text says no for a nondeterministic collation, which is rare enough.
    `select o.oid::int8::float8 as oid from pg_catalog.pg_opclass o
      where o.oid = any ($1::oid[])
        and not exists (select from pg_catalog.pg_amproc p where p.amprocfamily = o.opcfamily and p.amprocnum = 4
                           and p.amproclefttype = o.opcintype and p.amprocrighttype = o.opcintype)`,
    [opclasses],
  );
  return new Set(rows.map(({ oid }) => oid));
}
