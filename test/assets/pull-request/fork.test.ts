import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assetsCommentOperation, type FinishedRun } from '../../../actions/lib/assets/index.ts';
import { looseCss } from '../tree-fixture.ts';
import { World, workRun } from './world.ts';
import { zipOf } from './zip-of.ts';

let world: World;
let headSha: string;
/** What the run of the check of the fork handed over. */
let handedOver: string;
let results: Results;

type Results = Record<string, unknown> & { checks: object[]; data: { changes: [{ path: string }] } };

beforeAll(async () => {
  world = await World.open();
  await world.branch('work', { 'css/new.css': looseCss });
  headSha = (await world.api.open('work', 'main', 'Theirs', 'stranger/shop')).head.sha;
  const { data } = await world.review({ fix: 'commit' });
  handedOver = await readFile(data.results!, 'utf8');
  expect(world.proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
});
beforeEach(async () => {
  world.api.reset();
  await world.api.open('work', 'main', 'Theirs', 'stranger/shop');
  results = JSON.parse(handedOver);
});
afterAll(() => world.close());

const finished = (over: Partial<FinishedRun> = {}): FinishedRun => ({
  id: workRun.id,
  attempt: 1,
  url: workRun.url,
  headSha,
  headRef: 'work',
  headRepository: 'stranger/shop',
  ...over,
});
const comment = async (run = finished()) =>
  (await assetsCommentOperation.execute({ run, artifact: 'assets-review' }, world.context())).data;
const upload = (content: unknown = results) =>
  world.api.upload(workRun.id, 'assets-review', zipOf([['assets-review.json', JSON.stringify(content)]]));
const allComments = () => [...world.api.comments.values()].flat();

describe('a fork', () => {
  test('has nothing written by its own run: no comment, no commit, but a patch', async () => {
    expect(await world.git.objects.git('rev-parse', 'work')).toBe(headSha);
    expect((await readdir(world.outputs)).sort()).toEqual(['assets-review.json', 'assets.patch']);
    expect(results.fix).toContain('git apply assets.patch');
  });

  test('is commented on by the second workflow, from what the first handed over', async () => {
    upload();
    expect(await comment()).toEqual({ pullRequest: 1, comment: 'created' });
    const { body } = world.api.commentsOf(1)[0]!;
    expect(body).toContain('`css/new.css`');
    expect(body).toContain(`[run](${workRun.url})`);
    expect(await comment()).toEqual({ pullRequest: 1, comment: 'unchanged' });
    expect(await comment(finished({ attempt: 2 }))).toEqual({ pullRequest: 1, comment: 'updated' });
    expect(allComments()).toHaveLength(1);
  });

  test('cannot have another pull request commented on, whatever its artifact names', async () => {
    await world.branch('victim', { 'b.md': 'x' });
    await world.api.open('victim');
    upload({ ...results, pullRequest: 2 });
    expect(await comment()).toEqual({ pullRequest: 1, comment: 'created' });
    expect(world.api.commentsOf(2)).toEqual([]);
  });

  test.each([
    ['has a newer commit', { headSha: '0'.repeat(40) }],
    ['is of another branch of the same commit', { headRef: 'main' }],
    ['is of another repository with the same owner', { headRepository: 'stranger/other' }],
    ['is of the same branch here', { headRepository: 'acme/shop' }],
    ['has lost its repository', { headRepository: null }],
  ] as const)('is not commented on when the pull request %s', async (_, over) => {
    upload();
    expect(await comment(finished(over))).toEqual({ pullRequest: null, comment: 'stale' });
    expect(allComments()).toEqual([]);
  });

  test('is not commented on when it is closed', async () => {
    upload();
    world.api.pulls[0]!.state = 'closed';
    expect((await comment()).comment).toBe('stale');
  });

  test('whose branch is proposed twice is commented on where the check ran', async () => {
    await world.inClone('push', '--quiet', 'origin', 'origin/main:refs/heads/next');
    await world.api.open('work', 'next', 'Theirs again', 'stranger/shop');
    upload({ ...results, pullRequest: 2 });
    expect(await comment()).toEqual({ pullRequest: 2, comment: 'created' });
    upload({ ...results, pullRequest: 3 });
    expect(await comment()).toEqual({ pullRequest: null, comment: 'stale' });
    expect(allComments()).toHaveLength(1);
  });

  test('that handed nothing over is left alone', async () => {
    expect(await comment()).toEqual({ pullRequest: null, comment: 'none' });
    upload().expired = true;
    world.api.upload(workRun.id, 'other', zipOf([['assets-review.json', JSON.stringify(results)]]));
    world.api.upload(8, 'assets-review', zipOf([['assets-review.json', JSON.stringify(results)]]));
    expect(await comment()).toEqual({ pullRequest: null, comment: 'none' });
  });

  test('that ran twice is commented on with what the second attempt found', async () => {
    upload({ ...results, fix: 'first' });
    upload({ ...results, fix: 'second' });
    await comment(finished({ attempt: 2 }));
    expect(world.api.commentsOf(1)[0]!.body).toContain('second');
  });

  test('whose file holds text of a stranger has it shown, and not obeyed', async () => {
    results.checks[0] = {
      ...results.checks[0],
      status: 'critical',
      message: '@acme <script>alert(1)</script> [x](https://evil.example) closes #1',
    };
    results.name = 'shop_1';
    results.fix = '</details> @acme ![x](https://evil.example/x.png)';
    results.data.changes[0].path = 'a|b`\n\n# Title @acme <img src=x>';
    upload();
    await comment();
    const { body } = world.api.commentsOf(1)[0]!;
    const outsideCode = body.replace(/(`+)[^`].*?\1(?!`)/g, '');
    expect(outsideCode).not.toMatch(/<(script|img)/);
    expect(outsideCode).not.toMatch(/\]\(https:\/\/evil/);
    expect(outsideCode).not.toMatch(/@acme\b/);
    expect(outsideCode).not.toMatch(/#1\b/);
    expect(body).not.toMatch(/^# Title/m);
    expect(body.match(/<\/details>/g) ?? []).toHaveLength(body.match(/<details>/g)?.length ?? 0);
  });
});

test.each([
  [700, /\| `x+99`|… and \d+ more\./],
  [20_000, /There is more than fits into a comment/],
])('a hundred names of %i characters still make a comment that GitHub takes', async (length, expected) => {
  const [change] = results.data.changes;
  const changes = Array.from({ length: 100 }, (_, at) => ({ ...change, path: `${'x'.repeat(length)}${at}` }));
  upload({ ...results, data: { ...results.data, changes } });
  expect((await comment()).comment).toBe('created');
  const { body } = world.api.commentsOf(1)[0]!;
  expect(body.length).toBeLessThan(65_536);
  expect(body).toMatch(expected);
});

describe('an artifact of a stranger', () => {
  const json = () => JSON.stringify(results);
  test.each<[string, RegExp, () => Buffer]>([
    [
      'that leads out of its folder',
      /has no assets-review\.json/,
      () =>
        zipOf([
          ['../../assets-review.json', json()],
          ['/assets-review.json', json()],
        ]),
    ],
    [
      'with the file twice',
      /holds assets-review\.json 2 times/,
      () =>
        zipOf([
          ['assets-review.json', '{}'],
          ['assets-review.json', json()],
        ]),
    ],
    [
      'with a bomb',
      /holds a file of 5000000 bytes, and more than 4194304 are not read/,
      () => zipOf([['assets-review.json', ' '.repeat(5_000_000)]]),
    ],
    ['with a bomb that lies about its size', /is damaged/, () => lyingBomb()],
    ['that is no archive', /is no ZIP archive/, () => Buffer.from('nonsense'.repeat(20))],
    ['that is empty', /is no ZIP archive/, () => Buffer.alloc(0)],
    ['that is cut off', /is no ZIP archive/, () => zipOf([['assets-review.json', json()]]).subarray(0, -30)],
    ['whose bytes are damaged', /is damaged/, () => damaged()],
    ['that points beyond its end', /is damaged/, () => pointingBeyond()],
    ['whose file is no JSON', /is no JSON/, () => zipOf([['assets-review.json', 'nonsense']])],
    ['whose file is something else', /is not one/, () => zipOf([['assets-review.json', '{}']])],
    [
      'with a name that is markup',
      /is not one: name/,
      () => zipOf([['assets-review.json', JSON.stringify({ ...results, name: '--> @acme' })]]),
    ],
  ])('%s is refused', async (_, message, make) => {
    world.api.upload(workRun.id, 'assets-review', make());
    await expect(comment()).rejects.toMatchObject({ code: 'ASSETS_REVIEW', message: expect.stringMatching(message) });
    expect(allComments()).toEqual([]);
  });

  test('that is larger than any result is not even fetched', async () => {
    const before = world.proxy.count('GET *zip');
    world.api.upload(workRun.id, 'assets-review', Buffer.alloc(5_000_000, 'x'));
    await expect(comment()).rejects.toMatchObject({ code: 'ASSETS_REVIEW' });
    expect(world.proxy.count('GET *zip')).toBe(before);
  });

  test('with other files beside is read for the one', async () => {
    const many = Array.from({ length: 50 }, (_, at): [string, string] => [`x/${at}.txt`, 'x']);
    world.api.upload(workRun.id, 'assets-review', zipOf([...many, ['assets-review.json', json()]]));
    expect((await comment()).comment).toBe('created');
  });

  /** 5 MB of spaces, in whose directory stands that they are 100 bytes. */
  function lyingBomb(): Buffer {
    const zip = zipOf([['assets-review.json', ' '.repeat(5_000_000)]]);
    zip.writeUInt32LE(100, zip.indexOf('PK\u0001\u0002', 0, 'latin1') + 24);
    return zip;
  }

  function damaged(): Buffer {
    const zip = zipOf([['assets-review.json', json()]]);
    zip.writeUInt8(zip.readUInt8(200) ^ 0xff, 200);
    return zip;
  }

  function pointingBeyond(): Buffer {
    const zip = zipOf([['assets-review.json', json()]]);
    zip.writeUInt32LE(0x7fffffff, zip.indexOf('PK\u0001\u0002', 0, 'latin1') + 42);
    return zip;
  }
});
