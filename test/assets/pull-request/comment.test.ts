import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { upsertComment } from '../../../actions/lib/assets/pull-request/index.ts';
import { World } from './world.ts';

describe('one comment', () => {
  let world: World;
  const say = (id: number, { body = `of ${id}`, attempt = 1, name = null as string | null } = {}) =>
    upsertComment(world.github(), { number: 1, name, body, run: { id, attempt }, mayCreate: true });
  const said = () => world.api.commentsOf(1).map(({ body }) => body.split('\n')[1]);

  beforeAll(async () => {
    world = await World.open();
  });
  beforeEach(async () => {
    await world.reset();
    await world.api.open('main');
  });
  afterAll(() => world.close());

  test('of two runs at once there is one, the later one', async () => {
    world.proxy.before('POST *comments', async () => void (await say(9)));
    expect(await say(8)).toBe('superseded');
    expect(said()).toEqual(['of 9']);
  });

  test('of two runs at once the later one writes into the first', async () => {
    world.proxy.before('POST *comments', async () => void (await say(8)));
    expect(await say(9)).toBe('updated');
    expect(said()).toEqual(['of 9']);
  });

  test('a run that is late does not write over a later one', async () => {
    await say(9);
    expect(await say(8)).toBe('superseded');
    expect(await say(9, { body: 'again', attempt: 2 })).toBe('updated');
    expect(said()).toEqual(['again']);
  });

  test('what a person wrote is not touched, whatever it begins with', async () => {
    const marked = '<!-- production-ops:assets run=1.1 -->\nmine';
    const theirs = world.api.say(1, marked, { login: 'anna', type: 'User' });
    expect(await say(9)).toBe('created');
    expect(await say(10)).toBe('updated');
    expect(theirs.body).toBe(marked);
    expect(said()).toEqual(['mine', 'of 10']);
  });

  test('of a person whose token it is, is theirs', async () => {
    world.api.author = { login: 'anna', type: 'User' };
    world.proxy.fail('GET /user', { kind: 'status', status: 200, body: { login: 'anna' } }, 2);
    expect(await say(9)).toBe('created');
    expect(await say(10)).toBe('updated');
  });

  test('stands beside that of a check of another name', async () => {
    await say(8);
    expect(await say(9, { name: 'blog' })).toBe('created');
    expect(await say(10, { name: 'blog' })).toBe('updated');
    expect(await say(11, { name: 'blog-2' })).toBe('created');
    expect(said()).toEqual(['of 8', 'of 10', 'of 11']);
  });

  test('is found on whatever page', async () => {
    world.api.pageSize = 2;
    for (let at = 0; at < 5; at++) world.api.say(1, `talk ${at}`, { login: 'anna', type: 'User' });
    await say(8);
    for (let at = 0; at < 5; at++) world.api.say(1, `talk ${at}`, { login: 'anna', type: 'User' });
    expect(await say(9)).toBe('updated');
    expect(await say(9)).toBe('unchanged');
  });

  test.each([
    { kind: 'timeout', isDone: true },
    { kind: 'cut', isDone: true },
    { kind: 'cut', isDone: false },
    { kind: 'truncated' },
  ] as const)('whose answer is lost does not come twice: %j', async fault => {
    world.proxy.fail('POST *comments', fault);
    expect(await say(9)).toBe('created');
    expect(said()).toEqual(['of 9']);
  });
});
