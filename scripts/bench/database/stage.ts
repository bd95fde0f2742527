import type pg from 'pg';
import {
  type Catalog,
  CopySession,
  type ParsedStatement,
  parseStatement,
  readCatalog,
  type Values,
  type WorkloadStatement,
} from '../../../actions/lib/database/advisor.ts';
import { formatBytes, formatCount, formatDuration } from '../../../actions/lib/log/index.ts';
import {
  connect,
  type PostgresTarget,
  quoteQualified,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import { createPlatform } from '../../platform/platform.ts';
import { platformStatements } from '../../workload/platform/index.ts';
import type { ApplicationStatement } from '../../workload/statement.ts';
import { createWholesale, wholesaleStatements } from '../../workload/wholesale/index.ts';

/** A statement of the application with what it is measured by. */
export interface StagedStatement {
  name: string;
  statement: ParsedStatement;
  calls: number;
  samples: Values[];
  /** Its time is that without any secondary index. */
  workload: WorkloadStatement;
}

/** An application's database on a server of its own, with keys and constraints and no other index. */
export interface BenchStage extends AsyncDisposable {
  server: ThrowawayServer;
  target: PostgresTarget;
  client: pg.Client;
  session: CopySession;
  statements: StagedStatement[];
}

/** What a server on solid-state disks is set to; without parallel workers and compilation, which two cores cannot repeat. */
export const benchSettings = {
  autovacuum: false,
  random_page_cost: '1.1',
  effective_cache_size: '4GB',
  work_mem: '16MB',
  maintenance_work_mem: '256MB',
  max_parallel_workers_per_gather: 0,
  jit: false,
};

const statementTimeoutMs = 60_000;

export function openPlatformStage(rows: number): Promise<BenchStage> {
  return openStage(platformStatements, async target => {
    const facts = await createPlatform(target, { rows });
    say(
      `platform of ${formatCount(facts.rows)} rows, ${formatBytes(facts.databaseBytes)}, in ${formatDuration(facts.seconds)}`,
    );
  });
}

export function openWholesaleStage(rows: number): Promise<BenchStage> {
  return openStage(wholesaleStatements, async target => {
    const client = await connect(target);
    try {
      await createWholesale(client, { rows });
    } finally {
      await client.end();
    }
    say(`wholesaler of about ${formatCount(rows)} rows`);
  });
}

async function openStage(
  application: readonly ApplicationStatement[],
  create: (target: PostgresTarget) => Promise<void>,
): Promise<BenchStage> {
  const server = await startThrowawayServer({
    purpose: 'the benchmark of the advisor',
    sharedBuffersMb: 1024,
    settings: benchSettings,
  });
  try {
    const admin = await connect(server.target);
    await admin.query('CREATE DATABASE application');
    await admin.end();
    const target = withDatabase(server.target, 'application');
    await create(target);
    const client = await connect(target, { applicationName: 'bench' });
    await dropSecondaryIndexes(client, await readCatalog(client));
    const session = await openSession(target);
    const statements = await stageStatements(client, session, application);
    return {
      server,
      target,
      client,
      session,
      statements,
      async [Symbol.asyncDispose]() {
        await session[Symbol.asyncDispose]();
        await client.end().catch(() => {});
        await server.stop();
      },
    };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}

async function openSession(target: PostgresTarget): Promise<CopySession> {
  return CopySession.open(target, { settings: {}, statementTimeoutMs, signal: new AbortController().signal });
}

/** Keys and what enforces a constraint stay. */
async function dropSecondaryIndexes(client: pg.Client, catalog: Catalog): Promise<void> {
  for (const table of catalog.tables) {
    for (const index of table.indexes) {
      if (index.isUnique || index.isConstraint) continue;
      await client.query(`DROP INDEX ${quoteQualified(index.schema, index.name)}`);
    }
  }
}

/** Values from the data, and the time of each statement as it is now. */
async function stageStatements(
  client: pg.Client,
  session: CopySession,
  statements: readonly ApplicationStatement[],
): Promise<StagedStatement[]> {
  const staged: StagedStatement[] = [];
  for (const { name, sql, calls, values } of statements) {
    const statement = await parseStatement(sql);
    const samples = values === undefined ? [[]] : await valuesFrom(client, values);
    if (samples.length === 0) throw new Error(`'${name}': no values for its parameters`);
    const ms = await meanMs(session, name, statement, samples);
    // One row each, which is what matters of those that write.
    const counted = { calls, totalMs: ms * calls, rows: calls };
    const workload = { fingerprint: statement.fingerprint, text: sql, queryIds: [], ...counted };
    staged.push({ name, statement, calls, samples, workload });
  }
  return staged;
}

/** The second run of each sample: the first one warms the cache. */
async function meanMs(session: CopySession, name: string, statement: ParsedStatement, samples: readonly Values[]) {
  let sum = 0;
  for (const values of samples) {
    await session.run(statement, values);
    const ran = await session.run(statement, values);
    if (ran.kind !== 'ran') throw new Error(`'${name}': ${ran.kind === 'refused' ? ran.why : 'it took too long'}`);
    sum += ran.run.ms;
  }
  return sum / samples.length;
}

async function valuesFrom(client: pg.Client, query: string): Promise<Values[]> {
  const { rows } = await client.query<(string | null)[]>({ text: query, rowMode: 'array' });
  return rows;
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
