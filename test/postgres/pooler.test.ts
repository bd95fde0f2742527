import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  assertHoldsSnapshot,
  connect,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../services/pgbouncer.ts';

let server: ThrowawayServer;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the pooler tests', tcp: true });
});
afterAll(() => server?.stop());

test('a direct connection holds a snapshot, and is left outside any transaction', async () => {
  const client = await connect(server.target);
  await assertHoldsSnapshot(client, server.target);
  expect(client.getTransactionStatus()).toBe('I');
  await client.end();
});

// With CI=true a missing pooler is a failure, not a skip.
describe.skipIf(!hasPgBouncer && !process.env.CI)('a real PgBouncer (package pgbouncer)', () => {
  async function through(options: Parameters<typeof startPgBouncer>[1], use: (pooler: PgBouncer) => Promise<void>) {
    const pooler = await startPgBouncer(server.target, options);
    try {
      await use(pooler);
    } finally {
      await pooler.stop();
    }
  }

  test.each([
    ['the last used connection', {}],
    ['its connections in turn', { roundRobin: true }],
    ['its only connection', { poolSize: 1 }],
    ['one of two connections in turn', { poolSize: 2, roundRobin: true }],
  ])('in transaction mode is found out when it gives %s', async (_how, options) => {
    await through({ mode: 'transaction', ...options }, async ({ target }) => {
      const client = await connect(target);
      await warmUp(target);
      await expect(assertHoldsSnapshot(client, target)).rejects.toMatchObject({
        code: 'PG_POOLER',
        hint: expect.stringMatching(/direct endpoint/),
      });
      await client.end();
    });
  });

  test('in transaction mode is refused before session settings could reach the application', async () => {
    await through({ mode: 'transaction', poolSize: 3 }, async ({ target }) => {
      await expect(connect(target, { settings: { search_path: 'leaked' } })).rejects.toMatchObject({
        code: 'PG_POOLER',
      });
      const application = await connect(target);
      for (let query = 0; query < 5; query++) {
        const { rows } = await application.query('show search_path');
        expect(rows).toEqual([{ search_path: '"$user", public' }]);
      }
      await application.end();
    });
  });

  test('in statement mode is found out', async () => {
    await through({ mode: 'statement' }, async ({ target }) => {
      const client = await connect(target);
      await expect(assertHoldsSnapshot(client, target)).rejects.toMatchObject({ code: 'PG_POOLER' });
      await client.end();
    });
  });

  test('in session mode with a single connection is found out instead of waited for', async () => {
    await through({ mode: 'session', poolSize: 1 }, async ({ target }) => {
      const client = await connect(target);
      await client.query('select 1');
      await expect(assertHoldsSnapshot(client, target, 500)).rejects.toMatchObject({
        code: 'PG_POOLER',
        message: expect.stringContaining('no second session within 0.5 s'),
      });
      await client.end();
    });
  });

  test('in session mode is as good as a direct connection', async () => {
    await through({ mode: 'session' }, async ({ target }) => {
      const client = await connect(target, { settings: { search_path: '' } });
      await assertHoldsSnapshot(client, target);
      expect((await client.query('show search_path')).rows).toEqual([{ search_path: '' }]);
      await client.end();
    });
  });
});

/** Lets the pooler open several server connections, so that a second client need not wait for one. */
async function warmUp(target: ThrowawayServer['target']): Promise<void> {
  const clients = await Promise.all([connect(target), connect(target)]);
  await Promise.all(clients.map(client => client.query('select pg_sleep(0.05)')));
  await Promise.all(clients.map(client => client.end()));
}
