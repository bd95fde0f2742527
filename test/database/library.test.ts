import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  analyzeQueryPerformance,
  cleanDatabase,
  getConnectionPoolStatus,
  maintainDatabase,
  OpsError,
  optimizeDatabase,
} from 'production-ops';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { OfferedChange } from '../../actions/lib/database/apply/index.ts';
import type { PostgresTarget } from '../../actions/lib/postgres/index.ts';
import { failureOf } from '../backup/harness.ts';
import { adviceOf, adviceReport } from './advice-issue/fixture.ts';
import { ApplyStage, column, create, orders } from './apply/stage.ts';

const byCustomer = create(column('orders', 'customer_id'));

let stage: ApplyStage;
let folder: string;
let shop: PostgresTarget;
const env = (more: Record<string, string> = {}) => ({ env: { DATABASE_URL: shop.url, ...more }, cwd: folder });

beforeAll(async () => {
  stage = await ApplyStage.open({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
  folder = await mkdtemp(join(tmpdir(), 'ops-library-'));
  shop = await stage.database(`create extension pg_stat_statements; ${orders}`);
  for (let n = 0; n < 3; n++) await stage.query(shop, 'select total from orders where customer_id = $1', [n]);
});
afterEach(async () => {
  // A library keeps no report, and announces nothing.
  expect((await readdir(folder)).filter(name => name !== 'advice.json' && name !== 'ops.yml')).toEqual([]);
});
afterAll(async () => {
  await stage?.close();
  await rm(folder, { recursive: true, force: true });
});

async function adviceFile(changes: OfferedChange[]): Promise<string> {
  const report = adviceReport(adviceOf(changes, { database: shop.database }));
  await writeFile(join(folder, 'advice.json'), JSON.stringify(report));
  return 'advice.json';
}

describe('as a library', () => {
  test('analyzeQueryPerformance() returns what statements cost, their plans, and the health of the database', async () => {
    const data = await analyzeQueryPerformance(env());
    expect(data).toMatchObject({ database: shop.database, isReplica: false, window: { kind: 'first' } });
    const asked = data.statements.find(({ text }) => text === 'select total from orders where customer_id = $1');
    expect(asked).toMatchObject({ calls: 3, planProblem: null });
    expect(asked!.cost).toBeGreaterThan(0);
    expect(asked!.findings.map(({ kind }) => kind)).toContain('sequential scan');
    expect(data.health.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['database.indexes.invalid', 'database.settings']),
    );
  });

  test('getConnectionPoolStatus() returns who is connected', async () => {
    const held = await stage.session(shop);
    const status = await getConnectionPoolStatus(env());
    expect(status.byApplication).toContainEqual({ name: 'the shop', connections: 1 });
    expect(status.usedRatio).toBeCloseTo(status.used / (status.max - status.reserved), 5);
    await held.end();
  });

  test('optimizeDatabase() applies what was chosen; what cannot be done is an outcome, and no exception', async () => {
    const impossible = create(column('orders', 'gone'));
    const report = await adviceFile([byCustomer, impossible]);
    const data = await optimizeDatabase({ report, ids: [byCustomer.id, impossible.id] }, env());
    expect(data.changes.map(({ status }) => status)).toEqual(['done', 'refused']);
    expect(data.changes[0]!.rollback).toEqual([expect.stringMatching(/^DROP INDEX CONCURRENTLY/)]);
    expect(await stage.index(shop, data.changes[0]!.index)).toMatchObject({ valid: true });
    const again = await optimizeDatabase({ report, ids: [byCustomer.id], dryRun: true }, env());
    expect(again.changes).toMatchObject([{ status: 'nothing to do' }]);
  });

  test('maintainDatabase() and cleanDatabase() say what they would do', async () => {
    await stage.query(
      shop,
      'create table visits (at timestamptz); insert into visits values (now()), (now() - interval $$9 d$$)',
    );
    await writeFile(
      join(folder, 'ops.yml'),
      'database: { cleanup: { rules: [{ table: visits, column: at, olderThan: 7d, archive: false }] } }',
    );
    const { rules } = await cleanDatabase({ dryRun: true }, { ...env(), configFile: 'ops.yml' });
    expect(rules).toMatchObject([{ status: 'planned', planned: { deletable: 1 } }]);
    const { analyzed } = await maintainDatabase({ dryRun: true }, env());
    expect(analyzed).toContainEqual(expect.objectContaining({ table: 'public.visits', status: 'planned' }));
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['without DATABASE_URL', () => analyzeQueryPerformance({ env: {}, cwd: folder }), 'CONFIG_MISSING_VALUE'],
    ['without a choice', () => optimizeDatabase({}, env()), 'USAGE'],
    ['with a wrong password', () => getConnectionPoolStatus(env({ DATABASE_URL: wrong() })), 'PG_AUTH'],
    ['of a server that is not there', () => analyzeQueryPerformance(env({ DATABASE_URL: nowhere })), 'PG_UNREACHABLE'],
    ['that was aborted', () => analyzeQueryPerformance({ ...env(), signal: AbortSignal.abort() }), 'CANCELLED'],
  ])('%s throws an OpsError with a code and a hint, and shows no password', async (_title, call, code) => {
    const error = await failureOf(call());
    expect(error).toBeInstanceOf(OpsError);
    expect(error).toMatchObject({ code });
    expect(`${error.message} ${error.hint}`).not.toContain('5ecret');
  });
});

const nowhere = 'postgres://shop:5ecret@127.0.0.1:9/shop';
const wrong = () => shop.url.replace(/\/\/([^:@]+)(:[^@]*)?@/, '//$1:5ecret@');
