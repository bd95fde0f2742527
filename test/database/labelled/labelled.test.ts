import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { choiceLabel } from '../../../actions/lib/database/advice-issue/index.ts';
import type { OfferedChange } from '../../../actions/lib/database/apply/index.ts';
import { applyLabelledOperation, type LabelledInput } from '../../../actions/lib/database/index.ts';
import { indexName } from '../../../actions/lib/database/indexes/index.ts';
import { issueBody } from '../../../actions/lib/database/offer/index.ts';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import { silentLog } from '../../../actions/lib/log/index.ts';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import { type Frame, runOperation } from '../../../actions/lib/run/operation.ts';
import {
  botToken,
  type GitHubWorld,
  openGitHubWorld,
  otherToken,
  ownerToken,
  personToken,
} from '../../alerts/github-world.ts';
import { failureOf } from '../../backup/harness.ts';
import { frameOf } from '../../run/frame.ts';
import { adviceOf, adviceReport } from '../advice-issue/fixture.ts';
import { ApplyStage, column, create, orders } from '../apply/stage.ts';

const byCustomer = create(column('orders', 'customer_id'));
const byStatus = create(column('orders', 'status', 'id'));
const label = choiceLabel(byCustomer.id);
const indexes = [byCustomer, byStatus].map(change => ('definition' in change ? indexName(change.definition) : ''));

let stage: ApplyStage;
let world: GitHubWorld;
let shop: PostgresTarget;
/** Number of the advice's issue. */
let number: number;

beforeAll(async () => {
  [stage, world] = await Promise.all([ApplyStage.open(), openGitHubWorld()]);
});
afterAll(async () => {
  await stage?.close();
  await world?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  shop = await stage.database(orders);
  // Anna may write, ben may not.
  await world.ask('PUT', '/collaborators/anna', { permission: 'push' }, ownerToken);
  number = await advise([byCustomer, byStatus]);
});
afterEach(() => {
  warnings.length = 0;
  expect(world.proxy.violations).toEqual([]);
  world.reset();
});

/** As the weekly run leaves it: the report in the repository, and the issue. */
async function advise(changes: readonly OfferedChange[]): Promise<number> {
  const data = adviceOf(changes, { database: shop.database });
  const content = Buffer.from(JSON.stringify(adviceReport(data))).toString('base64');
  await world.ask('PUT', '/contents/reports/latest/database.advise.json', { message: 'advice', content }, ownerToken);
  const issue = { title: 'Indexes', body: issueBody(data), labels: ['ops-advice'] };
  return (await world.ask<{ number: number }>('POST', '/issues', issue, botToken)).number;
}

const put = (name = label, token = personToken, on = number) =>
  world.ask('POST', `/issues/${on}/labels`, { labels: [name] }, token);
const takeAway = (name = label, token = personToken) =>
  world.ask('DELETE', `/issues/${number}/labels/${encodeURIComponent(name)}`, undefined, token);

const warnings: string[] = [];
/** As an action does it, with the error as an exception. */
async function act(input: Partial<LabelledInput> = {}, more: Partial<Frame> = {}) {
  const frame = frameOf({
    log: { ...silentLog, warn: message => warnings.push(message) },
    env: {
      DATABASE_URL: shop.url,
      GITHUB_TOKEN: botToken,
      GITHUB_REPOSITORY: 'acme/ops',
      GITHUB_API_URL: world.proxy.url,
    },
  });
  const given = { issue: number, label, dryRun: false, ...input };
  const { report, error } = await runOperation(applyLabelledOperation, given, { ...frame, ...more });
  if (error) throw error;
  return { data: report.data!, checks: report.checks };
}

const built = async () =>
  (await Promise.all(indexes.map(name => stage.index(shop, name)))).map(index => index?.valid === true);
const labelsNow = async () => (await world.issues()).find(issue => issue.number === number)!.labels.map(l => l.name);
const writes = () => world.proxy.requests.filter(({ method }) => method !== 'GET');

describe('the label of a change on the issue of the advice', () => {
  test('by somebody who may write: that change is applied and no other, and the issue is answered', async () => {
    await put();
    const { data, checks } = await act();
    expect(data).toMatchObject({ chosenBy: 'anna', adviceId: '20261124T040000Z-0001', changes: [{ status: 'done' }] });
    expect(checks.every(check => check.status === 'ok')).toBe(true);
    expect(await built()).toEqual([true, false]);
    const [answer, ...more] = await world.comments(number);
    expect(more).toEqual([]);
    expect(answer).toMatch(new RegExp(`^\`${label}\`, chosen by \`anna\`; report \`\\S+\`\n\n## Changes applied`));
    expect(answer).toContain(`DROP INDEX CONCURRENTLY "public"."${indexes[0]}"`);
    // Set again, it is a choice again.
    expect(await labelsNow()).toEqual(['ops-advice']);
  });

  test.each<[string, string | undefined]>([
    ['somebody without any right', undefined],
    ['somebody who may triage', 'triage'],
    ['somebody who may read', 'pull'],
  ])('by %s: nothing is applied, the run fails, and the issue says why', async (_who, permission) => {
    if (permission) await world.ask('PUT', '/collaborators/ben', { permission }, ownerToken);
    await put(label, otherToken);
    expect(await failureOf(act())).toMatchObject({
      code: 'APPLY_NOT_ALLOWED',
      exitCode: 2,
      message: expect.stringMatching(/^ben may not write to acme\/ops/),
    });
    expect(await built()).toEqual([false, false]);
    expect(await world.comments(number)).toEqual([expect.stringContaining('ben may not write to')]);
    expect(await labelsNow()).toEqual(['ops-advice']);
  });

  test('who put it there last counts, and not who started the run', async () => {
    await put();
    await takeAway();
    await put(label, otherToken);
    expect(await failureOf(act())).toMatchObject({ code: 'APPLY_NOT_ALLOWED' });
    expect(await built()).toEqual([false, false]);
  });

  test('by somebody who maintains the repository: applied as well', async () => {
    await world.ask('PUT', '/collaborators/ben', { permission: 'maintain' }, ownerToken);
    await put(label, otherToken);
    expect((await act({ dryRun: true })).data).toMatchObject({ chosenBy: 'ben', changes: [{ status: 'planned' }] });
  });

  test('that is taken away before its turn is no choice any more', async () => {
    await put();
    await takeAway();
    expect(await failureOf(act())).toMatchObject({ code: 'APPLY_WITHDRAWN', exitCode: 2 });
    expect(await built()).toEqual([false, false]);
    expect(writes()).toEqual([]);
  });

  test('that came back by the renaming of another one was put there by nobody', async () => {
    await put();
    await takeAway();
    await put('later', otherToken);
    await world.ask('DELETE', `/labels/${encodeURIComponent(label)}`, undefined, ownerToken);
    await world.ask('PATCH', '/labels/later', { new_name: label }, ownerToken);
    expect(await labelsNow()).toContain(label);
    expect(await failureOf(act())).toMatchObject({ code: 'APPLY_WITHDRAWN', exitCode: 2 });
    expect(await built()).toEqual([false, false]);
  });

  test('that is taken away while it is looked at is no choice any more', async () => {
    await put();
    world.proxy.before('GET *events', async () => void (await takeAway()));
    expect(await failureOf(act())).toMatchObject({ code: 'APPLY_WITHDRAWN' });
    expect(await built()).toEqual([false, false]);
  });

  test('on an issue that was closed is no choice any more', async () => {
    await put();
    await world.ask('PATCH', `/issues/${number}`, { state: 'closed' });
    expect(await failureOf(act())).toMatchObject({
      code: 'APPLY_WITHDRAWN',
      message: expect.stringContaining('issue is closed'),
    });
    expect(await built()).toEqual([false, false]);
  });

  test('on an issue that a person wrote is not heard, though it looks like ours', async () => {
    const { body } = (await world.issues())[0]!;
    const forged = { title: 'Indexes', body, labels: ['ops-advice'] };
    const theirs = (await world.ask<{ number: number }>('POST', '/issues', forged, personToken)).number;
    await put(label, personToken, theirs);
    expect(await failureOf(act({ issue: theirs }))).toMatchObject({ code: 'APPLY_NOT_OUR_ISSUE', exitCode: 2 });
    expect(await built()).toEqual([false, false]);
    // Not even an answer is written there.
    expect(writes()).toEqual([]);
  });

  test('on the advice for another database is not heard', async () => {
    await put();
    shop = await stage.database(orders);
    expect(await failureOf(act())).toMatchObject({ code: 'APPLY_NOT_OUR_ISSUE' });
  });

  test('for a change that the latest advice does not offer applies nothing, and the issue says so', async () => {
    const gone = choiceLabel('create-000000000000');
    await put(gone);
    expect(await failureOf(act({ label: gone }))).toMatchObject({ code: 'APPLY_UNKNOWN_ID', exitCode: 2 });
    expect(await world.comments(number)).toEqual([expect.stringContaining('does not offer')]);
    expect(await built()).toEqual([false, false]);
  });

  test('is the same in upper case, as it is to GitHub', async () => {
    await put();
    expect((await act({ label: label.toUpperCase(), dryRun: true })).data.changes).toMatchObject([
      { status: 'planned' },
    ]);
  });

  test('as a dry run changes nothing, neither there nor here', async () => {
    await put();
    const { data } = await act({ dryRun: true });
    expect(data.changes).toMatchObject([{ status: 'planned' }]);
    expect(await built()).toEqual([false, false]);
    expect(writes()).toEqual([]);
    expect(await labelsNow()).toContain(label);
  });

  test('is applied though GitHub does not take the answer', async () => {
    await put();
    world.proxy.fail('POST *comments', { kind: 'status', status: 403 });
    expect((await act()).data.changes).toMatchObject([{ status: 'done' }]);
    expect(await built()).toEqual([true, false]);
    expect(warnings).toEqual([expect.stringMatching(/^Issue \d+ was not answered: /)]);
  });

  test('is answered when the report is stored, and not before: what is not on record is not said to be done', async () => {
    await put();
    const full = new OpsError('REPORT_STORE', 'the disk is full');
    const store = { save: () => Promise.reject(full) };
    expect(await failureOf(act({}, { store }))).toBe(full);
    expect(await built()).toEqual([true, false]);
    expect(writes()).toEqual([]);
    expect(await labelsNow()).toContain(label);
  });
});
