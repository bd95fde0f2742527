import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { analyzeQueryPerformance } from '../../../actions/lib/database/index.ts';
import { formatCount } from '../../../actions/lib/log/index.ts';
import {
  connect,
  quoteLiteral,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import type { Result } from '../results.ts';
import { say } from './stage.ts';

/**
 * The analysis of a database with so many tables, each with two indexes, and as many statements: its time, the processor
 * time that the server spends on it, and its locks. All tables are locked meanwhile in the mode that lets through nothing
 * but ACCESS SHARE, and whatever waits for longer than a moment is written into the server's log.
 */
export async function benchAnalyze(tables: number): Promise<Result[]> {
  await using server = await startThrowawayServer({
    purpose: 'the benchmark of the analysis',
    tcp: true,
    sharedBuffersMb: 512,
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      'pg_stat_statements.max': Math.max(10_000, tables * 2),
      max_locks_per_transaction: 512,
      autovacuum: false,
      jit: false,
    },
  });
  const folder = await mkdtemp(join(tmpdir(), 'ops-bench-analyze-'));
  const target = withDatabase(server.target, 'large');
  const admin = await connect(server.target);
  await admin.query('CREATE DATABASE large');
  await admin.end();
  const locker = await connect(target, { applicationName: 'bench' });
  try {
    await createTables(locker, tables);
    await executeStatements(locker, tables);
    const watcher = await connect(target, { applicationName: 'bench' });
    await lockAll(locker);
    const watch = watchLocks(watcher);
    const before = await serverTicks(server);
    const startedAt = performance.now();
    const data = await analyzeQueryPerformance({ env: { DATABASE_URL: target.url }, cwd: folder });
    const seconds = (performance.now() - startedAt) / 1000;
    const { modes, watcherTicks } = await watch.stop();
    const processor = ((await serverTicks(server)) - before - watcherTicks) / ticksPerSecond;
    await locker.query('ROLLBACK');
    await watcher.end();
    say(`analysed ${formatCount(data.statementCount)} statements; locks seen: ${[...modes].join(', ')}`);
    const failed = data.health.filter(check => check.status === 'unknown');
    const what = `${formatCount(tables)} tables, ${formatCount(data.statementCount)} statements`;
    return [
      { name: 'analyze', value: seconds, target: 30, unit: 's', detail: what },
      { name: 'processor time of the server', value: processor, target: 5, unit: 's', detail: what },
      {
        name: 'locks above ACCESS SHARE',
        value: [...modes].filter(mode => mode !== 'AccessShareLock').length,
        target: 0,
        unit: '',
        detail: [...modes].join(', '),
      },
      {
        // What takes a stronger lock waits for it, and is given up.
        name: 'checks that could not be made',
        value: failed.length,
        target: 0,
        unit: '',
        detail: failed.map(check => check.id).join(', '),
      },
    ];
  } finally {
    await locker.end().catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of a commit each: a table takes some ten locks while it is made. */
const tablesPerStep = 100;

async function createTables(client: pg.Client, tables: number): Promise<void> {
  for (let first = 0; first < tables; first += tablesPerStep) {
    const names = Array.from({ length: Math.min(tablesPerStep, tables - first) }, (_, n) => tableName(first + n));
    await client.query(`
      DO $$ DECLARE name text; BEGIN
        FOREACH name IN ARRAY ARRAY[${names.map(quoteLiteral).join(',')}] LOOP
          EXECUTE format('CREATE TABLE %I (id bigint PRIMARY KEY, customer_id bigint, status text, at timestamptz)', name);
          EXECUTE format('INSERT INTO %I SELECT i, i %% 7, ''s'' || i %% 3, now() FROM generate_series(1, 40) i', name);
          EXECUTE format('CREATE INDEX ON %I (customer_id, at)', name);
        END LOOP;
      END $$`);
  }
  await client.query('VACUUM ANALYZE');
}

/** Letters: statements on tables whose names differ in digits alone are one to the parser, as those on partitions are. */
function tableName(n: number): string {
  return `shop_${[...n.toString().padStart(5, '0')].map(digit => 'abcdefghij'[Number(digit)]).join('')}`;
}

/** Each is one of its own: another table, and for every second table another shape. */
async function executeStatements(client: pg.Client, statements: number): Promise<void> {
  await client.query('CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset()');
  for (let n = 0; n < statements; n++) {
    const shape = [`customer_id = ${n % 7} ORDER BY at DESC LIMIT 5`, `status = 's1' AND id > ${n % 40}`][n % 2];
    await client.query(`SELECT * FROM ${tableName(n)} WHERE ${shape}`);
  }
}

async function lockAll(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
  );
  await client.query(`BEGIN; LOCK TABLE ${rows.map(row => row.name).join(', ')} IN EXCLUSIVE MODE`);
}

/** Modes of all locks on relations that others in this database hold or wait for, looked at all the time. */
function watchLocks(client: pg.Client) {
  const modes = new Set<string>();
  let isOn = true;
  const looking = (async () => {
    while (isOn) {
      const { rows } = await client.query<{ mode: string }>(`
        SELECT DISTINCT l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'relation' AND a.application_name LIKE 'production-ops%'`);
      for (const { mode } of rows) modes.add(mode);
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  })();
  return {
    async stop() {
      isOn = false;
      await looking;
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      return { modes, watcherTicks: (await ticksOf(rows[0]!.pid)).own };
    },
  };
}

/** Linux counts the time of processes in hundredths of a second (USER_HZ), on every machine. */
const ticksPerSecond = 100;

/** Of the server and all its processes, those that have ended included. */
async function serverTicks({ dataDir }: ThrowawayServer): Promise<number> {
  const postmaster = Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  const { own, ended } = await ticksOf(postmaster);
  let ticks = own + ended;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const process = await ticksOf(Number(name)).catch(() => undefined);
    if (process?.parent === postmaster) ticks += process.own;
  }
  return ticks;
}

/** `/proc/<pid>/stat`, see proc(5): fields 4, 14 to 17. The name before them may hold spaces and parentheses. */
async function ticksOf(pid: number): Promise<{ parent: number; own: number; ended: number }> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const field = (number: number) => fields[number - 3] ?? 0;
  return { parent: field(4), own: field(14) + field(15), ended: field(16) + field(17) };
}
