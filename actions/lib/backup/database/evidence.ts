import type pg from 'pg';
import { z } from 'zod';
import { quoteQualified } from '../../postgres/index.ts';
import { propertiesInventory } from './properties.ts';

/**
 * What a restored database is compared with, taken inside the dump's own snapshot. It is stored as an encrypted part:
 * it holds hashes of rows and names of objects, which only those who may read the backup may see.
 */
const fingerprint = z.discriminatedUnion('kind', [
  /** Of every row: order-independent sum of 64-bit hashes of the row's text. */
  z.strictObject({ kind: z.literal('full'), rows: z.string(), sum: z.string() }),
  /** Hashes of the rows in a sample of blocks; each must be found again. */
  z.strictObject({ kind: z.literal('sample'), hashes: z.array(z.string()) }),
]);
export type Fingerprint = z.infer<typeof fingerprint>;

export const evidenceSchema = z.strictObject({
  schema: z.literal('production-ops/evidence/1'),
  level: z.enum(['sample', 'full']),
  fingerprints: z.array(z.strictObject({ schema: z.string(), name: z.string(), fingerprint })),
  inventory: z.record(z.string(), z.array(z.string())),
  /** Where each sequence stood before and after pg_dump read it; null: never used. */
  sequences: z.array(z.strictObject({ name: z.string(), before: z.string().nullable(), after: z.string().nullable() })),
  largeObjects: z.strictObject({ count: z.int(), hashes: z.record(z.string(), z.string()) }),
});
export type Evidence = z.infer<typeof evidenceSchema>;

export interface FingerprintPlan {
  schema: string;
  name: string;
  kind: Fingerprint['kind'];
  /** Per cent of blocks for a sample. */
  samplePercent?: number;
}

/** Rows in a sample: enough that a table of which 0.2 % is wrong is noticed with 98 % likelihood. */
const sampleRows = 2048;
const sampleBytes = 16 * 1024 * 1024;
/** Reading a row's text and hashing it costs about twice what copying it does: 3 % of the bytes is below a tenth of the dump. */
const fullShare = 0.03;
const fullAtLeastBytes = 8 * 1024 * 1024;

export interface MeasuredTable {
  schema: string;
  name: string;
  tableBytes: number;
  heapBlocks: number;
  rows: number;
  isHeap: boolean;
}

/** Every table at level `full`; at level `sample` the small ones whole, and a sample of blocks of the others. */
export function planFingerprints(tables: readonly MeasuredTable[], level: 'sample' | 'full'): FingerprintPlan[] {
  const total = tables.reduce((sum, table) => sum + table.tableBytes, 0);
  let budget = Math.max(fullAtLeastBytes, total * fullShare);
  return [...tables]
    .sort((a, b) => a.tableBytes - b.tableBytes)
    .map(table => {
      const name = { schema: table.schema, name: table.name };
      budget -= table.tableBytes;
      if (level === 'full' || budget >= 0 || !table.isHeap) return { ...name, kind: 'full' };
      const bytesPerRow = table.tableBytes / Math.max(1, table.rows);
      const wantedRows = Math.min(sampleRows, Math.max(16, sampleBytes / bytesPerRow));
      const rowsPerBlock = Math.max(1, table.rows / Math.max(1, table.heapBlocks));
      const share = (wantedRows / rowsPerBlock) * (100 / table.heapBlocks);
      return { ...name, kind: 'sample', samplePercent: Number(Math.min(100, Math.max(share, 0.0001)).toFixed(4)) };
    });
}

/** `ROW(o.*)` and not `o::text`: a table may have a column called o. Collation "C" for speed and sameness. */
const rowHash = `pg_catalog.hashtextextended(ROW(o.*)::text COLLATE "C", 0)`;

export async function takeFingerprint(client: pg.Client, plan: FingerprintPlan): Promise<Fingerprint> {
  const table = quoteQualified(plan.schema, plan.name);
  if (plan.kind === 'full') {
    const { rows } = await client.query<{ rows: string; sum: string }>(
      `select count(*)::text as rows, coalesce(sum(${rowHash}), 0)::text as sum from only ${table} as o`,
    );
    return { kind: 'full', rows: rows[0]!.rows, sum: rows[0]!.sum };
  }
  const { rows } = await client.query<{ hash: string }>(
    `select distinct ${rowHash}::text as hash from only ${table} as o tablesample system (${plan.samplePercent}) repeatable (42)`,
  );
  return { kind: 'sample', hashes: rows.map(row => row.hash) };
}

/** What is different in the restored table; undefined when nothing is. */
export async function compareFingerprint(
  client: pg.Client,
  table: { schema: string; name: string; fingerprint: Fingerprint },
): Promise<string | undefined> {
  const name = `${table.schema}.${table.name}`;
  if (table.fingerprint.kind === 'full') {
    const found = await takeFingerprint(client, { ...table, kind: 'full' });
    return found.kind === 'full' && found.sum === table.fingerprint.sum
      ? undefined
      : `the content of ${name} differs from the snapshot`;
  }
  if (table.fingerprint.hashes.length === 0) return undefined;
  const { rows } = await client.query<{ found: string }>(
    `with wanted as materialized (select h from unnest($1::bigint[]) as h)
     select count(distinct w.h)::text as found
       from wanted w join (select ${rowHash} as h from only ${quoteQualified(table.schema, table.name)} as o) r on r.h = w.h`,
    [table.fingerprint.hashes],
  );
  const missing = table.fingerprint.hashes.length - Number(rows[0]!.found);
  return missing === 0
    ? undefined
    : `${missing} of ${table.fingerprint.hashes.length} sampled rows of ${name} are missing or different`;
}

/** Objects of extensions are left out: another build of an extension may bring others. */
const notOfExtension = (classid: string, oid: string) =>
  `not exists (select 1 from pg_depend d where d.classid = '${classid}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;
const userSchema = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_'`;
/** $1: relations that are not in the set. */
const isKept = (oid: string) => `${oid} <> all ($1::oid[])`;

/** Text of SQL_ASCII is any bytes, of which a client that speaks UTF-8 can be told only in escapes. */
const readable = (text: string) =>
  `case when getdatabaseencoding() = 'SQL_ASCII' then encode(convert_to(${text}, 'SQL_ASCII'), 'escape') else ${text} end`;

/** One line per object, in terms that a restore must reproduce. */
const inventoryQueries: Readonly<Record<string, string>> = {
  extensions: `select extname as line from pg_extension where extname <> 'plpgsql' and $1::oid[] is not null`,
  tables: `select format('%I.%I %s', n.nspname, c.relname, c.relkind) as line from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f') and ${userSchema} and ${notOfExtension('pg_class', 'c.oid')} and ${isKept('c.oid')}`,
  populated: `select format('%I.%I', n.nspname, c.relname) || case when c.relispopulated then ' populated' else ' empty' end as line
                from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'm' and ${isKept('c.oid')}`,
  indexes: `select pg_get_indexdef(i.indexrelid) as line
              from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
             where ${userSchema} and i.indisvalid and ${notOfExtension('pg_class', 'i.indrelid')} and ${isKept('i.indrelid')}`,
  constraints: `select format('%s %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) as line
                  from pg_constraint k join pg_namespace n on n.oid = k.connamespace
                 where k.conrelid <> 0 and ${userSchema} and ${notOfExtension('pg_class', 'k.conrelid')}
                   and ${isKept('k.conrelid')} and ${isKept('k.confrelid')}`,
  triggers: `select pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text as line
               from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
              where not t.tgisinternal and ${userSchema} and ${isKept('c.oid')}`,
  functions: `select format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as line
                from pg_proc p join pg_namespace n on n.oid = p.pronamespace
               where ${userSchema} and ${notOfExtension('pg_proc', 'p.oid')} and $1::oid[] is not null`,
  policies: `select format('%s %I %s %s %s', p.polrelid::regclass, p.polname, p.polcmd,
                    coalesce(pg_get_expr(p.polqual, p.polrelid), ''), coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')) as line
               from pg_policy p where ${isKept('p.polrelid')}`,
  'properties of the database': propertiesInventory,
};

export interface InventoryScope {
  /** Oids of relations that are not in the set; none in a restored database. */
  leftOut: readonly string[];
}

export async function takeInventory(client: pg.Client, scope: InventoryScope): Promise<Record<string, string[]>> {
  const inventory: Record<string, string[]> = {};
  for (const [name, sql] of Object.entries(inventoryQueries)) {
    const { rows } = await client.query<{ line: string }>(
      `select ${readable('line')} as line from (${sql}) i order by i.line collate "C"`,
      [scope.leftOut],
    );
    inventory[name] = rows.map(row => row.line);
  }
  return inventory;
}

/** What is in one inventory and not in the other, as findings; at most a few of each kind are named. */
export function compareInventory(
  expected: Readonly<Record<string, readonly string[]>>,
  found: Readonly<Record<string, readonly string[]>>,
): string[] {
  const findings: string[] = [];
  for (const [kind, lines] of Object.entries(expected)) {
    const there = new Set(found[kind] ?? []);
    const missing = lines.filter(line => !there.has(line));
    if (missing.length === 0) continue;
    const named = missing.slice(0, 3).map(line => (line.length > 120 ? `${line.slice(0, 119)}…` : line));
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
    findings.push(`${missing.length} of ${lines.length} ${kind} are missing or different: ${named.join('; ')}${more}`);
  }
  return findings;
}

export type SequenceState = { name: string; last: string | null };

export async function takeSequences(
  client: pg.Client,
  scope: Pick<InventoryScope, 'leftOut'>,
): Promise<SequenceState[]> {
  const { rows } = await client.query<SequenceState>(
    `select format('%I.%I', s.schemaname, s.sequencename) as name, s.last_value::text as last
       from pg_sequences s join pg_namespace n on n.nspname = s.schemaname
       join pg_class c on c.relnamespace = n.oid and c.relname = s.sequencename
       left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
      where ${userSchema} and ${isKept('coalesce(d.refobjid, c.oid)')} and ${notOfExtension('pg_class', 'c.oid')}
      order by 1`,
    [scope.leftOut],
  );
  return rows;
}

/** A sequence that was dropped meanwhile is not in the set either, or pg_dump would have failed. */
export function spanSequences(
  before: readonly SequenceState[],
  after: readonly SequenceState[],
): Evidence['sequences'] {
  const later = new Map(after.map(sequence => [sequence.name, sequence]));
  return before.flatMap(({ name, last }) => {
    const then = later.get(name);
    return then ? [{ name, before: last, after: then.last }] : [];
  });
}

/** A restored sequence must stand where pg_dump found it: between the two values, which are one on a quiet server. */
export function compareSequences(expected: Evidence['sequences'], found: readonly SequenceState[]): string[] {
  const there = new Map(found.map(sequence => [sequence.name, sequence]));
  return expected.flatMap(({ name, before, after }) => {
    const sequence = there.get(name);
    if (!sequence) return [`sequence ${name} is missing`];
    const { last } = sequence;
    if (last === before || last === after || isBetween(last, before, after)) return [];
    const span = before === after ? shown(before) : `${shown(before)} to ${shown(after)}`;
    return [`sequence ${name} stands at ${shown(last)}, and stood at ${span}`];
  });
}

/** From never used to used there is no lower bound. */
function isBetween(last: string | null, before: string | null, after: string | null): boolean {
  if (before === after || last === null) return false;
  if (before === null || after === null) return true;
  const [low, high] = [BigInt(before), BigInt(after)].sort((a, b) => (a < b ? -1 : 1));
  return low! <= BigInt(last) && BigInt(last) <= high!;
}

const shown = (last: string | null) => last ?? 'never used';

const sampledLargeObjects = 100;

/** The first large objects by number (all of them at level `full`), each as the MD5 of its content. */
export async function takeLargeObjects(client: pg.Client, level: 'sample' | 'full'): Promise<Evidence['largeObjects']> {
  const { rows } = await client.query<{ oid: string }>('select oid::text from pg_largeobject_metadata order by oid');
  const chosen = level === 'full' ? rows : rows.slice(0, sampledLargeObjects);
  const hashes: Record<string, string> = {};
  for (const { oid } of chosen) {
    const { rows: hashed } = await client.query<{ hash: string }>('select md5(lo_get($1::oid)) as hash', [oid]);
    hashes[oid] = hashed[0]!.hash;
  }
  return { count: rows.length, hashes };
}
