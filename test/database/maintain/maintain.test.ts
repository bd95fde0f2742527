import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { autovacuumAdvice } from '../../../actions/lib/database/maintain/autovacuum.ts';
import type { ServerFacts, TableFacts } from '../../../actions/lib/database/maintain/facts.ts';
import { maintainOperation } from '../../../actions/lib/database/maintain/operation.ts';
import { staleTables } from '../../../actions/lib/database/maintain/stale.ts';
import { tuningAdvice } from '../../../actions/lib/database/maintain/tuning.ts';
import { type PostgresTarget, parsePostgresUrl, quoteLiteral } from '../../../actions/lib/postgres/index.ts';
import { type ConfigInput, openWorld, type World } from '../../backup/harness.ts';

let world: World;
let count = 0;
beforeAll(async () => {
  world = await openWorld({ settings: { autovacuum: false } });
});
afterAll(() => world?.close());

const database = (sql: string) => world.database(`maintain_${++count}`, sql);
const filled = 'create table t (n int); insert into t select generate_series(1, 5000);';

async function maintain(target: PostgresTarget, database: ConfigInput['database'] = {}, dryRun = false) {
  const context = await world.context({ env: { DATABASE_URL: target.url }, config: { database } });
  return maintainOperation.execute({ dryRun }, context);
}

describe('ANALYZE on a real server', () => {
  test('where a table was never analysed, or its rows changed; nowhere else, and not in a dry run', async () => {
    const target = await database(`${filled} create table fresh as select generate_series(1, 5000) as n; analyze fresh;
      create table few (n int); analyze few; insert into few values (1);
      create table whole (n int) partition by range (n); create table whole_1 partition of whole for values from (0) to (9);`);
    // By itself: rows of the same transaction are counted as changed after it.
    await world.query(target, 'analyze fresh');
    const planned = await maintain(target, {}, true);
    expect(planned.isDryRun).toBe(true);
    expect(planned.data.analyzed.map(each => [each.table, each.status])).toEqual(
      expect.arrayContaining([
        ['public.t', 'planned'],
        ['public.whole', 'planned'],
      ]),
    );
    expect(await world.query(target, "select reltuples::int as n from pg_class where relname = 't'")).toEqual([
      { n: -1 },
    ]);
    const { data, checks } = await maintain(target);
    expect(data.analyzed.map(each => [each.table, each.status]).sort()).toEqual([
      ['public.t', 'done'],
      ['public.whole', 'done'],
    ]);
    expect(checks.map(check => check.status)).toEqual(['ok', 'ok']);
    expect(await world.query(target, "select reltuples::int as n from pg_class where relname = 't'")).toEqual([
      { n: 5000 },
    ]);
    expect((await maintain(target)).data.analyzed).toEqual([]);
  });

  test('a lock that is not given, and a table of somebody else: said, and the others are analysed', async () => {
    const target = await database(`${filled} create table u as select generate_series(1, 5000) as n;`);
    const session = await world.connect(target);
    await session.query('begin');
    await session.query('lock table t in share update exclusive mode');
    const { data, checks } = await maintain(target, { maintain: { lockTimeout: '0.1s' } });
    await session.query('rollback');
    expect(data.analyzed.map(each => [each.table, each.status]).sort()).toEqual([
      ['public.t', 'failed'],
      ['public.u', 'done'],
    ]);
    expect(checks[0]).toMatchObject({ status: 'warning', message: expect.stringContaining('lock timeout') });
    const password = world.server.target.password ?? '';
    await world.query(
      target,
      `create role looker login password ${quoteLiteral(password)}; grant select on t to looker`,
    );
    const looker = parsePostgresUrl(target.url.replace('//postgres:', '//looker:'));
    const refused = await maintain(looker);
    expect(refused.data.analyzed).toEqual([
      expect.objectContaining({
        table: 'public.t',
        status: 'failed',
        // 15 says only the owner can analyze it, later ones that permission is denied.
        message: expect.stringMatching(/only table or database owner|permission denied/),
      }),
    ]);
  });

  test('advice for the machine is what the server takes; a table without autovacuum is a warning', async () => {
    const target = await database('create table t (n int) with (autovacuum_enabled = off);');
    const { data, checks } = await maintain(target, {
      machine: { memoryBytes: 64 * 1024 ** 3, cores: 32, storage: 'ssd' },
    });
    expect(data.tuning.map(each => each.setting)).toEqual(
      expect.arrayContaining(['shared_buffers', 'max_parallel_workers', 'random_page_cost']),
    );
    for (const { statement } of [...data.tuning, ...data.autovacuum]) await world.query(target, statement);
    expect(checks[1]).toMatchObject({ id: 'database.maintain.autovacuum', status: 'warning' });
    expect((await maintain(target)).checks[1]).toMatchObject({ status: 'ok' });
  });
});

const table = (change: Partial<TableFacts> = {}): TableFacts => ({
  schema: 'public',
  name: 't',
  isPartitioned: false,
  rows: 1_000_000,
  liveRows: 1_000_000,
  heapBytes: 50_000_000,
  changedSinceAnalyze: 0,
  isAnalyzed: true,
  deadRowsMade: 0,
  options: {},
  ...change,
});

test.each([
  [{}, false],
  [{ changedSinceAnalyze: 99_999 }, false],
  [{ changedSinceAnalyze: 100_000 }, true],
  [{ rows: 10, liveRows: 10, changedSinceAnalyze: 999 }, false],
  [{ rows: 10, liveRows: 10, changedSinceAnalyze: 1000 }, true],
  [{ rows: -1, isAnalyzed: false }, true],
  [{ rows: -1, liveRows: 0, isAnalyzed: false }, true],
  [{ rows: 0, liveRows: 0, isAnalyzed: false }, true],
  [{ rows: -1, liveRows: 0, heapBytes: 0, isAnalyzed: false }, false],
  [{ rows: -1, liveRows: 0, isAnalyzed: false, isPartitioned: true }, true],
])('%j is stale: %s', (change, isStale) => {
  expect(staleTables([table(change)], { staleRatio: 0.1, staleRows: 1000 }).length).toBe(isStale ? 1 : 0);
});

const server: ServerFacts = {
  majorVersion: 17,
  statisticsDays: 10,
  settings: {
    autovacuum_vacuum_threshold: { value: '50', unit: null, context: 'sighup' },
    autovacuum_vacuum_scale_factor: { value: '0.2', unit: null, context: 'sighup' },
    shared_buffers: { value: '16384', unit: '8kB', context: 'postmaster' },
    max_connections: { value: '100', unit: null, context: 'postmaster' },
    work_mem: { value: '4096', unit: 'kB', context: 'user' },
  },
};

test.each([
  // 20,000 rows a day, vacuumed every ten days: once a day.
  [{ deadRowsMade: 200_000 }, 'autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.01'],
  [{ deadRowsMade: 50_000 }, 'autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.005'],
  [{ deadRowsMade: 1_500_000 }, undefined],
  [{ deadRowsMade: 5000 }, undefined],
  [{ deadRowsMade: 200_000, options: { autovacuum_vacuum_scale_factor: '0.02' } }, undefined],
  [{ rows: 50_000, liveRows: 50_000, deadRowsMade: 200_000 }, undefined],
])('autovacuum of %j: %s', (change, settings) => {
  const advice = autovacuumAdvice([table(change)], server);
  expect(advice[0]?.statement).toBe(settings && `ALTER TABLE "public"."t" SET (${settings});`);
});

test('from 18 on the threshold has an end, and young statistics say nothing', () => {
  const busy = table({ rows: 1e9, liveRows: 1e9, deadRowsMade: 1e8 });
  const settings = {
    ...server.settings,
    autovacuum_vacuum_max_threshold: { value: '1000000', unit: null, context: 'sighup' },
  };
  expect(autovacuumAdvice([busy], server)).toHaveLength(1);
  expect(autovacuumAdvice([busy], { ...server, settings })).toEqual([]);
  expect(autovacuumAdvice([busy], { ...server, statisticsDays: 0.5 })).toEqual([]);
});

test('what fits the machine within a factor of two is left alone', () => {
  const statements = (memoryBytes: number) => tuningAdvice(server, { memoryBytes }).map(each => each.statement);
  expect(statements(8 * 1024 ** 3)).toEqual([
    "ALTER SYSTEM SET shared_buffers = '2048MB';",
    "ALTER SYSTEM SET work_mem = '20MB';",
  ]);
  expect(statements(512 * 1024 ** 2)).toEqual([]);
  expect(tuningAdvice(server, {})).toEqual([]);
});
