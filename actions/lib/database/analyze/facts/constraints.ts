import { type DatabaseSession, isEnforced } from '../../session/index.ts';
import { systemSchema } from './relations.ts';

export interface ForeignKeyFacts {
  schema: string;
  table: string;
  tableOid: number;
  name: string;
  columns: string[];
  attnums: number[];
  isPartitioned: boolean;
  referenced: { schema: string; table: string; oid: number };
  /** `ON DELETE CASCADE` or `SET …`: rows are searched for on every delete as well as checked. */
  actsOnDelete: boolean;
}

export interface InvalidConstraint {
  schema: string;
  table: string;
  name: string;
  kind: 'foreign key' | 'check' | 'not null';
}

/** Foreign keys of tables, and of partitioned tables as a whole, that are enforced. */
export function readForeignKeys(
  session: DatabaseSession,
  ignoreSchemas: readonly string[],
): Promise<ForeignKeyFacts[]> {
  return session.rows<ForeignKeyFacts & Record<string, unknown>>(
    `select n.nspname as schema, t.relname as table, t.oid::int8::float8 as "tableOid", k.conname as name,
            array(select a.attname::text from unnest(k.conkey) with ordinality c(attnum, place)
                    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = c.attnum
                   order by c.place) as columns,
            k.conkey as attnums, t.relkind = 'p' as "isPartitioned",
            json_build_object('schema', m.nspname, 'table', r.relname, 'oid', r.oid::int8) as referenced,
            k.confdeltype in ('c', 'n', 'd') as "actsOnDelete"
       from pg_catalog.pg_constraint k
       join pg_catalog.pg_class t on t.oid = k.conrelid
       join pg_catalog.pg_namespace n on n.oid = t.relnamespace
       join pg_catalog.pg_class r on r.oid = k.confrelid
       join pg_catalog.pg_namespace m on m.oid = r.relnamespace
      where k.contype = 'f' and k.conparentid = 0 and ${isEnforced('k')}
        and not ${systemSchema('n.nspname')} and n.nspname <> all ($1::text[])
      order by 1, 2, 4`,
    [ignoreSchemas],
  );
}

/** Constraints that hold for new rows only. One that is NOT ENFORCED (from 18 on) was meant to be so. */
export function readInvalidConstraints(
  session: DatabaseSession,
  ignoreSchemas: readonly string[],
): Promise<InvalidConstraint[]> {
  return session.rows<InvalidConstraint & Record<string, unknown>>(
    `select n.nspname as schema, t.relname as table, k.conname as name,
            case k.contype when 'f' then 'foreign key' when 'n' then 'not null' else 'check' end as kind
       from pg_catalog.pg_constraint k
       join pg_catalog.pg_class t on t.oid = k.conrelid
       join pg_catalog.pg_namespace n on n.oid = t.relnamespace
      where not k.convalidated and k.conparentid = 0 ${session.major >= 18 ? 'and k.conenforced' : ''}
        and not ${systemSchema('n.nspname')} and n.nspname <> all ($1::text[])
      order by 1, 2, 3`,
    [ignoreSchemas],
  );
}
