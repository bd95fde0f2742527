import type { SecretValues } from '../../config/index.ts';
import { quoteQualified } from '../../postgres/index.ts';
import { createIndexSql, type IndexDefinition } from '../indexes/index.ts';
import {
  type IndexFacts,
  isInWork,
  kindOfName,
  readIndex,
  readIndexes,
  readTable,
  relationsInWork,
  signatureOf,
  type TableFacts,
} from './catalog.ts';
import { type RunContext, runConcurrently } from './concurrent.ts';
import type { Ledger } from './ledger.ts';
import { Deferred, Refused, type StepResult } from './outcome.ts';
import { expectedBytes, planCreate, refuseSize, refuseTable, refuseVersion } from './plan.ts';
import { waitForRoom } from './room.ts';

export interface ApplyContext extends RunContext {
  ledger: Ledger;
  reportId: string;
  /** Replicas are asked whether they read what is to be dropped. */
  secrets: Pick<SecretValues, 'databaseReplicaUrls'>;
  /** Everything is looked at, nothing is begun, and the outcome is `planned`. */
  isDryRun: boolean;
  /** Guards that could not be kept, with the reason; filled on the way. */
  notGuarded: Set<string>;
}

export interface CreateOrder {
  definition: IndexDefinition;
  name: string;
  sizeBytes: number | null;
  /** SQL that must have run before: told to the person when the server misses something. */
  prerequisites?: readonly string[] | undefined;
}

export interface Prepared {
  table: TableFacts;
  signature: string;
}

/** @throws Refused */
export async function prepare(
  context: ApplyContext,
  { definition, sizeBytes, prerequisites = [] }: CreateOrder,
): Promise<Prepared> {
  const { sessions, options } = context;
  const client = sessions.control();
  const table = await readTable(client, definition.schema, definition.table);
  const because =
    refuseVersion(sessions.versionNum) ??
    refuseTable(table, definition.schema, definition.table, sessions.target.user) ??
    refuseSize(expectedBytes(sizeBytes, table!), options.maxIndexBytes);
  if (because) throw new Refused(because);
  try {
    return { table: table!, signature: await signatureOf(client, definition) };
  } catch (thrown) {
    const { code = '', message } = thrown as { code?: string; message: string };
    // The server's own judgement of the definition: names, types, operator classes, what is not immutable, rights.
    if (/^(42|0A|22|21|2B|54)/.test(code)) {
      const before = code === '42704' && prerequisites.length > 0 ? `; run first: ${prerequisites.join('; ')}` : '';
      throw new Refused(`the server does not take the definition: ${message}${before}`);
    }
    throw thrown;
  }
}

/** One table, no partitions. @throws Refused, Deferred, what pg throws */
export async function createPlain(
  context: ApplyContext,
  order: CreateOrder,
  { table, signature }: Prepared,
  statements: string[],
): Promise<StepResult> {
  const { sessions, ledger, log } = context;
  const { definition, name } = order;
  const client = sessions.control();
  const indexes = await readIndexes(client, table.oid);
  const inWork = await relationsInWork(client, [sessions.workPid()]);
  const plan = planCreate({
    name,
    signature,
    table,
    indexes,
    nameIsTakenBy: await kindOfName(client, definition.schema, name),
    isInWork: indexes.some(index => index.name === name && isInWork(index, inWork)),
  });
  const room = () =>
    waitForRoom(
      context,
      {
        tableOid: table.oid,
        tableName: `${table.schema}.${table.name}`,
        neededBytes: expectedBytes(order.sizeBytes, table),
        counts: () => true,
      },
      context.notGuarded,
    );
  switch (plan.kind) {
    case 'refuse':
      throw new Refused(plan.because);
    case 'defer':
      throw new Deferred(plan.because);
    case 'nothing':
      await endRecord(ledger, definition.schema, name);
      return {
        status: 'nothing to do',
        message: plan.because,
        statements,
        attempts: 0,
        sizeBytes: plan.existing.bytes,
        plannerNames: [plan.existing.name],
      };
    case 'drop leftover and build':
      if (context.isDryRun)
        return planned([dropSql(plan.leftover), createIndexSql(definition, name, { concurrently: true })]);
      // The drop waits for the same as the build does.
      await room();
      log.warn(`${name}: an earlier build was cut off; what it left is dropped and built again`);
      await dropBroken(context, plan.leftover, statements, false);
      break;
    case 'build':
  }
  if (context.isDryRun) return planned([createIndexSql(definition, name, { concurrently: true })]);
  await room();
  if (ledger.isKept) {
    await ledger.begin({
      schema: definition.schema,
      name,
      table: definition.table,
      operation: 'create',
      reportId: context.reportId,
    });
  }
  const sql = createIndexSql(definition, name, { concurrently: true });
  statements.push(sql);
  await runConcurrently(context, sql, `building ${name}`);
  const made = await readIndex(sessions.control(), definition.schema, name);
  if (!made || made.isBroken || made.signature !== signature) {
    throw new Error(
      `${name} was built, and ${!made ? 'is gone' : made.isBroken ? 'is not valid' : `is another one: ${made.definition}`}`,
    );
  }
  await analyzeExpressions(context, definition, statements);
  await endRecord(ledger, definition.schema, name);
  return {
    status: 'done',
    message: 'built, and valid',
    statements,
    attempts: 1,
    sizeBytes: made.bytes,
    plannerNames: [name],
    rollback: [`DROP INDEX CONCURRENTLY ${quoteQualified(definition.schema, name)};`],
  };
}

/** The planner knows nothing of the values of an expression until the next ANALYZE. */
async function analyzeExpressions(
  context: ApplyContext,
  definition: IndexDefinition,
  statements: string[],
): Promise<void> {
  if (definition.keys.every(key => key.kind === 'column')) return;
  const client = context.sessions.work();
  const sql = `ANALYZE ${quoteQualified(definition.schema, definition.table)}`;
  try {
    await client.query('begin');
    await client.query("set local lock_timeout = '5s'");
    await client.query("set local statement_timeout = '120s'");
    await client.query(sql);
    await client.query('commit');
    statements.push(sql);
  } catch (thrown) {
    await client.query('rollback').catch(() => {});
    context.log.warn(
      `${definition.table}: not analysed (${(thrown as Error).message}); the planner learns of the expression at the next autovacuum`,
    );
  }
}

/** Drops an index that is of no use to anybody. @throws what pg throws */
export async function dropBroken(
  context: ApplyContext,
  index: Pick<IndexFacts, 'schema' | 'name'>,
  statements: string[],
  quick: boolean,
): Promise<void> {
  const sql = dropSql(index);
  statements.push(sql);
  // Also when the run is being ended: then there are seconds left until it is killed.
  const unhurried = { ...context, signal: new AbortController().signal };
  const options = {
    ...context.options,
    buildTimeoutSeconds: quick ? quickSeconds : context.options.buildTimeoutSeconds,
  };
  await runConcurrently({ ...unhurried, options }, sql, `dropping what is left of ${index.name}`);
  await endRecord(context.ledger, index.schema, index.name);
}

/** A cancelled run in Actions has 7.5 seconds until SIGTERM and 10 until SIGKILL. */
const quickSeconds = 6;

export function dropSql(index: Pick<IndexFacts, 'schema' | 'name'>): string {
  return `DROP INDEX CONCURRENTLY IF EXISTS ${quoteQualified(index.schema, index.name)}`;
}

export function planned(statements: string[]): StepResult {
  return { status: 'planned', message: 'nothing stands in the way', statements, attempts: 0, sizeBytes: null };
}

export async function endRecord(ledger: Ledger, schema: string, name: string): Promise<void> {
  if (ledger.isKept) await ledger.end(schema, name);
}
