import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { adviceMarker, choiceLabel } from '../../../actions/lib/database/advice-issue/index.ts';
import { type AdviseData, adviseOperation } from '../../../actions/lib/database/index.ts';
import { silentLog } from '../../../actions/lib/log/index.ts';
import { libraryContext } from '../../../actions/lib/reports/index.ts';
import { botToken, type GitHubWorld, type Issue, openGitHubWorld } from '../../alerts/github-world.ts';
import { column, create } from '../apply/stage.ts';
import { adviceOf, adviceReport } from './fixture.ts';

const byCustomer = create(column('orders', 'customer_id'));
const byStatus = create(column('orders', 'status', 'id'));

let world: GitHubWorld;
beforeAll(async () => {
  world = await openGitHubWorld();
});
afterEach(() => {
  expect(world.proxy.violations).toEqual([]);
  world.reset();
});
afterAll(() => world?.[Symbol.asyncDispose]());

/** What follows the record of an advice. @returns the warnings */
async function publish(data: AdviseData, issue = true): Promise<string[]> {
  const warnings: string[] = [];
  const context = libraryContext({
    cwd: '/nowhere',
    log: { ...silentLog, warn: message => warnings.push(message) },
    env: { GITHUB_TOKEN: botToken, GITHUB_REPOSITORY: 'acme/ops', GITHUB_API_URL: world.proxy.url },
  });
  const input = { on: undefined, set: 'latest', source: undefined, budgetBytes: undefined, issue };
  await adviseOperation.announce!(adviceReport(data), input, context);
  return warnings;
}
const labels = async () =>
  (await world.ask<{ name: string; description: string }[]>('GET', '/labels?per_page=100')).filter(({ name }) =>
    name.startsWith('apply-index:'),
  );
const choice = ({ id }: { id: string }) => choiceLabel(id);
const writes = () => world.proxy.requests.filter(({ method }) => method !== 'GET').length;
const names = (issue: Issue) => issue.labels.map(label => label.name);

test('an advice becomes one issue with the evidence, and a label for each change to choose from', async () => {
  expect(await publish(adviceOf([byCustomer, byStatus]))).toEqual([]);
  const [issue, ...more] = await world.issues();
  expect(more).toEqual([]);
  expect(issue).toMatchObject({ state: 'open', title: 'Indexes: 2 proved changes for shop' });
  expect(names(issue!)).toEqual(['ops-advice']);
  const { body } = issue!;
  expect(body.startsWith(`${adviceMarker('shop')}\n`)).toBe(true);
  // What was measured, what would run, what takes it back, and how it is chosen.
  expect(body).toContain('2400 | 12');
  expect(body).toContain(`${byCustomer.sql[0]};`);
  expect(body).toContain(`-- to take it back: ${byCustomer.rollback[0]};`);
  expect(body).toContain(`\`${choiceLabel(byCustomer.id)}\``);
  expect(await labels()).toEqual(
    expect.arrayContaining(
      [byCustomer, byStatus].map(({ id }) =>
        expect.objectContaining({
          name: choiceLabel(id),
          description: expect.stringMatching(/^Advice for shop: create orders_\S+ on public\.orders$/),
        }),
      ),
    ),
  );
});

test('the next advice brings the same issue up to date, and takes away the labels of what it does not offer', async () => {
  await publish(adviceOf([byCustomer, byStatus]));
  const before = writes();
  await publish(adviceOf([byCustomer, byStatus]));
  expect(writes()).toBe(before);
  await publish(adviceOf([byStatus]));
  const [issue, ...more] = await world.issues();
  expect(more).toEqual([]);
  expect(issue).toMatchObject({ number: 1, title: 'Indexes: 1 proved changes for shop' });
  expect(issue!.body).not.toContain(byCustomer.id);
  expect((await labels()).map(({ name }) => name)).toEqual([choiceLabel(byStatus.id)]);
});

test('it is closed when nothing is offered any more, and opened again when something is; none is opened for nothing', async () => {
  await publish(adviceOf([]));
  expect(await world.issues()).toEqual([]);
  await publish(adviceOf([byCustomer]));
  await publish(adviceOf([]));
  expect(await world.issues()).toMatchObject([{ number: 1, state: 'closed', state_reason: 'completed' }]);
  expect(await labels()).toEqual([]);
  await publish(adviceOf([byStatus]));
  expect(await world.issues()).toMatchObject([{ number: 1, state: 'open' }]);
});

test('nothing is written for an advice without an issue, and for one that failed', async () => {
  expect(await publish(adviceOf([byCustomer]), false)).toEqual([]);
  expect(await publish(null as unknown as AdviseData)).toEqual([]);
  expect(await world.issues()).toEqual([]);
});

test('each database has an issue and labels of its own', async () => {
  await publish(adviceOf([byCustomer]));
  await publish(adviceOf([byStatus], { database: 'shop_eu' }));
  await publish(adviceOf([], { database: 'shop_eu' }));
  expect((await world.issues()).map(({ title, state }) => [title, state])).toEqual([
    ['Indexes: 1 proved changes for shop', 'open'],
    ['Indexes: 0 proved changes for shop_eu', 'closed'],
  ]);
  expect((await labels()).map(({ name }) => name)).toEqual([choiceLabel(byCustomer.id)]);
});

test('a change that two databases are offered has one label: it stays while either of them offers it', async () => {
  const label = choiceLabel(byCustomer.id);
  await publish(adviceOf([byCustomer]));
  await publish(adviceOf([byCustomer, byStatus], { database: 'shop_eu' }));
  for (const issue of [1, 2]) await world.ask('POST', `/issues/${issue}/labels`, { labels: [label] });

  // The label was made for the first: it leaves its issue, so that nothing that is out of date can be applied there.
  await publish(adviceOf([]));
  expect((await labels()).map(({ name }) => name).sort()).toEqual([byCustomer, byStatus].map(choice).sort());
  expect((await world.issues()).map(names)).toEqual([['ops-advice'], ['ops-advice', label]]);

  // And the last one takes it away, although it was made for another.
  await publish(adviceOf([byStatus], { database: 'shop_eu' }));
  expect((await labels()).map(({ name }) => name)).toEqual([choice(byStatus)]);
});

test('more labels than people can choose from are not made: the rest is applied by its id', async () => {
  const many = Array.from({ length: 34 }, (_, n) => create(column('orders', 'customer_id', `detail_${n}`)));
  await publish(adviceOf(many));
  const made = (await labels()).map(({ name }) => name);
  expect(made.sort()).toEqual(many.slice(0, 30).map(choice).sort());
  // What moves up when others are gone gets its own.
  await publish(adviceOf(many.slice(10)));
  expect((await labels()).map(({ name }) => name).sort()).toEqual(many.slice(10).map(choice).sort());
});

test('an issue and a label of a person are never touched, whatever they say', async () => {
  const body = `${adviceMarker('shop')}\nmine`;
  await world.ask('POST', '/issues', { title: 'Indexes: my own list', body, labels: ['ops-advice'] });
  await world.ask('POST', '/labels', { name: 'apply-index:when-we-meet', color: 'ededed', description: 'of anna' });
  await publish(adviceOf([byCustomer]));
  await publish(adviceOf([byStatus]));
  const [mine, ours, ...more] = await world.issues();
  expect(more).toEqual([]);
  expect(mine).toMatchObject({ title: 'Indexes: my own list', body, state: 'open', user: { login: 'anna' } });
  expect(ours).toMatchObject({ user: { login: 'github-actions[bot]' } });
  expect(await labels()).toContainEqual(
    expect.objectContaining({ name: 'apply-index:when-we-meet', description: 'of anna' }),
  );
});

test('what GitHub refuses is a warning with the way on, and the advice is made all the same', async () => {
  world.proxy.fail('POST *issues', {
    kind: 'status',
    status: 403,
    body: { message: 'Resource not accessible by integration' },
    headers: { 'x-accepted-github-permissions': 'issues=write' },
  });
  expect(await publish(adviceOf([byCustomer]))).toEqual([
    expect.stringMatching(/^The issue with the evidence was not written: .*'issues: write'/),
  ]);
  world.proxy.fail('GET *labels', { kind: 'status', status: 502 });
  expect(await publish(adviceOf([byCustomer]))).toEqual([]);
  expect(await world.issues()).toHaveLength(1);
});
