import { quoteIdent, quoteLiteral, quoteQualified } from '../../postgres/index.ts';
import { type CopySession, reasonOf } from './copy-session.ts';
import { median } from './measurement.ts';
import { type IndexRef, type ProposedIndex, refKey, refOf } from './provable.ts';

/** What writing a thousand rows takes longer with an index than without it. */
export interface WriteCost {
  /** Rows of one batch: copies of real rows. */
  rows: number;
  insert: WriteTimes | undefined;
  /** Of updates that change a column of the index; undefined when no update can. */
  update: (WriteTimes & { hotShareWithout: number; hotShareWith: number }) | undefined;
  /** Why something could not be measured. */
  why: string | undefined;
}

export interface WriteTimes {
  /** Milliseconds for 1,000 rows, triggers and foreign keys left out. */
  withoutMs: number;
  withMs: number;
}

const batchRows = 1000;
const repeats = 5;

/**
 * Inserts and updates copies of real rows with the index and without it, in turn, in transactions that are rolled back.
 * The other proposed indexes are not there meanwhile, so that each one answers for itself. Foreign keys and triggers are
 * put aside in the same transactions: the rows are right already, and nothing outside may be told of them.
 */
export async function measureWriteCost(
  session: CopySession,
  index: ProposedIndex,
  others: readonly IndexRef[],
): Promise<WriteCost> {
  const cost: WriteCost = { rows: 0, insert: undefined, update: undefined, why: undefined };
  try {
    const table = await leafOf(session, index);
    if (!table) return { ...cost, why: 'its table has no rows' };
    const sampled = await takeSample(session, table);
    cost.rows = sampled;
    if (sampled === 0) return { ...cost, why: 'its table has no rows' };
    const plan = await writePlan(session, index, table);
    const states = [[...others, refOf(index)], others] as const;
    const insert = await alternate(states, hidden => insertBatch(session, plan, index, hidden));
    cost.insert = perThousand(insert, sampled);
    if (plan.updated.length > 0) {
      const update = await alternate(states, hidden => updateBatch(session, plan, hidden));
      cost.update = {
        ...perThousand(update, sampled),
        hotShareWithout: median(update[0].map(each => each.hotShare)),
        hotShareWith: median(update[1].map(each => each.hotShare)),
      };
    }
  } catch (thrown) {
    if (session.isGone) throw thrown;
    cost.why = reasonOf(thrown);
  } finally {
    if (!session.isGone) await cleanUp(session, index);
  }
  return cost;
}

interface Leaf {
  /** Quoted. */
  sql: string;
  oid: number;
  rows: number;
}

interface WritePlan {
  table: Leaf;
  /** Puts triggers and foreign keys aside. */
  aside: string[];
  /** Quoted; those that an INSERT may give. */
  columns: string[];
  /** Quoted; columns of the index that an UPDATE may change. */
  updated: string[];
}

/** The table, or the partition of it that holds most. */
async function leafOf(session: CopySession, { definition }: ProposedIndex): Promise<Leaf | undefined> {
  const name = quoteQualified(definition.schema, definition.table);
  const [row] = await session.query<{ oid: number; schema: string; name: string; rows: number }>(leafQuery, [name]);
  return row && { sql: quoteQualified(row.schema, row.name), oid: row.oid, rows: row.rows };
}

const leafQuery = `
  SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS name, greatest(c.reltuples, 0)::float8 AS rows
    FROM (SELECT $1::text::regclass AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::text::regclass)) p
    JOIN pg_catalog.pg_class c ON c.oid = p.relid AND c.relkind = 'r'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   ORDER BY pg_catalog.pg_relation_size(c.oid) DESC LIMIT 1`;

/** The rows are numbered, so that each can be given the values of the next. */
async function takeSample(session: CopySession, table: Leaf): Promise<number> {
  const percent = table.rows > batchRows * 4 ? Math.min(100, (batchRows * 200) / table.rows) : 100;
  await session.query('DROP TABLE IF EXISTS pg_temp.ops_sample');
  await session.query(
    `CREATE TEMP TABLE ops_sample AS
       SELECT row_number() OVER () AS ops_n, ctid AS ops_ctid, t AS ops_row
         FROM ONLY ${table.sql} t TABLESAMPLE BERNOULLI (${percent}) LIMIT ${batchRows}`,
  );
  await session.query('ANALYZE ops_sample');
  const [row] = await session.query<{ n: string }>('SELECT count(*) AS n FROM ops_sample');
  return Number(row!.n);
}

async function writePlan(session: CopySession, index: ProposedIndex, table: Leaf): Promise<WritePlan> {
  const ref = refOf(index);
  const [columns] = await session.query<{ given: string[]; updated: string[] }>(columnsQuery, [
    table.oid,
    quoteQualified(ref.schema, ref.name),
  ]);
  const constraints = await session.query<{ schema: string; table: string; name: string }>(foreignKeysQuery, [
    table.oid,
  ]);
  return {
    table,
    aside: [
      ...constraints.map(
        each => `ALTER TABLE ${quoteQualified(each.schema, each.table)} DROP CONSTRAINT ${quoteIdent(each.name)}`,
      ),
      `ALTER TABLE ${table.sql} DISABLE TRIGGER USER`,
    ],
    columns: columns!.given.map(quoteIdent),
    updated: columns!.updated.map(quoteIdent),
  };
}

// A column that is generated cannot be given; one of a unique index or a partition key is not changed, since two rows
// would be the same or move away. Columns of expressions and predicates are found by what the index depends on.
const columnsQuery = `
  SELECT ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = $1::float8::int8::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                ORDER BY a.attnum) AS given,
         ARRAY(SELECT DISTINCT a.attname::text
                 FROM pg_catalog.pg_depend d
                 JOIN pg_catalog.pg_attribute p ON p.attrelid = d.refobjid AND p.attnum = d.refobjsubid
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::float8::int8::oid AND a.attname = p.attname
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = $2::text::regclass AND d.refobjsubid > 0
                  AND a.attgenerated = '' AND a.attidentity <> 'a'
                  AND NOT EXISTS (SELECT FROM pg_catalog.pg_index u
                                   WHERE u.indrelid = a.attrelid AND u.indisunique AND a.attnum = ANY (u.indkey::int2[]))
                  AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(a.attrelid) r
                                    JOIN pg_catalog.pg_partitioned_table t ON t.partrelid = r.relid
                                    JOIN pg_catalog.pg_attribute k ON k.attrelid = t.partrelid AND k.attnum = ANY (t.partattrs::int2[])
                                   WHERE k.attname = a.attname)) AS updated`;

// A foreign key of a partitioned table is dropped where it was declared.
const foreignKeysQuery = `
  WITH own AS (SELECT $1::float8::int8::oid AS oid UNION SELECT relid FROM pg_catalog.pg_partition_ancestors($1::float8::int8::oid))
  SELECT DISTINCT n.nspname AS schema, c.relname AS "table", k.conname AS name
    FROM pg_catalog.pg_constraint k
    JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid IN (SELECT oid FROM own) OR k.confrelid IN (SELECT oid FROM own))`;

interface Batch {
  ms: number;
  hotShare: number;
}

/** The same rows go away first: whatever is unique stays so. */
async function insertBatch(
  session: CopySession,
  plan: WritePlan,
  index: ProposedIndex,
  hidden: readonly IndexRef[],
): Promise<Batch> {
  const { table, columns } = plan;
  return inRolledBack(session, plan, hidden, async () => {
    await session.query(`DELETE FROM ONLY ${table.sql} t USING ops_sample s WHERE t.ctid = s.ops_ctid`);
    const list = columns.join(', ');
    const ms = await timed(
      session,
      `INSERT INTO ${table.sql} (${list}) OVERRIDING SYSTEM VALUE
         SELECT ${columns.map(column => `(ops_row).${column}`).join(', ')} FROM ops_sample`,
    );
    const isHidden = hidden.some(each => refKey(each) === refKey(refOf(index)));
    return { ms: ms + (isHidden ? 0 : await pendingMs(session, index)), hotShare: 0 };
  });
}

/** A GIN index puts entries aside and sorts them in later: that work belongs to the rows as well. */
async function pendingMs(session: CopySession, index: ProposedIndex): Promise<number> {
  if (index.definition.method !== 'gin') return 0;
  const ref = refOf(index);
  const name = quoteLiteral(quoteQualified(ref.schema, ref.name));
  return timed(
    session,
    `SELECT pg_catalog.gin_clean_pending_list(c.oid)
       FROM (SELECT ${name}::regclass AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(${name}::regclass)) l
       JOIN pg_catalog.pg_class c ON c.oid = l.relid AND c.relkind = 'i'`,
  );
}

async function updateBatch(session: CopySession, plan: WritePlan, hidden: readonly IndexRef[]): Promise<Batch> {
  const { table, updated } = plan;
  return inRolledBack(session, plan, hidden, async () => {
    const ms = await timed(
      session,
      `UPDATE ONLY ${table.sql} t SET ${updated.map(column => `${column} = (o.ops_row).${column}`).join(', ')}
         FROM ops_sample s JOIN ops_sample o ON o.ops_n = s.ops_n % (SELECT max(ops_n) FROM ops_sample) + 1
        WHERE t.ctid = s.ops_ctid`,
    );
    const [row] = await session.query<{ share: number | null }>(
      `SELECT pg_catalog.pg_stat_get_xact_tuples_hot_updated(o)::float8
              / nullif(pg_catalog.pg_stat_get_xact_tuples_updated(o), 0) AS share
         FROM (SELECT $1::float8::int8::oid AS o) t`,
      [table.oid],
    );
    return { ms, hotShare: row?.share ?? 0 };
  });
}

async function inRolledBack<T>(
  session: CopySession,
  { aside }: WritePlan,
  hidden: readonly IndexRef[],
  work: () => Promise<T>,
): Promise<T> {
  const drop = hidden.map(each => `DROP INDEX ${quoteQualified(each.schema, each.name)}`);
  await session.query(
    ['BEGIN', `SET LOCAL statement_timeout = ${Math.ceil(session.statementTimeoutMs)}`, ...drop, ...aside].join('; '),
  );
  try {
    return await work();
  } finally {
    if (!session.isGone) await session.query('ROLLBACK');
  }
}

async function timed(session: CopySession, sql: string): Promise<number> {
  const [row] = await session.query<{ 'QUERY PLAN': { 'Execution Time': number }[] }>(
    `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${sql}`,
  );
  return row!['QUERY PLAN'][0]!['Execution Time'];
}

/** Without and with, by turns; the first of each warms the cache and does not count. */
async function alternate(
  states: readonly [readonly IndexRef[], readonly IndexRef[]],
  batch: (hidden: readonly IndexRef[]) => Promise<Batch>,
): Promise<[Batch[], Batch[]]> {
  const kept: [Batch[], Batch[]] = [[], []];
  for (const side of [0, 1] as const) await batch(states[side]);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const side of repeat % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      kept[side].push(await batch(states[side]));
  }
  return kept;
}

/** By the quickest batch of each state: whatever else the machine does only ever adds to a batch. */
function perThousand([without, withIt]: readonly [readonly Batch[], readonly Batch[]], rows: number): WriteTimes {
  const of = (batches: readonly Batch[]) => (Math.min(...batches.map(each => each.ms)) * 1000) / rows;
  return { withoutMs: of(without), withMs: of(withIt) };
}

/** What was rolled back still lies in the pages, and would slow down whatever is measured next. */
async function cleanUp(session: CopySession, { definition }: ProposedIndex): Promise<void> {
  await session.query('DROP TABLE IF EXISTS pg_temp.ops_sample');
  await session.query(`VACUUM ${quoteQualified(definition.schema, definition.table)}`);
}
