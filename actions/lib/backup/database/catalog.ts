import { createHash } from 'node:crypto';
import type pg from 'pg';
import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import { type Relation, type RelationLinks, selectRelations } from './selection.ts';

/** A table whose rows a backup copies: ordinary tables and leaf partitions. */
export interface TableFacts {
  oid: string;
  schema: string;
  name: string;
  heapBlocks: number;
  /** Heap with its TOAST: what copying it costs. */
  tableBytes: number;
  /** Planner's estimate; -1 when never analysed. */
  estimatedRows: number;
  /** Only heap tables can be cut by block range. */
  isHeap: boolean;
  /** COPY … FROM stdin, without the semicolon. Generated columns are left out: the server computes them. */
  copyFrom: string;
  /** Quoted column list of the same columns; empty for a table without columns. */
  columns: string[];
  signature: string;
  /** The text of a row depends on more than the heap (reg* types print catalogue names): it is always sent. */
  isVolatileText: boolean;
}

export interface CatalogOptions {
  includeTables: readonly string[];
  excludeTables: readonly string[];
  excludeTableData: readonly string[];
  /** In recovery unlogged tables cannot be read. */
  isInRecovery: boolean;
  serverVersion: string;
  encoding: string;
}

export interface Catalog {
  /** Tables to copy, in schema and name order. */
  tables: TableFacts[];
  /** Quoted names for `pg_dump --exclude-table-data`: everything copied here or left out by the user. */
  withoutData: { schema: string; name: string }[];
  /** For `pg_dump --exclude-table`. */
  excluded: { schema: string; name: string }[];
  /** Relations that are not in the set at all, as oids: what hangs on them cannot be expected of a restore. */
  leftOut: string[];
  /** Foreign keys of tables in the set to tables that are not, as oids: pg_dump writes them, and no restore could make them. */
  leftOutForeignKeys: string[];
  /** Include patterns were given: large objects, which belong to no table, are not in the set. */
  isPartial: boolean;
  /** Roles that own or may use something in this database; the bootstrap superuser is pinned and never among them. */
  roles: string[];
  /** Tablespaces that something lies in, besides the standard ones. */
  tablespaces: string[];
  warnings: string[];
  largeObjects: number;
}

interface TableRow extends Relation {
  blocks: string;
  table_bytes: string;
  rows: number;
  is_heap: boolean;
  is_unlogged: boolean;
  is_temporary: boolean;
  filenode: string | null;
  columns: { name: string; number: number; type: string; typeId: string }[] | null;
}

/** What the text of a value depends on besides the value. */
interface TypeShape {
  /** Labels of enums and attributes of composites, wherever they are inside the type. */
  shape: string | null;
  isVolatile: boolean;
}

/**
 * Reads, inside the backup's snapshot, what there is to copy.
 * Foreign tables hold rows of another server; extension configuration tables are left to `pg_dump`, which knows their
 * conditions.
 * @throws OpsError `BACKUP_NO_TABLE` when an include pattern matches nothing
 */
export async function readCatalog(client: pg.Client, options: CatalogOptions): Promise<Catalog> {
  const versionNum = await serverVersionNum(client);
  const { rows } = await client.query<TableRow>(tablesSql(versionNum));
  const shapes = await readShapes(client, versionNum);
  const extensions = await client.query<{ list: string | null }>(
    `select string_agg(extname || ' ' || extversion, ',' order by extname) as list from pg_catalog.pg_extension`,
  );
  const blobs = await client.query<{ n: string }>('select count(*) as n from pg_catalog.pg_largeobject_metadata');
  const roles = await client.query<{ name: string }>(
    `select distinct r.rolname as name from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid
      where d.refclassid = 'pg_catalog.pg_authid'::regclass and r.rolname !~ '^pg_'
        and d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) order by 1`,
  );
  const tablespaces = await client.query<{ name: string }>(
    `select t.spcname as name from pg_catalog.pg_tablespace t
      where t.oid in (select c.reltablespace from pg_catalog.pg_class c) and t.spcname !~ '^pg_' order by 1`,
  );
  const environmentOfText = `${options.serverVersion}|${extensions.rows[0]?.list ?? ''}`;

  const selection = selectRelations(
    rows.filter(row => !row.is_temporary),
    await readLinks(client),
    options,
  );
  const foreignKeys = await client.query<{ oid: string }>(
    `select oid::text from pg_catalog.pg_constraint where contype = 'f' and confrelid = any ($1::oid[]) and conrelid <> all ($1::oid[])`,
    [[...selection.leftOut]],
  );

  const catalog: Catalog = {
    tables: [],
    withoutData: [],
    excluded: [],
    leftOut: [...selection.leftOut],
    leftOutForeignKeys: foreignKeys.rows.map(row => row.oid),
    isPartial: options.includeTables.length > 0,
    roles: roles.rows.map(row => row.name),
    tablespaces: tablespaces.rows.map(row => row.name),
    warnings: selection.warnings,
    largeObjects: Number(blobs.rows[0]?.n ?? 0),
  };
  for (const row of rows) {
    const name = { schema: row.schema, name: row.name };
    if (row.is_temporary) continue;
    if (selection.leftOut.has(row.oid)) {
      catalog.excluded.push(name);
      continue;
    }
    if (row.is_extension) continue;
    if (row.relkind !== 'r') continue;
    catalog.withoutData.push(name);
    if (selection.withoutRows.has(row.oid)) continue;
    if (row.is_unlogged && options.isInRecovery) {
      catalog.warnings.push(
        `${row.schema}.${row.name} is unlogged: a standby cannot read its rows, they are not in the set`,
      );
      continue;
    }
    catalog.tables.push(tableFacts(row, shapes, { environmentOfText, encoding: options.encoding }));
  }
  return catalog;
}

async function readLinks(client: pg.Client): Promise<RelationLinks> {
  const parents = await client.query<RelationLinks['parents'][number]>(
    `select i.inhrelid::text as child, i.inhparent::text as parent, c.relispartition as "isPartition"
       from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid`,
  );
  const reads = await client.query<RelationLinks['reads'][number]>(
    `select distinct r.ev_class::text as view, d.refobjid::text as relation
       from pg_catalog.pg_depend d join pg_catalog.pg_rewrite r on r.oid = d.objid
       join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind in ('v', 'm')
      where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
        and d.refobjid <> r.ev_class and d.refobjid >= 16384`,
  );
  return { parents: parents.rows, reads: reads.rows };
}

function tableFacts(
  row: TableRow,
  shapes: ReadonlyMap<string, TypeShape>,
  database: { environmentOfText: string; encoding: string },
): TableFacts {
  const columns = (row.columns ?? []).map(column => ({ ...column, ...shapes.get(column.typeId) }));
  const target = quoteQualified(row.schema, row.name);
  const quoted = columns.map(column => quoteIdent(column.name));
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    heapBlocks: Number(row.blocks),
    tableBytes: Number(row.table_bytes),
    estimatedRows: row.rows,
    isHeap: row.is_heap,
    columns: quoted,
    copyFrom: `COPY ${target}${quoted.length > 0 ? ` (${quoted.join(', ')})` : ''} FROM stdin${encodingOption(database.encoding)}`,
    // Two equal signatures: the same heap file would give the same text. What changes it without a rewrite is in here:
    // a column that was dropped and added again has another number, a renamed enum label or a new attribute of a
    // composite another shape.
    signature: createHash('sha256')
      .update(JSON.stringify([row.schema, row.name, row.filenode, columns, database.environmentOfText]))
      .digest('hex')
      .slice(0, 32),
    isVolatileText: row.filenode === null || columns.some(column => column.isVolatile),
  };
}

async function serverVersionNum(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`select current_setting('server_version_num')::int as n`);
  return rows[0]?.n ?? 0;
}

/**
 * Rows travel in the encoding of the database: nothing is converted, and in SQL_ASCII, where text is any bytes, nothing
 * is refused. Statements are UTF-8 all the same, so only the COPY is told.
 */
export function encodingOption(encoding: string): string {
  return encoding === 'UTF8' ? '' : ` WITH (ENCODING '${encoding}')`;
}

/**
 * The shapes of all types of columns that are not built in, and of those built-in ones whose text names catalogue
 * entries (reg*, and roles in aclitem), by oid. A type is looked into as far as it goes: domains, arrays, ranges,
 * attributes of composites.
 */
async function readShapes(client: pg.Client, versionNum: number): Promise<Map<string, TypeShape>> {
  const multirange = versionNum >= 140_000 ? 'or r.rngmultitypid = t.oid' : '';
  const { rows } = await client.query<TypeShape & { oid: string }>(`
with recursive inside(root, typ) as (
  select t.oid, t.oid from pg_catalog.pg_type t
   where t.oid in (select a.atttypid from pg_catalog.pg_attribute a where a.attrelid >= 16384 and a.attnum > 0)
  union
  select i.root, x.typ
    from inside i join pg_catalog.pg_type t on t.oid = i.typ
   cross join lateral (
     select t.typelem where t.typelem <> 0
     union all select t.typbasetype where t.typbasetype <> 0
     union all select a.atttypid from pg_catalog.pg_attribute a
                where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
     union all select r.rngsubtype from pg_catalog.pg_range r where r.rngtypid = t.oid ${multirange}
   ) as x(typ)
)
select i.root::text as oid,
       pg_catalog.md5(pg_catalog.string_agg(
         pg_catalog.concat_ws(' ', i.typ,
           (select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = i.typ),
           (select pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.atttypid, a.atttypmod) order by a.attnum)
              from pg_catalog.pg_attribute a where t.typrelid <> 0 and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)),
         ';' order by i.typ)) as shape,
       bool_or(t.typnamespace = 'pg_catalog'::regnamespace and (t.typname like 'reg%' or t.typname = 'aclitem')) as "isVolatile"
  from inside i join pg_catalog.pg_type t on t.oid = i.typ
 group by i.root`);
  return new Map(rows.map(({ oid, shape, isVolatile }) => [oid, { shape, isVolatile }]));
}

function tablesSql(versionNum: number): string {
  return `
select c.oid::text as oid, n.nspname as schema, c.relname as name, c.relkind,
       case when c.relkind = 'r' then pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int else 0 end as blocks,
       case when c.relkind = 'r' then pg_catalog.pg_table_size(c.oid) else 0 end as table_bytes,
       c.reltuples::float8 as rows,
       coalesce((select a.amname = 'heap' from pg_catalog.pg_am a where a.oid = c.relam), false) as is_heap,
       exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
                 and d.objsubid = 0 and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e') as is_extension,
       c.relpersistence = 'u' as is_unlogged, c.relpersistence = 't' as is_temporary,
       pg_catalog.pg_relation_filenode(c.oid)::text as filenode,
       (select pg_catalog.json_agg(pg_catalog.json_build_object(
                 'name', a.attname, 'number', a.attnum, 'typeId', a.atttypid::text,
                 'type', pg_catalog.format_type(a.atttypid, a.atttypmod)) order by a.attnum)
          from pg_catalog.pg_attribute a
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped${versionNum >= 120_000 ? ` and a.attgenerated = ''` : ''}) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
 order by n.nspname, c.relname`;
}
