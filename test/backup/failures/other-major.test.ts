import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalog } from '../../../actions/lib/backup/database/catalog.ts';
import { copyToStdout, pinnedSettings } from '../../../actions/lib/backup/database/copy-statement.ts';
import {
  compareFingerprint,
  planFingerprints,
  takeFingerprint,
  takeInventory,
} from '../../../actions/lib/backup/database/evidence.ts';
import { isUnchanged } from '../../../actions/lib/backup/database/unchanged.ts';
import {
  assertHoldsSnapshot,
  connect,
  copyOut,
  findClientTools,
  serverFacts,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
  withoutTimeLimits,
} from '../../../actions/lib/postgres/index.ts';
import { packagedServer } from '../../services/postgres-majors.ts';
import { expectRefused, filesBelow, Stage } from './stage.ts';

/** A server without client programs, from a package of this repository: a major that distributions do not bring. */
const { major, binDir, isThere } = packagedServer(17);
const hasClients = await findClientTools(major).then(
  () => true,
  () => false,
);

describe.skipIf(!isThere)(`a server of PostgreSQL ${major}`, () => {
  let stage: Stage;
  let server: ThrowawayServer;

  beforeAll(async () => {
    stage = await Stage.open();
    server = await startThrowawayServer({ purpose: 'a test', major, binDirs: [binDir] });
    stage.secret(server.target.password!);
    await stage.sql(server.target, 'create database shop');
    await stage.sql(
      withDatabase(server.target, 'shop'),
      `create table orders (id int generated always as identity primary key, note text, at timestamptz default now());
       insert into orders (note) select repeat(md5(i::text), 4) from generate_series(1, 20000) i;
       create table parted (id int, region text) partition by list (region);
       create table parted_eu partition of parted for values in ('eu');
       insert into parted select i, 'eu' from generate_series(1, 50) i;
       create materialized view totals as select count(*) from orders;
       create table empty (a int);`,
    );
  });
  afterAll(async () => {
    await server?.stop();
    await stage?.[Symbol.asyncDispose]();
  });

  test.skipIf(hasClients)(
    'is not dumped with the clients of another: the majors found and the package are named',
    async () => {
      const env = stage.env('shop', { DATABASE_URL: withDatabase(server.target, 'shop').url });
      expectRefused(
        await stage.ops('backup database', env),
        1,
        'PG_CLIENT_MISSING',
        `PostgreSQL ${major} are missing; found: `,
        `apt-get install --no-install-recommends postgresql-client-${major}`,
        'PG_BIN_DIR',
      );
      expect(filesBelow(stage.destination)).toEqual([]);
    },
  );

  test.skipIf(hasClients)('is not restored into either', async () => {
    await stage.database('older', 'create table t as select 1 as a');
    const env = stage.env('older', { RESTORE_DATABASE_URL: withDatabase(server.target, 'shop').url });
    await stage.backUp(env);
    expectRefused(await stage.ops('restore database latest', env), 1, 'PG_CLIENT_MISSING', String(major));
  });

  test('takes as long as it takes, whatever limits its database has', async () => {
    const limits = ['statement', 'lock', 'idle_in_transaction_session', 'idle_session', 'transaction'];
    const names = limits.map(limit => `${limit}_timeout`).sort();
    const own = withDatabase(server.target, 'limited');
    await stage.sql(server.target, 'create database limited');
    for (const name of names) await stage.sql(own, `alter database limited set ${name} = '5min'`);
    for (const [settings, expected] of [
      [{}, '300000'],
      [withoutTimeLimits, '0'],
      [pinnedSettings, '0'],
      [{ ...pinnedSettings, lock_timeout: '60s' }, '0'],
    ] as const) {
      const client = await connect(own, { settings });
      const { rows } = await client.query<{ name: string; setting: string }>(
        'select name, setting from pg_settings where name = any ($1) order by name',
        [names],
      );
      await client.end();
      expect(rows).toEqual(
        names.map(name => ({
          name,
          setting:
            'lock_timeout' in settings && settings.lock_timeout === '60s' && name === 'lock_timeout'
              ? '60000'
              : expected,
        })),
      );
    }
  });

  test('gives its facts, catalog, snapshot, rows by segment and fingerprints like any other', async () => {
    const target = withDatabase(server.target, 'shop');
    const leader = await connect(target, { settings: pinnedSettings });
    const worker = await connect(target, { settings: pinnedSettings });
    try {
      await assertHoldsSnapshot(leader, target);
      const facts = await serverFacts(leader);
      expect(facts).toMatchObject({ major, database: 'shop', isInRecovery: false });
      expect(facts.systemIdentifier).toMatch(/^\d+$/);

      await leader.query('begin isolation level repeatable read, read only');
      const { rows } = await leader.query<{ name: string; xmin: string }>(
        'select pg_export_snapshot() as name, pg_snapshot_xmin(pg_current_snapshot())::text as xmin',
      );
      await worker.query('begin isolation level repeatable read, read only');
      await worker.query(`set transaction snapshot '${rows[0]!.name}'`);
      // What is committed now is not in the snapshot.
      await stage.sql(target, `insert into orders (note) values ('later')`);

      const catalog = await readCatalog(leader, {
        includeTables: [],
        excludeTables: [],
        excludeTableData: [],
        isInRecovery: false,
        serverVersion: facts.version,
        encoding: facts.encoding,
      });
      expect(catalog.tables.map(table => table.name).sort()).toEqual(['empty', 'orders', 'parted_eu']);
      const index = catalog.tables.findIndex(table => table.name === 'orders');
      const orders = catalog.tables[index]!;
      const middle = Math.floor(orders.heapBlocks / 2);
      const ranges = [
        { table: index, firstBlock: 0, endBlock: middle },
        { table: index, firstBlock: middle, endBlock: null },
      ];
      let copied = 0;
      for (const range of ranges) {
        const slice = await copyOut(worker, copyToStdout(orders, range, facts.encoding), { onBatch: async () => {} });
        copied += slice.rows;
        const counted = { ...range, rows: slice.rows, offset: 0, plainBytes: slice.plainBytes };
        expect(await isUnchanged(worker, orders, range, counted, BigInt(rows[0]!.xmin))).toBe(true);
        // One row fewer than were there: somebody has been here.
        const fewer = { ...counted, rows: slice.rows - 1 };
        expect(await isUnchanged(worker, orders, range, fewer, BigInt(rows[0]!.xmin))).toBe(false);
      }
      expect(copied).toBe(20_000);

      const plan = planFingerprints(
        catalog.tables.map(table => ({ ...table, rows: Math.max(0, table.estimatedRows) })),
        'full',
      );
      for (const next of plan) {
        const fingerprint = await takeFingerprint(worker, next);
        const record = { schema: next.schema, name: next.name, fingerprint };
        expect(await compareFingerprint(worker, record)).toBeUndefined();
        if (next.name !== 'orders') continue;
        const fresh = await connect(target, { settings: pinnedSettings });
        try {
          expect(await compareFingerprint(fresh, record)).toMatch(/orders/);
        } finally {
          await fresh.end();
        }
      }
      const inventory = await takeInventory(leader, catalog);
      expect(JSON.stringify(inventory)).toMatch('totals');
    } finally {
      await worker.end();
      await leader.end();
    }
  });
});
