import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { restoreLocatedCopy } from '../../actions/lib/backup/index.ts';
import { drillOperation } from '../../actions/lib/backup/operations/drill.ts';
import { failureOf, openWorld, type World } from './harness.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world?.close());

test('the newest set stands on a server of its own until it is disposed of, and says what drills found', async () => {
  const source = await world.database(
    'shop',
    'create table items (id int primary key, name text); insert into items select g, md5(g::text) from generate_series(1, 500) g;',
  );
  await world.backup(source);
  const { manifest } = await world.backup(source);
  const context = await world.context({ env: { DATABASE_URL: source.url } });
  const latest = { id: 'latest', source: undefined, from: undefined };

  let socketFolder: string;
  {
    await using copy = await restoreLocatedCopy(context, latest, { purpose: 'a test' });
    socketFolder = copy.target.host;
    expect(copy.manifest.id).toBe(manifest.id);
    expect(copy.verdict).toBeNull();
    expect(await world.query(copy.target, 'select count(*)::int as n from items')).toEqual([{ n: 500 }]);
    await world.query(copy.target, 'drop table items');
  }
  expect(existsSync(socketFolder)).toBe(false);
  expect(await world.query(source, 'select count(*)::int as n from items')).toEqual([{ n: 500 }]);

  await drillOperation.execute({ ...latest, kind: 'database' }, context);
  await using drilled = await restoreLocatedCopy(context, latest, { purpose: 'a test' });
  expect(drilled.verdict).toBe('PROVED');
});

test('without the identity there is no copy, and nothing is left running', async () => {
  const context = await world.context({ env: { BACKUP_AGE_IDENTITY: undefined } });
  expect(
    await failureOf(
      restoreLocatedCopy(context, { id: 'latest', source: 'shop', from: undefined }, { purpose: 'a test' }),
    ),
  ).toMatchObject({ code: expect.stringMatching(/AGE|BACKUP_IDENTITY/) });
});
