import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import { createIndexSql, definitionSql, type IndexDefinition, indexName } from '../indexes/index.ts';
import { tryChange } from './attempts.ts';
import {
  type ApplyContext,
  type CreateOrder,
  createPlain,
  dropBroken,
  endRecord,
  type Prepared,
  planned,
} from './build.ts';
import {
  type IndexFacts,
  kindOfName,
  readIndex,
  readIndexes,
  readPartitions,
  readTable,
  type TableFacts,
} from './catalog.ts';
import { Refused, type StepResult } from './outcome.ts';
import { single } from './single.ts';

/**
 * CONCURRENTLY is refused on a partitioned table. So the index of the parent is made alone and empty (ON ONLY), each
 * partition gets its own CONCURRENTLY and is attached, and with the last one the server makes the parent's valid. Every
 * step is looked up before it is done: whatever was cut off goes on at the next run.
 * https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
 */
export async function createPartitioned(
  context: ApplyContext,
  order: CreateOrder,
  { table, signature }: Prepared,
  statements: string[],
): Promise<StepResult> {
  const { sessions, ledger, log } = context;
  const { definition, name } = order;
  const partitions = await readPartitions(sessions.control(), table.oid);
  const foreign = partitions.find(partition => partition.relkind === 'f');
  if (foreign) throw new Refused(`its partition ${foreign.name} is a foreign table, so the index could never be whole`);

  if (context.isDryRun) {
    const tables = partitions.filter(partition => partition.relkind !== 'p');
    return planned([
      onOnly(definition, name),
      ...tables.map(({ schema, name: partition }) => {
        const own = { ...definition, schema, table: partition };
        return createIndexSql(own, indexName(own), { concurrently: true });
      }),
      `ALTER INDEX ${quoteQualified(definition.schema, name)} ATTACH PARTITION … (each of the ${tables.length})`,
    ]);
  }
  const top = await parentIndex(context, table, definition, name, signature, statements);
  if (!top.isBroken) {
    await endRecord(ledger, definition.schema, name);
    return {
      status: 'nothing to do',
      message: `the same index is there already as ${top.name}`,
      statements,
      attempts: 0,
      sizeBytes: await sizeOf(context, top),
      plannerNames: await leafNames(context, top),
    };
  }
  const parents = new Map<string, IndexFacts>([[table.oid, top]]);
  const leaves = partitions.filter(partition => partition.relkind !== 'p').length;
  let done = 0;
  const problems: string[] = [];
  for (const partition of partitions) {
    const parent = parents.get(partition.parentOid);
    // Its own parent failed.
    if (!parent) continue;
    const own = { ...definition, schema: partition.schema, table: partition.name };
    if (partition.relkind === 'p') {
      const facts = await readTable(sessions.control(), partition.schema, partition.name);
      const index = await parentIndex(context, facts!, own, indexName(own), signature, statements);
      if (!index.isAttached) await attach(context, parent, index, statements);
      parents.set(partition.oid, index);
      continue;
    }
    const attached = await attachedTo(context, partition.oid, parent);
    if (attached) {
      done++;
      continue;
    }
    const result = await buildLeaf(context, own, signature, statements);
    const [leaf] = result.plannerNames ?? [];
    if (leaf === undefined) {
      problems.push(`${partition.name}: ${result.message}`);
      continue;
    }
    await attach(context, parent, { schema: partition.schema, name: leaf }, statements);
    done++;
    log.info(`${name}: ${done} of ${leaves} partitions have theirs`);
  }
  if (problems.length > 0) {
    return {
      status: 'deferred',
      message: `${done} of ${leaves} partitions have their index; ${problems.join('; ')}. Run it again, and it goes on`,
      statements,
      attempts: 1,
      sizeBytes: null,
    };
  }
  const whole = await readIndex(sessions.control(), definition.schema, top.name);
  if (!whole || whole.isBroken) throw new Error(`every partition has its index, and ${top.name} is not valid`);
  for (const index of parents.values()) await endRecord(ledger, index.schema, index.name);
  return {
    status: 'done',
    message: `built on ${leaves} partitions, and valid`,
    statements,
    attempts: 1,
    sizeBytes: await sizeOf(context, whole),
    plannerNames: await leafNames(context, whole),
    // There is no CONCURRENTLY for it: the lock is short, and must be got quickly or not at all.
    rollback: ["SET lock_timeout = '5s';", `DROP INDEX ${quoteQualified(definition.schema, top.name)};`],
  };
}

/** The index of a table of partitions, made when it is not there. */
async function parentIndex(
  context: ApplyContext,
  table: TableFacts,
  definition: IndexDefinition,
  name: string,
  signature: string,
  statements: string[],
): Promise<IndexFacts> {
  const { sessions, ledger } = context;
  const indexes = await readIndexes(sessions.control(), table.oid);
  const whole = indexes.find(index => index.signature === signature && !index.isBroken);
  if (whole) return whole;
  const begun = indexes.find(index => index.name === name);
  if (begun && begun.signature !== signature) {
    throw new Refused(`an index ${name} with another definition is there: ${begun.definition}`);
  }
  if (begun) return begun;
  if ((await kindOfName(sessions.control(), definition.schema, name)) !== undefined) {
    throw new Refused(`the name ${name} is taken in the schema ${definition.schema}`);
  }
  if (ledger.isKept) {
    const { schema, table: of } = definition;
    await ledger.begin({ schema, name, table: of, operation: 'create', reportId: context.reportId });
  }
  await short(context, onOnly(definition, name), statements);
  return (await readIndex(sessions.control(), definition.schema, name))!;
}

function onOnly(definition: IndexDefinition, name: string): string {
  return `CREATE ${definition.isUnique ? 'UNIQUE ' : ''}INDEX ${quoteIdent(name)} ON ONLY ${definitionSql(definition)}`;
}

async function buildLeaf(
  context: ApplyContext,
  definition: IndexDefinition,
  signature: string,
  statements: string[],
): Promise<StepResult> {
  const name = indexName(definition);
  const { schema } = definition;
  return tryChange(context, {
    label: name,
    statements,
    async once() {
      const table = await readTable(context.sessions.control(), schema, definition.table);
      if (!table) throw new Refused('the partition is gone');
      return createPlain(context, { definition, name, sizeBytes: null }, { table, signature }, statements);
    },
    async clearUp(quick) {
      const found = await readIndex(context.sessions.control(), schema, name);
      if (found?.isBroken) await dropBroken(context, found, statements, quick);
      return undefined;
    },
  });
}

async function attach(
  context: ApplyContext,
  parent: Pick<IndexFacts, 'schema' | 'name'>,
  child: Pick<IndexFacts, 'schema' | 'name'>,
  statements: string[],
): Promise<void> {
  const sql = `ALTER INDEX ${quoteQualified(parent.schema, parent.name)} ATTACH PARTITION ${quoteQualified(child.schema, child.name)}`;
  await short(context, sql, statements);
}

/** What keeps others waiting while it waits itself: seconds, and again. @throws what pg throws */
async function short(context: ApplyContext, sql: string, statements: string[]): Promise<void> {
  const client = context.sessions.work();
  await client.query('begin');
  try {
    await client.query(`set local lock_timeout = '${Math.round(context.options.shortLockTimeoutSeconds * 1000)}ms'`);
    await client.query(single(sql));
    await client.query('commit');
    statements.push(sql);
  } catch (thrown) {
    await client.query('rollback').catch(() => {});
    throw thrown;
  }
}

async function attachedTo(context: ApplyContext, tableOid: string, parent: IndexFacts): Promise<boolean> {
  const { rows } = await context.sessions.control().query(
    `select from pg_catalog.pg_inherits h join pg_catalog.pg_index i on i.indexrelid = h.inhrelid
      where h.inhparent = $1::oid and i.indrelid = $2::oid and i.indisvalid`,
    [parent.oid, tableOid],
  );
  return rows.length > 0;
}

async function leafNames(context: ApplyContext, index: IndexFacts): Promise<string[]> {
  const { rows } = await context.sessions.control().query<{ name: string }>(
    `select c.relname as name from pg_catalog.pg_partition_tree($1::oid) t join pg_catalog.pg_class c on c.oid = t.relid
      where t.isleaf`,
    [index.oid],
  );
  return rows.map(row => row.name);
}

async function sizeOf(context: ApplyContext, index: IndexFacts): Promise<number> {
  const { rows } = await context.sessions.control().query<{ bytes: number }>(
    `select coalesce(sum(pg_catalog.pg_relation_size(relid)), 0)::float8 as bytes
       from pg_catalog.pg_partition_tree($1::oid) where isleaf`,
    [index.oid],
  );
  return rows[0]!.bytes;
}
