import { createHash } from 'node:crypto';
import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import { compilePatterns } from './patterns.ts';

/** A table whose rows a backup copies: ordinary tables and leaf partitions. */
export interface TableFacts {
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
}

export interface Catalog {
  /** Tables to copy, in schema and name order. */
  tables: TableFacts[];
  /** Quoted names for `pg_dump --exclude-table-data`: everything copied here or left out by the user. */
  withoutData: { schema: string; name: string }[];
  /** For `pg_dump --exclude-table`. */
  excluded: { schema: string; name: string }[];
  /** For `pg_dump --table`; empty: all. */
  included: { schema: string; name: string }[];
  /** Relations that are not in the set at all, as oids: what hangs on them cannot be expected of a restore. */
  leftOut: string[];
  /** Include patterns were given: only tables are in the set, no functions and extensions. */
  isPartial: boolean;
  /** Roles that own or may use something in this database; the bootstrap superuser is pinned and never among them. */
  roles: string[];
  warnings: string[];
  largeObjects: number;
}

interface TableRow {
  oid: string;
  schema: string;
  name: string;
  relkind: string;
  blocks: string;
  table_bytes: string;
  rows: number;
  is_heap: boolean;
  is_extension: boolean;
  is_unlogged: boolean;
  is_temporary: boolean;
  filenode: string | null;
  columns: { name: string; type: string; isReg: boolean; labels: string | null }[] | null;
}

/**
 * Reads, inside the backup's snapshot, what there is to copy.
 * Foreign tables hold rows of another server; extension configuration tables are left to `pg_dump`, which knows their
 * conditions.
 * @throws OpsError `BACKUP_NO_TABLE` when an include pattern matches nothing
 */
export async function readCatalog(client: pg.Client, options: CatalogOptions): Promise<Catalog> {
  const { rows } = await client.query<TableRow>(tablesSql(await hasGenerated(client)));
  const extensions = await client.query<{ list: string | null }>(
    `select string_agg(extname || ' ' || extversion, ',' order by extname) as list from pg_catalog.pg_extension`,
  );
  const blobs = await client.query<{ n: string }>('select count(*) as n from pg_catalog.pg_largeobject_metadata');
  const roles = await client.query<{ name: string }>(
    `select distinct r.rolname as name from pg_catalog.pg_shdepend d join pg_catalog.pg_roles r on r.oid = d.refobjid
      where d.refclassid = 'pg_catalog.pg_authid'::regclass and r.rolname !~ '^pg_'
        and d.dbid = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()) order by 1`,
  );
  const environmentOfText = `${options.serverVersion}|${extensions.rows[0]?.list ?? ''}`;

  const include = compilePatterns(options.includeTables);
  const exclude = compilePatterns(options.excludeTables);
  const excludeData = compilePatterns(options.excludeTableData);

  const catalog: Catalog = {
    tables: [],
    withoutData: [],
    excluded: [],
    included: [],
    leftOut: [],
    isPartial: options.includeTables.length > 0,
    roles: roles.rows.map(row => row.name),
    warnings: [],
    largeObjects: Number(blobs.rows[0]?.n ?? 0),
  };
  for (const row of rows) {
    const name = { schema: row.schema, name: row.name };
    if (row.is_temporary) continue;
    if (exclude.matches(name)) {
      catalog.excluded.push(name);
      catalog.leftOut.push(row.oid);
      continue;
    }
    if (catalog.isPartial) {
      if (!include.matches(name)) {
        catalog.leftOut.push(row.oid);
        continue;
      }
      catalog.included.push(name);
    }
    if (row.is_extension) continue;
    if (row.relkind !== 'r') continue;
    catalog.withoutData.push(name);
    if (excludeData.matches(name)) continue;
    if (row.is_unlogged && options.isInRecovery) {
      catalog.warnings.push(
        `${row.schema}.${row.name} is unlogged: a standby cannot read its rows, they are not in the set`,
      );
      continue;
    }
    catalog.tables.push(tableFacts(row, environmentOfText));
  }
  for (const [what, unmatched] of [
    ['include', include.unmatched()],
    ['exclude', [...exclude.unmatched(), ...excludeData.unmatched()]],
  ] as const) {
    if (unmatched.length === 0) continue;
    if (what === 'include') {
      throw new OpsError('BACKUP_NO_TABLE', `No table matches ${unmatched.map(p => `'${p}'`).join(', ')}`, {
        hint: 'Write schema.table as PostgreSQL shows it (case counts); * and ? match within a name.',
        exit: 'usage',
      });
    }
    catalog.warnings.push(`No table matches the exclusion ${unmatched.map(p => `'${p}'`).join(', ')}`);
  }
  return catalog;
}

function tableFacts(row: TableRow, environmentOfText: string): TableFacts {
  const columns = row.columns ?? [];
  const target = quoteQualified(row.schema, row.name);
  const quoted = columns.map(column => quoteIdent(column.name));
  return {
    schema: row.schema,
    name: row.name,
    heapBlocks: Number(row.blocks),
    tableBytes: Number(row.table_bytes),
    estimatedRows: row.rows,
    isHeap: row.is_heap,
    columns: quoted,
    copyFrom: `COPY ${target}${quoted.length > 0 ? ` (${quoted.join(', ')})` : ''} FROM stdin`,
    // Two equal signatures: the same heap file would give the same text. Enum labels can be renamed without a rewrite.
    signature: createHash('sha256')
      .update(JSON.stringify([row.schema, row.name, row.filenode, columns, environmentOfText]))
      .digest('hex')
      .slice(0, 32),
    isVolatileText: row.filenode === null || columns.some(column => column.isReg),
  };
}

async function hasGenerated(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ n: number }>(`select current_setting('server_version_num')::int as n`);
  return (rows[0]?.n ?? 0) >= 120_000;
}

function tablesSql(withGenerated: boolean): string {
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
                 'name', a.attname,
                 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                 'isReg', (coalesce(nullif(t.typelem, 0), t.oid)) in (
                     select r.oid from pg_catalog.pg_type r where r.typnamespace = 'pg_catalog'::regnamespace and r.typname like 'reg%'),
                 'labels', (select pg_catalog.md5(pg_catalog.string_agg(e.enumlabel, ',' order by e.enumsortorder))
                              from pg_catalog.pg_enum e where e.enumtypid in (t.oid, t.typelem, t.typbasetype))) order by a.attnum)
          from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped${withGenerated ? ` and a.attgenerated = ''` : ''}) as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
   and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
 order by n.nspname, c.relname`;
}
