import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { analyzeOperation } from '../../actions/lib/database/index.ts';
import { indexName } from '../../actions/lib/database/indexes/index.ts';
import { maintainOperation } from '../../actions/lib/database/maintain/operation.ts';
import { type PostgresTarget, quoteLiteral } from '../../actions/lib/postgres/index.ts';
import { openWorld, type World } from '../backup/harness.ts';
import { type Standby, startStandby } from '../services/standby.ts';
import { ApplyStage, column, create, drop, orders, refusal } from './apply/stage.ts';
import { clean, events, old } from './cleanup/stage.ts';

let world: World;
let stage: ApplyStage;
let standby: Standby;
let target: PostgresTarget;

beforeAll(async () => {
  const settings = { wal_level: 'replica', max_wal_senders: 4, max_replication_slots: 4, autovacuum: false };
  world = await openWorld({ tcp: true, settings });
  stage = new ApplyStage(world.server);
  target = await stage.database(`${orders} ${events()}`);
  standby = await startStandby(world.server);
}, 120_000);
afterAll(async () => {
  await standby?.[Symbol.asyncDispose]();
  await stage?.close();
  await world?.close();
});

const byCustomer = column('orders', 'customer_id');

/** Until the primary knows that the standby is behind: it is told each second. */
async function fallBehind(): Promise<void> {
  await standby.pause();
  await stage.query(
    target,
    'create table if not exists written (n int); insert into written select generate_series(1, 1000)',
  );
  await vi.waitFor(
    async () => {
      const rows = await stage.query<{ lag: number | null }>(
        target,
        'select extract(epoch from replay_lag)::float8 as lag from pg_stat_replication where replay_lsn < sent_lsn',
      );
      expect(rows[0]?.lag ?? 0).toBeGreaterThan(0.5);
    },
    { timeout: 60_000, interval: 100 },
  );
}

/** Until nothing is left to replay, and the primary knows. */
async function catchUp(): Promise<void> {
  await standby.resume();
  await vi.waitFor(
    async () => {
      const rows = await stage.query(target, 'select from pg_stat_replication where replay_lsn = pg_current_wal_lsn()');
      expect(rows).toHaveLength(1);
    },
    { timeout: 60_000, interval: 100 },
  );
}

test('a replica is refused in one line by all that writes, and looked at by what reads', async () => {
  const replica = standby.target(target.database);
  expect(await refusal(stage.apply(replica, [create(byCustomer)]))).toMatchObject({
    code: 'APPLY_READ_ONLY',
    message: expect.stringMatching(/is a replica, and indexes are built on the primary$/),
    hint: expect.stringContaining('Set DATABASE_URL to the primary'),
  });
  expect(await refusal(clean(world, replica, [old]))).toMatchObject({ code: 'CLEANUP_READ_ONLY', exitCode: 2 });
  const context = await world.context({ env: { DATABASE_URL: replica.url } });
  expect(await refusal(maintainOperation.execute({ dryRun: false }, context))).toMatchObject({
    code: 'MAINTAIN_READ_ONLY',
    exitCode: 2,
  });
  const { data } = await analyzeOperation.execute({}, context);
  expect(data.isReplica).toBe(true);
  const unknown = data.health.filter(check => check.status === 'unknown');
  expect(unknown.map(check => `${check.id}: ${check.note}`)).toEqual([]);
  expect(data.health.find(check => check.id === 'database.indexes.unused')?.note).toMatch(/look from the primary/);
});

test('a build waits while a replica is behind, is put off when that lasts, and goes on when it has caught up', async () => {
  await fallBehind();
  const options = { replicaLagSeconds: 0.4 };
  const { outcomes } = await stage.apply(target, [create(byCustomer)], { options });
  expect(outcomes[0]).toMatchObject({
    status: 'deferred',
    message: expect.stringMatching(/^put off: the replica \S+ is .* behind, more than/),
    statements: [],
  });
  const lines: string[] = [];
  let resumed: Promise<void> | undefined;
  const patient = await stage.apply(target, [create(byCustomer)], {
    options: { ...options, patienceSeconds: 60 },
    onLine(line) {
      lines.push(line);
      if (line.includes('behind')) resumed ??= standby.resume();
    },
  });
  await resumed;
  expect(lines).toContainEqual(expect.stringMatching(/waiting, because the replica \S+ is .* behind/));
  expect(patient.outcomes[0]).toMatchObject({ status: 'done' });
  await catchUp();
});

test('a build that a replica falls behind of is stopped, and leaves nothing', async () => {
  const byStatus = column('orders', 'status');
  const writer = await stage.session(target);
  await writer.query('begin');
  await writer.query('update orders set total = 0 where id = 1');
  await fallBehind();
  // The build waits for the writer, so that it is still there when its lag is looked at.
  const running = stage.apply(target, [create(byStatus)], {
    options: { replicaLagSeconds: 1e6, stopReplicaLagSeconds: 0.5, oldTransactionSeconds: 1e6 },
  });
  await vi.waitFor(
    async () => {
      const rows = await stage.query(
        target,
        `select from pg_stat_activity where query like 'DROP INDEX CONCURRENTLY%' and state = 'active'`,
      );
      expect(rows).toHaveLength(1);
    },
    { timeout: 60_000, interval: 100 },
  );
  await writer.query('rollback');
  const { outcomes, leftovers } = await running;
  expect(outcomes[0]).toMatchObject({
    status: 'deferred',
    message: expect.stringMatching(/the replica \S+ is .* behind/),
  });
  expect(leftovers).toEqual([]);
  expect(await stage.index(target, indexName(byStatus))).toBe(undefined);
  await catchUp();
});

test('a clean-up pauses while a replica is behind, and goes on when it has caught up', async () => {
  await fallBehind();
  let resumed: Promise<void> | undefined;
  const { data } = await clean(world, target, [old], {
    cleanup: { replicaLag: '0.4s' },
    onLine(line) {
      if (/behind/.test(line)) resumed ??= standby.resume();
    },
  });
  await resumed;
  expect(resumed).toBeDefined();
  expect(data.rules[0]).toMatchObject({ deletedRows: 3000 });
  expect(data.rules[0]!.pausedSeconds).toBeGreaterThan(0);
  await catchUp();
  const rows = await stage.query(standby.target(target.database), 'select count(*)::int as n from events');
  expect(rows).toEqual([{ n: 2000 }]);
});

test('an index that only a replica reads is not dropped; while one does not answer, nothing that was unused is', async () => {
  await stage.query(target, 'create index by_total on orders (total)');
  await catchUp();
  const replica = standby.target(target.database);
  await stage.query(replica, 'set enable_seqscan = off; select from orders where total = 5');
  await vi.waitFor(
    async () => {
      const used = `select from pg_stat_user_indexes where indexrelname = 'by_total' and idx_scan = 1`;
      expect(await stage.query(replica, used)).toHaveLength(1);
    },
    { timeout: 60_000, interval: 100 },
  );
  const unused = drop({ ...(await stage.existing(target, 'by_total')), scans: 0 });
  const { outcomes } = await stage.apply(target, [unused], { replicas: [replica.url] });
  expect(outcomes[0]).toMatchObject({ status: 'refused', message: expect.stringMatching(/^it has been used 1 times/) });
  const gone = replica.url.replace(/:\d+\//, ':1/');
  const unsure = await stage.apply(target, [unused], { replicas: [replica.url, gone] });
  expect(unsure.outcomes[0]).toMatchObject({
    status: 'deferred',
    message: expect.stringMatching(/^put off: A replica was not asked, so no index counts as unused/),
  });
  expect(await stage.index(target, 'by_total')).toMatchObject({ valid: true });
  // The primary alone does not know.
  expect((await stage.apply(target, [unused])).outcomes[0]).toMatchObject({ status: 'done' });
});

test('a slot that nobody reads holds WAL back: said by the analysis, with the statement that drops it', async () => {
  await stage.query(target, `select pg_create_physical_replication_slot(${quoteLiteral('forgotten')}, true)`);
  const context = await world.context({ env: { DATABASE_URL: target.url } });
  const { data } = await analyzeOperation.execute({}, context);
  const findings = data.health.flatMap(check =>
    check.findings.filter(finding => JSON.stringify(finding).includes('forgotten')),
  );
  expect(findings.length).toBeGreaterThan(0);
  expect(JSON.stringify(findings)).toContain('pg_drop_replication_slot');
  const lag = data.health.find(check => check.id === 'database.replication.lag');
  expect(lag).toMatchObject({ status: 'ok' });
});
