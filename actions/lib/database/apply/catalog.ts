import type pg from 'pg';
import { quoteQualified } from '../../postgres/index.ts';
import { createIndexSql, type IndexDefinition } from '../indexes/index.ts';
import { single } from './single.ts';

/** What stands in the way of, or speaks for, an index on a table. */
export interface TableFacts {
  oid: string;
  schema: string;
  name: string;
  /** r table, p partitioned, m materialized view; others carry no index. */
  relkind: string;
  isPartition: boolean;
  bytes: number;
  rows: number;
  /** The role may do what only the owner may. */
  isOwner: boolean;
  /** MAINTAIN, from 17 on: enough for REINDEX and ANALYZE. */
  mayMaintain: boolean;
  mayCreateInSchema: boolean;
}

export interface IndexFacts {
  oid: string;
  schema: string;
  name: string;
  tableOid: string;
  table: string;
  /** i index, I index of a partitioned table. */
  relkind: string;
  isValid: boolean;
  isReady: boolean;
  /** Invalid, not ready, or half dropped. */
  isBroken: boolean;
  isUnique: boolean;
  /** Of a constraint, replica identity or CLUSTER: what needs it, as a person would say it. */
  neededBy: string | null;
  /** It is attached to the index of a partitioned table. */
  isAttached: boolean;
  /** As the server prints it. */
  definition: string;
  /** Equal for two indexes that do the same, whatever their names and tables are called. */
  signature: string;
  bytes: number;
  scans: number;
}

/** Undefined when there is no such table. */
export async function readTable(client: pg.Client, schema: string, name: string): Promise<TableFacts | undefined> {
  const { rows } = await client.query(
    `select c.oid::text as oid, n.nspname as schema, c.relname as name, c.relkind::text as relkind,
            c.relispartition as "isPartition", pg_catalog.pg_table_size(c.oid)::float8 as bytes,
            greatest(c.reltuples, 0)::float8 as rows,
            pg_catalog.pg_has_role(c.relowner, 'usage') as "isOwner",
            (current_setting('server_version_num')::int >= 170000
              and pg_catalog.has_table_privilege(c.oid,
                case when current_setting('server_version_num')::int >= 170000 then 'MAINTAIN' else 'SELECT' end)) as "mayMaintain",
            pg_catalog.has_schema_privilege(n.oid, 'create') as "mayCreateInSchema"
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2`,
    [schema, name],
  );
  return rows[0] as TableFacts | undefined;
}

// Opclass, collation and option numbers are the same in every table of a database; names of columns are in the printed
// keys. indnullsnotdistinct came with 15, hence to_jsonb.
const signature = `
  jsonb_build_array(am.amname, i.indisunique, i.indnkeyatts, i.indoption::text, i.indclass::text, i.indcollation::text,
    (select jsonb_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, false) order by k) from generate_series(1, i.indnatts) k),
    pg_catalog.pg_get_expr(i.indpred, i.indrelid), to_jsonb(i) ->> 'indnullsnotdistinct')::text`;

const indexQuery = `
  select c.oid::text as oid, n.nspname as schema, c.relname as name, t.oid::text as "tableOid", t.relname as table,
         c.relkind::text as relkind, i.indisvalid as "isValid", i.indisready as "isReady",
         not (i.indisvalid and i.indisready and i.indislive) as "isBroken", i.indisunique as "isUnique",
         coalesce(
           (select case k.contype when 'p' then 'the primary key ' when 'u' then 'the unique constraint '
                                  when 'x' then 'the exclusion constraint ' else 'the constraint ' end || k.conname
              from pg_catalog.pg_constraint k where k.conindid = c.oid order by k.contype <> 'p' limit 1),
           case when i.indisreplident then 'the replica identity of the table' end,
           case when i.indisclustered then 'CLUSTER, which the table remembers' end) as "neededBy",
         exists (select from pg_catalog.pg_inherits h where h.inhrelid = c.oid) as "isAttached",
         pg_catalog.pg_get_indexdef(c.oid) as definition, ${signature} as signature,
         pg_catalog.pg_relation_size(c.oid)::float8 as bytes,
         coalesce(pg_catalog.pg_stat_get_numscans(c.oid), 0)::float8 as scans
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    join pg_catalog.pg_am am on am.oid = c.relam
    join pg_catalog.pg_class t on t.oid = i.indrelid`;

/** The indexes of one table. */
export async function readIndexes(client: pg.Client, tableOid: string): Promise<IndexFacts[]> {
  const { rows } = await client.query(`${indexQuery} where i.indrelid = $1::oid order by c.relname`, [tableOid]);
  return rows as IndexFacts[];
}

export async function readIndex(client: pg.Client, schema: string, name: string): Promise<IndexFacts | undefined> {
  const { rows } = await client.query(`${indexQuery} where n.nspname = $1 and c.relname = $2`, [schema, name]);
  return rows[0] as IndexFacts | undefined;
}

/** Every index of the database that cannot be used as it is; partitioned ones are, until each partition has its own. */
export async function readBrokenIndexes(client: pg.Client): Promise<IndexFacts[]> {
  const { rows } = await client.query(
    `${indexQuery} where not (i.indisvalid and i.indisready and i.indislive)
        and n.nspname !~ '^pg_temp_|^pg_toast_temp_' order by n.nspname, c.relname`,
  );
  return rows as IndexFacts[];
}

/** The kind of whatever has that name there: a table, a view, a sequence takes it from an index as well. */
export async function kindOfName(client: pg.Client, schema: string, name: string): Promise<string | undefined> {
  const { rows } = await client.query<{ relkind: string }>(
    `select c.relkind::text from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2`,
    [schema, name],
  );
  return rows[0]?.relkind;
}

const probeTable = 'production_ops_probe';

/**
 * The signature that an index of this definition would have: it is made on an empty temporary copy of the table and
 * rolled back. A definition that the server refuses is refused here, before anything is touched.
 * @throws what pg throws
 */
export async function signatureOf(client: pg.Client, definition: IndexDefinition): Promise<string> {
  const probe = { ...definition, schema: 'pg_temp', table: probeTable };
  await client.query('begin');
  try {
    await client.query(
      `create temporary table ${quoteQualified('pg_temp', probeTable)}
         (like ${quoteQualified(definition.schema, definition.table)} including generated) on commit drop`,
    );
    await client.query(single(createIndexSql(probe, `${probeTable}_idx`, { concurrently: false })));
    const { rows } = await client.query<{ signature: string }>(
      `select ${signature} as signature
         from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
         join pg_catalog.pg_am am on am.oid = c.relam
        where i.indrelid = $1::regclass`,
      [`pg_temp.${probeTable}`],
    );
    return rows[0]!.signature;
  } finally {
    await client.query('rollback').catch(() => {});
  }
}

/**
 * What is being built, rebuilt or dropped right now: the tables of builds, and the indexes themselves. A lock on the table
 * says nothing: VACUUM and ANALYZE hold the same for hours. That a process builds an index, and who holds which lock, is
 * shown to every role; DROP INDEX CONCURRENTLY has no progress, and is the only other one that takes this lock on an index.
 */
export async function relationsInWork(client: pg.Client, exceptPids: readonly number[]): Promise<Set<string>> {
  const { rows } = await client.query<{ oid: string }>(
    `select distinct l.relation::text as oid
       from pg_catalog.pg_locks l left join pg_catalog.pg_class c on c.oid = l.relation
      where l.locktype = 'relation' and l.granted
        and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
        and not l.pid = any ($1::int[])
        and case when l.pid in (select pid from pg_catalog.pg_stat_progress_create_index)
                 then l.mode in ('ShareUpdateExclusiveLock', 'ShareLock', 'AccessExclusiveLock')
                 else c.relkind in ('i', 'I') and l.mode in ('ShareUpdateExclusiveLock', 'AccessExclusiveLock') end`,
    [exceptPids],
  );
  return new Set(rows.map(row => row.oid));
}

export function isInWork(index: Pick<IndexFacts, 'oid' | 'tableOid'>, inWork: ReadonlySet<string>): boolean {
  return inWork.has(index.oid) || inWork.has(index.tableOid);
}

/** What a table of partitions is made of; sub-partitioned ones come before their own partitions. */
export async function readPartitions(
  client: pg.Client,
  tableOid: string,
): Promise<{ oid: string; parentOid: string; schema: string; name: string; relkind: string }[]> {
  const { rows } = await client.query(
    `select t.relid::oid::text as oid, t.parentrelid::oid::text as "parentOid", n.nspname as schema, c.relname as name,
            c.relkind::text as relkind
       from pg_catalog.pg_partition_tree($1::oid) t
       join pg_catalog.pg_class c on c.oid = t.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where t.level > 0 order by t.level, n.nspname, c.relname`,
    [tableOid],
  );
  return rows as { oid: string; parentOid: string; schema: string; name: string; relkind: string }[];
}
