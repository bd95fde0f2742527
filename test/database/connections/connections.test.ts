import type pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ConnectionsData, getConnectionPoolStatus } from '../../../actions/lib/database/connections/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { ops, report } from '../../console/run.ts';
import { hasPgBouncer, startPgBouncer } from '../../services/pgbouncer.ts';

let server: ThrowawayServer;
let held: pg.Client[] = [];
const look = (more: Record<string, string> = {}) =>
  report<ConnectionsData>(['database', 'connections'], { DATABASE_URL: server.target.url, ...more });

beforeAll(async () => {
  server = await startThrowawayServer({
    purpose: 'a test of connections',
    tcp: true,
    settings: { max_connections: 12, superuser_reserved_connections: 2 },
  });
  const client = await connect(server.target);
  await client.query(`create role shop login password 'shop-5ecret'`);
  await client.end();
});
afterEach(async () => {
  await Promise.all(held.map(client => client.end().catch(() => {})));
  held = [];
});
afterAll(() => server?.stop());

async function hold(target: PostgresTarget, applicationName = 'held'): Promise<pg.Client> {
  const client = await connect(target, { applicationName });
  held.push(client);
  return client;
}

/** Until the server has seen that earlier sessions are gone. */
async function settled(count: number): Promise<void> {
  await expect.poll(async () => (await look()).data!.used, { timeout: 20_000 }).toBe(count);
}

describe('the connections of a server', () => {
  it('by state, user and application; who is idle in a transaction, and for how long', async () => {
    await settled(1);
    const writer = await hold(server.target, 'shop-web');
    await writer.query('begin');
    await writer.query('select 1');
    await hold(server.target, 'shop-web');
    await hold(server.target, 'shop-jobs');
    const { data, checks, ran } = await look();
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect(data).toMatchObject({ used: 4, max: 12, reserved: 2, idleInTransaction: 1, hidden: 0, pooler: null });
    expect(data!.byApplication).toEqual(
      expect.arrayContaining([
        { name: 'shop-web', connections: 2 },
        { name: 'shop-jobs', connections: 1 },
      ]),
    );
    expect(data!.byState).toEqual(expect.arrayContaining([{ name: 'idle in transaction', connections: 1 }]));
    expect(data!.oldestIdleInTransactionSeconds).toBeGreaterThanOrEqual(0);
    expect(data!.forecast).toMatchObject({ kind: 'too short' });
    expect(checks.map(check => [check.id, check.status])).toEqual([
      ['database.connections.used', 'ok'],
      ['database.connections.forecast', 'ok'],
      ['database.connections.idle-in-transaction', 'ok'],
    ]);
  });

  it('that are nearly used up are a breach, also as a library', async () => {
    await settled(1);
    for (let index = 0; index < 8; index++) await hold(server.target);
    const { data, checks, ran } = await look();
    expect(ran.exitCode).toBe(3);
    expect(data).toMatchObject({ used: 9, usedRatio: 0.9 });
    expect(checks[0]).toMatchObject({
      status: 'critical',
      message: '9 of 10 connections are used (90.0 %); 2 more are reserved',
    });
    const status = await getConnectionPoolStatus({ env: { DATABASE_URL: server.target.url }, cwd: '/nowhere' });
    expect(status.usedRatio).toBeGreaterThanOrEqual(0.9);
  });

  it('of others are only counted for a role without pg_monitor, and the grant that shows them is named', async () => {
    await settled(1);
    await hold(server.target, 'shop-web');
    const shop = server.target.url.replace(/\/\/[^@]+@/, '//shop:shop-5ecret@');
    const { data, checks, ran } = await report<ConnectionsData>(['database', 'connections'], { DATABASE_URL: shop });
    expect(ran.exitCode).toBe(3);
    expect(data!.unseen).toEqual([{ what: expect.any(String), grant: 'GRANT pg_monitor TO "shop";' }]);
    expect(checks.find(check => check.id === 'database.seen')).toMatchObject({ status: 'unknown' });
    expect(ran.stdout + ran.stderr).not.toContain('5ecret');
  });

  it('without DATABASE_URL are one clear error', async () => {
    const ran = await ops(['database', 'connections'], {});
    expect([ran.exitCode, ran.stderr]).toEqual([
      2,
      expect.stringMatching(/^CONFIG_MISSING_VALUE DATABASE_URL is not set\n {2}→ /),
    ]);
  });
});

describe.skipIf(!hasPgBouncer && process.env.CI !== 'true')('the pools of PgBouncer', () => {
  it('and who waits for a connection of one', async () => {
    await settled(1);
    const pooler = await startPgBouncer(server.target, { mode: 'transaction', poolSize: 1 });
    try {
      const admin = parsePostgresUrl(pooler.target.url.replace(/\/[^/?]+\?/, '/pgbouncer?')).url;
      const busy = await hold(pooler.target, 'busy');
      await busy.query('begin');
      const waiting = await hold(pooler.target, 'waiting');
      const answer = waiting.query('select 1');
      const state = async () =>
        (await look({ PGBOUNCER_ADMIN_URL: admin })).checks.find(check => check.id.endsWith('pool-wait'));
      await expect.poll(async () => (await state())?.status, { timeout: 30_000 }).toBe('warning');
      const { data } = await look({ PGBOUNCER_ADMIN_URL: admin });
      expect(data!.pooler!.pools).toMatchObject([
        { database: 'postgres', mode: 'transaction', clientsWaiting: 1, serversActive: 1 },
      ]);
      await busy.query('commit');
      await answer;
    } finally {
      await pooler.stop();
    }
  });

  it('that are asked of a database, or do not answer, are not known', async () => {
    await settled(1);
    const { data, checks, ran } = await look({ PGBOUNCER_ADMIN_URL: server.target.url });
    expect(ran.exitCode).toBe(3);
    expect(data!.poolerProblem).toContain('must end in /pgbouncer');
    expect(checks.at(-1)).toMatchObject({ id: 'database.connections.pool-wait', status: 'unknown' });
    const gone = await look({ PGBOUNCER_ADMIN_URL: 'postgres://ops:adm1n-5ecret@127.0.0.1:9/pgbouncer' });
    expect(gone.checks.at(-1)).toMatchObject({ status: 'unknown' });
    expect(gone.ran.stdout + gone.ran.stderr).not.toContain('adm1n-5ecret');
  });
});
