import type pg from 'pg';
import { sourceDatabase } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { connect, type PostgresTarget, pgError } from '../../postgres/index.ts';
import type { Check, Operation } from '../../reports/index.ts';
import { assertSupported } from '../session/index.ts';
import { type AnalyzeOutcome, analyzeTable } from './analyze.ts';
import { autovacuumAdvice } from './autovacuum.ts';
import { readServer, readTables } from './facts.ts';
import { type MaintainData, maintainDataSchema } from './outcome.ts';
import { staleTables } from './stale.ts';
import { lines, summary } from './text.ts';
import { tuningAdvice } from './tuning.ts';

export interface MaintainInput {
  dryRun: boolean;
}

/** ANALYZE where statistics are stale; advice on autovacuum and on the machine, which is never applied by itself. */
export const maintainOperation: Operation<MaintainInput, MaintainData> = {
  kind: 'database.maintain',
  dataSchema: maintainDataSchema,
  async execute({ dryRun }, context) {
    const { signal, config } = context;
    const target = sourceDatabase(context);
    const { lockTimeout, statementTimeout } = config.database.maintain;
    const client = await connect(target, {
      applicationName: 'production-ops maintain',
      signal,
      statementTimeoutMs: Math.ceil(statementTimeout * 1000),
      settings: { search_path: '', lock_timeout: `${Math.ceil(lockTimeout * 1000)}ms`, client_min_messages: 'warning' },
    });
    try {
      const data = await maintain(client, context, target, dryRun);
      return { data, checks: checksOf(data), isDryRun: dryRun };
    } catch (thrown) {
      throw pgError(thrown, target);
    } finally {
      await client.end().catch(() => {});
    }
  },
  lines,
  summary,
};

async function maintain(
  client: pg.Client,
  { config, signal, progress }: OpsContext,
  target: PostgresTarget,
  isDryRun: boolean,
): Promise<MaintainData> {
  const { maintain: limits, machine, ignoreSchemas } = config.database;
  await assertPrimary(client, target);
  const tables = await readTables(client, ignoreSchemas);
  const server = await readServer(client);
  const stale = staleTables(tables, limits);
  const chosen = stale.slice(0, limits.maxTables);
  const analyzed: AnalyzeOutcome[] = [];
  const task = progress.start('ANALYZE', chosen.length);
  for (const each of chosen) {
    signal.throwIfAborted();
    if (isDryRun) {
      const table = `${each.schema}.${each.name}`;
      analyzed.push({ table, status: 'planned', message: each.reason, seconds: 0 });
    } else {
      analyzed.push(await analyzeTable(client, each));
    }
    task.advance(1);
  }
  task.done();
  const notJudged = [
    ...(server.statisticsDays < 1 ? ['autovacuum of single tables: the statistics are younger than a day'] : []),
    ...(machine.memoryBytes === undefined ? ['memory: set database.machine.memoryBytes'] : []),
    ...(machine.cores === undefined ? ['parallel work: set database.machine.cores'] : []),
    ...(machine.storage === undefined ? ['cost of random reads: set database.machine.storage'] : []),
  ];
  return {
    isDryRun,
    database: target.database,
    analyzed,
    leftTables: stale.length - chosen.length,
    autovacuum: autovacuumAdvice(tables, server),
    tuning: tuningAdvice(server, machine),
    notJudged,
  };
}

async function assertPrimary(client: pg.Client, target: PostgresTarget): Promise<void> {
  const { rows } = await client.query<{ version: number; recovering: boolean }>(
    `select current_setting('server_version_num')::int as version, pg_catalog.pg_is_in_recovery() as recovering`,
  );
  assertSupported(rows[0]!.version, target);
  if (!rows[0]!.recovering) return;
  throw new OpsError('MAINTAIN_READ_ONLY', `${target.display} is a replica`, {
    hint: 'Set DATABASE_URL to the primary: its replicas take the statistics over.',
    exit: 'usage',
  });
}

function checksOf({ analyzed, autovacuum, database }: MaintainData): Check[] {
  const failed = analyzed.filter(each => each.status === 'failed');
  const off = autovacuum.filter(each => each.isSwitchedOff);
  const check = (id: string, list: readonly string[], well: string): Check => ({
    id,
    target: database,
    status: list.length > 0 ? 'warning' : 'ok',
    value: list.length,
    threshold: 0,
    unit: 'tables',
    message: list.length > 0 ? list.join('; ') : well,
  });
  return [
    check(
      'database.maintain.statistics',
      failed.map(({ table, message }) => `${table}: ANALYZE failed, ${message}`),
      'No table has stale statistics that could not be brought up to date',
    ),
    check(
      'database.maintain.autovacuum',
      off.map(({ table, reason, statement }) => `${table}: ${reason}. ${statement}`),
      'Autovacuum is switched off for no table',
    ),
  ];
}
