import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorld, type World } from '../harness.ts';

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world?.close());

test('an empty database', async () => {
  const source = await world.database('nothing');
  const { manifest } = await world.backup(source);
  const { findings } = await world.prove(manifest);
  expect(findings).toEqual([]);
});
