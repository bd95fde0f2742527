import type { DatabaseSession } from '../../session/index.ts';
import { iso, lockedRelations, systemSchema } from './relations.ts';

export interface IndexKeyFacts {
  /** Null for an expression. */
  column: string | null;
  /** 0 for an expression. */
  attnum: number;
  opclass: number;
  collation: number;
  /** Bit 1: descending, bit 2: NULLs first. */
  option: number;
}

export interface IndexFacts {
  oid: number;
  tableOid: number;
  schema: string;
  table: string;
  name: string;
  method: string;
  keys: IndexKeyFacts[];
  include: string[];
  /** Every expression among the keys as the server prints it, in their order; null when there is none. */
  expressions: string | null;
  predicate: string | null;
  isUnique: boolean;
  isPrimary: boolean;
  isExclusion: boolean;
  nullsNotDistinct: boolean;
  isValid: boolean;
  isReady: boolean;
  isReplicaIdentity: boolean;
  isClustered: boolean;
  /** Of a constraint (primary key, unique, exclusion), or the one that foreign keys refer to. */
  servesConstraint: boolean;
  /** The index of a partition that belongs to one of the partitioned table: it goes with that one. */
  isAttached: boolean;
  isPartitioned: boolean;
  ofExtension: boolean;
  /** A running CREATE INDEX or REINDEX makes it. */
  isBeingBuilt: boolean;
  bytes: number;
  pages: number;
  rows: number | null;
  scans: number;
  /** From 16 on. */
  usedAt: string | null;
  blocksFetched: number;
  blocksHit: number;
  options: readonly string[];
}

export function readIndexes(session: DatabaseSession, ignoreSchemas: readonly string[]): Promise<IndexFacts[]> {
  return session.rows<IndexFacts & Record<string, unknown>>(indexesQuery(session.major), [ignoreSchemas]);
}

function indexesQuery(major: number): string {
  return `
  with locked as materialized (${lockedRelations}),
       built as materialized (select index_relid from pg_catalog.pg_stat_progress_create_index)
  select i.indexrelid::int8::float8 as oid, i.indrelid::int8::float8 as "tableOid",
         n.nspname as schema, t.relname as table, c.relname as name, am.amname as method,
         (select json_agg(json_build_object('column', a.attname, 'attnum', k.attnum,
                   'opclass', i.indclass[k.place - 1]::int8, 'collation', i.indcollation[k.place - 1]::int8,
                   'option', i.indoption[k.place - 1]) order by k.place)
            from unnest(i.indkey::int2[]) with ordinality k(attnum, place)
            left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum <> 0
           where k.place <= i.indnkeyatts) as keys,
         case when i.indnatts = i.indnkeyatts then '{}' else array(
           select a.attname::text from unnest(i.indkey::int2[]) with ordinality k(attnum, place)
             join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where k.place > i.indnkeyatts order by k.place) end as include,
         case when i.indexprs is null then null when l.is_locked then '?' || i.indexrelid
              else pg_get_expr(i.indexprs, i.indrelid) end as expressions,
         case when i.indpred is null then null when l.is_locked then '?' || i.indexrelid
              else pg_get_expr(i.indpred, i.indrelid) end as predicate,
         i.indisunique as "isUnique", i.indisprimary as "isPrimary", i.indisexclusion as "isExclusion",
         ${major >= 15 ? 'i.indnullsnotdistinct' : 'false'} as "nullsNotDistinct",
         i.indisvalid as "isValid", i.indisready as "isReady", i.indisreplident as "isReplicaIdentity",
         i.indisclustered as "isClustered",
         exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid) as "servesConstraint",
         c.relispartition as "isAttached", c.relkind = 'I' as "isPartitioned",
         exists (select from pg_catalog.pg_depend d where d.classid = 'pg_class'::regclass and d.objid in (c.oid, t.oid)
                    and d.deptype = 'e') as "ofExtension",
         exists (select from built where built.index_relid = i.indexrelid) as "isBeingBuilt",
         (case when c.relkind = 'I' then 0 when not l.is_locked then pg_relation_size(c.oid)
               else c.relpages::int8 * current_setting('block_size')::int8 end)::float8 as bytes,
         c.relpages as pages, case when c.reltuples < 0 then null else c.reltuples end::float8 as rows,
         pg_stat_get_numscans(c.oid)::float8 as scans,
         ${major >= 16 ? iso('pg_stat_get_lastscan(c.oid)') : 'null::text'} as "usedAt",
         pg_stat_get_blocks_fetched(c.oid)::float8 as "blocksFetched",
         pg_stat_get_blocks_hit(c.oid)::float8 as "blocksHit",
         coalesce(c.reloptions, '{}') as options
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_class t on t.oid = i.indrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_am am on am.oid = c.relam
   cross join lateral (
     select exists (select from locked where relation in (i.indexrelid, i.indrelid)) as is_locked) l
   where not ${systemSchema('n.nspname')} and n.nspname <> all ($1::text[])
   order by n.nspname, t.relname, c.relname`;
}
