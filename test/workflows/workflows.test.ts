import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { databaseInputs } from '../../actions/lib/run/inputs.ts';
import { evaluateCondition, evaluateText } from '../../actions/lib/watchdog/expression.ts';
import { type GitHubParser, loadParser } from './parser.ts';
import { breaches, environmentOf, reviewed } from './rules.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, '.github/workflows');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const names = readdirSync(folder).filter(name => /\.ya?ml$/.test(name));

describe('every workflow', () => {
  let parser: GitHubParser;
  beforeAll(async () => {
    parser = await loadParser();
  });

  test('that the design names so far is there', () => {
    expect(names).toEqual(
      expect.arrayContaining([
        'assets-check.yml',
        'assets-comment.yml',
        'assets.yml',
        'backup.yml',
        'ci.yml',
        'database.yml',
        'drill.yml',
        'release.yml',
        'restore.yml',
        'watchdog.yml',
      ]),
    );
  });

  test.each(names)('%s is one that GitHub accepts', async name => {
    expect(await parser.workflowErrors(name, read(name))).toEqual([]);
  });

  test.each(names)('%s keeps to the rules', name => {
    expect(breaches(read(name))).toEqual([]);
  });

  test.each(names)('%s gives each local action inputs that it has', name => {
    for (const { uses, given } of localActions(name)) {
      const action = parse(readFileSync(join(root, uses, 'action.yml'), 'utf8'));
      expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(given));
    }
  });

  test('GitHub refuses what it would refuse', async () => {
    const bad = 'on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo\n        if: nothing.here\n';
    expect(await parser.workflowErrors('bad.yml', bad)).not.toEqual([]);
    expect(await parser.workflowErrors('bad.yml', 'on: push\njobs:\n  a:\n    step: []\n')).not.toEqual([]);
  });
});

test('each cron line of the backup says in the same file what it backs up', () => {
  const text = read('backup.yml');
  const crons = parse(text).on.schedule.map((entry: { cron: string }) => entry.cron);
  expect(crons).toEqual(['0 2 * * *', '0 3 * * *']);
  // The second is told apart by its text: a changed line must be changed everywhere.
  for (const [, compared] of text.matchAll(/github\.event\.schedule [!=]= '([^']+)'/g))
    expect(crons).toContain(compared);
});

test('the backup holds no private key, and the drill no way to the database', () => {
  expect(read('backup.yml')).not.toContain('BACKUP_AGE_IDENTITY');
  expect(read('drill.yml')).not.toMatch(/\bDATABASE_URL/);
  expect(read('ci.yml')).not.toContain('secrets.');
  expect(Object.keys(parse(read('restore.yml')).on)).toEqual(['workflow_dispatch']);
});

test('the README says of each environment whether it has reviewers, and only those that no schedule waits for have', () => {
  const jobs = names.flatMap(name => Object.values(parse(read(name)).jobs) as { environment?: string }[]);
  const used = [...new Set(jobs.flatMap(job => environmentOf(job) ?? []))].sort();
  const rows = readFileSync(join(root, 'README.md'), 'utf8').matchAll(/^\| `([\w-]+)` \| (required|none\b[^|]*) \|/gm);
  const told = [...rows].map(([, name, reviewers]) => [name, reviewers === 'required']);
  expect(told.sort()).toEqual(used.map(name => [name, reviewed.includes(name)]));
});

describe('the workflow of the database', () => {
  const text = read('database.yml');
  const workflow = parse(text);

  test('tells its cron lines apart by their text, and both are there', () => {
    const crons = workflow.on.schedule.map((entry: { cron: string }) => entry.cron);
    const compared = [...text.matchAll(/github\.event\.schedule == '([^']+)'/g)].map(([, cron]) => cron);
    expect(compared.length).toBeGreaterThan(0);
    expect(crons).toEqual(expect.arrayContaining(compared));
  });

  // What each trigger starts, as GitHub evaluates the conditions.
  test.each<[string, Record<string, unknown>, string[]]>([
    ['every morning', { event_name: 'schedule', schedule: '41 6 * * *' }, ['look']],
    ['once a week', { event_name: 'schedule', schedule: '13 7 * * 1' }, ['look', 'advise']],
    ['the button analyze', { mode: 'analyze', 'dry-run': false }, ['look']],
    ['the button connections', { mode: 'connections', 'dry-run': true }, ['look']],
    ['the button advise', { mode: 'advise', 'dry-run': false }, ['advise']],
    ['the button cleanup, as a dry run', { mode: 'cleanup', 'dry-run': true }, ['look']],
    ['the button cleanup, for real', { mode: 'cleanup', 'dry-run': false }, ['change']],
    ['the button maintain, for real', { mode: 'maintain', 'dry-run': false }, ['change']],
    // Only the role that owns the tables can tell what it may build.
    ['the button apply, as a dry run', { mode: 'apply', 'dry-run': true }, ['change']],
    ['the button apply, for real', { mode: 'apply', 'dry-run': false }, ['change']],
    ['the button mend', { mode: 'mend', 'dry-run': false }, ['change']],
    ['the label of a change', { event_name: 'issues', label: 'apply-index:create-938b48244ba6' }, ['change']],
    ['another label', { event_name: 'issues', label: 'bug' }, []],
    ['a label that only looks like it', { event_name: 'issues', label: 'do not apply-index:' }, []],
  ])('%s', (_title, given, expected) => {
    const known = (name: string) => {
      if (name === 'github.event_name') return (given.event_name ?? 'workflow_dispatch') as string;
      if (name === 'github.event.schedule') return (given.schedule ?? null) as null;
      return name.startsWith('inputs.') ? ((given[name.slice(7)] ?? null) as null) : undefined;
    };
    const isRun = (condition: string) => {
      // The one function in them.
      const starts = String(given.label ?? '').startsWith('apply-index:');
      const plain = condition.replace("startsWith(github.event.label.name, 'apply-index:')", String(starts));
      return evaluateCondition(plain, known);
    };
    const jobs = Object.entries(workflow.jobs as Record<string, { if: string }>);
    expect(jobs.filter(([, job]) => isRun(job.if)).map(([name]) => name)).toEqual(expected);
  });

  test('changes something in the protected environment alone, where no private key is', () => {
    const { look, advise, change } = workflow.jobs;
    expect([look.environment, advise.environment, change.environment]).toEqual([
      undefined,
      'recovery',
      'production-database',
    ]);
    expect(JSON.stringify([look, change])).not.toContain('BACKUP_AGE_IDENTITY');
    // What only a replica reads must not be dropped.
    expect(change.steps.at(-1).env).toHaveProperty('DATABASE_REPLICA_URLS');
    // A label has no inputs: it means apply, for real.
    const { with: changed } = change.steps.at(-1);
    const evaluated = (name: string, mode: string | null) =>
      evaluateText(String(changed[name]), path => (path === 'inputs.mode' ? mode : null));
    expect([null, 'apply', 'mend', 'cleanup'].map(mode => [evaluated('mode', mode), evaluated('mend', mode)])).toEqual([
      ['apply', false],
      ['apply', false],
      ['apply', true],
      ['cleanup', false],
    ]);
    expect(evaluated('dry-run', null)).toBe(false);
    const steps = look.steps.filter((step: { uses?: string }) => step.uses === './actions/database');
    const given = steps.map((step: { with: Record<string, unknown> }) => [step.with.mode, step.with['dry-run']]);
    expect(given).toEqual([
      ['analyze', undefined],
      ['connections', undefined],
      [expression('inputs.mode'), expression("inputs.mode == 'cleanup' || inputs.mode == 'maintain'")],
    ]);
  });

  // All that was filled in for another button as well.
  const form = { indexes: 'create-938b48244ba6', declared: true, 'dry-run': true };
  const label = { 'github.event.issue.number': 4, 'github.event.label.name': 'apply-index:create-938b48244ba6' };
  test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
    ['analyze', 'look', form, { 'dry-run': false }],
    ['connections', 'look', form, { 'dry-run': false }],
    ['cleanup', 'look', form, { 'dry-run': true }],
    ['maintain', 'look', { ...form, 'dry-run': false }, { 'dry-run': true }],
    ['apply', 'change', form, { indexes: [form.indexes], declared: true, mend: false, 'dry-run': true }],
    ['mend', 'change', form, { mode: 'apply', indexes: [], declared: false, mend: true, 'dry-run': true }],
    ['cleanup', 'change', { ...form, 'dry-run': false }, { indexes: [], declared: false, 'dry-run': false }],
    ['maintain', 'change', { ...form, 'dry-run': false }, { indexes: [], declared: false, 'dry-run': false }],
    ['(a label)', 'change', label, { mode: 'apply', issue: 4, indexes: [], mend: false, 'dry-run': false }],
  ])('gives the action what it takes: the button %s in the job %s', (mode, job, given, expected) => {
    const step = workflow.jobs[job].steps.findLast((each: { uses?: string }) => each.uses === './actions/database');
    const known: Record<string, unknown> = { 'github.triggering_actor': 'anna', 'inputs.mode': mode, ...given };
    if (mode.startsWith('(')) delete known['inputs.mode'];
    const value = (name: string) => (known[name] ?? known[name.replace(/^inputs\./, '')] ?? null) as null;
    const texts = Object.keys(databaseInputs.shape).map(name => {
      const evaluated = evaluateText(String(step.with[name] ?? ''), value);
      return [name, String(evaluated ?? '')];
    });
    expect(databaseInputs.parse(Object.fromEntries(texts))).toMatchObject(expected);
  });
});

test('the check of assets holds no secret, and the workflow that comments runs nothing of a pull request', () => {
  const [check, comment] = [read('assets-check.yml'), read('assets-comment.yml')];
  expect(check + comment).not.toContain('secrets.');
  expect(check + comment).not.toContain('contents: write');
  expect(parse(comment).on.workflow_run.workflows).toEqual([parse(check).name]);
  // A checkout without a ref is the default branch; artifacts are read by the action itself, in memory.
  expect(comment.replace(/#.*/g, '')).not.toMatch(/\bref:|head_sha|download-artifact|\bgh /);
  expect(parse(check).on).toBe('pull_request');
  // What one uploads is what the other reads.
  const artifact = parse(readFileSync(join(root, 'actions/assets/action.yml'), 'utf8')).inputs.artifact.default;
  expect(check).toContain(`name: ${artifact}\n`);
});

test('the jobs of the assets share all files between them, and the last one puts all parts together', () => {
  const { look, propose } = parse(read('assets.yml')).jobs;
  expect(look.strategy.matrix.shard).toEqual(look.strategy.matrix.shard.map((_: number, at: number) => at + 1));
  expect(propose.needs).toBe('look');
  const upload = look.steps.at(-1).with;
  const download = propose.steps.at(-2).with;
  expect(upload.name).toBe(`assets-${expression('matrix.shard')}`);
  expect(download.pattern).toBe('assets-*');
});

test('the watchdog runs on a schedule, and by a button', () => {
  expect(Object.keys(parse(read('watchdog.yml')).on)).toEqual(['schedule', 'workflow_dispatch']);
});

test('the watchdog is given each variable of the repository that a schedule depends on', () => {
  const scheduled = names.map(name => parse(read(name)) as Scheduled).filter(({ on }) => on.schedule !== undefined);
  const conditions = scheduled.flatMap(({ jobs }) =>
    Object.values(jobs).flatMap(job => [job.if, ...job.steps.filter(isOurs).map(step => step.if)]),
  );
  const asked = new Set([...conditions.join(' ').matchAll(/\bvars\.(\w+)/g)].map(([, name]) => name!));
  expect(asked).toContain('BACKUP_FILES_PATHS');
  const { env } = (parse(read('watchdog.yml')) as Scheduled).jobs.watchdog!.steps.find(isOurs)!;
  for (const name of asked) expect(env).toHaveProperty(name, expression(`vars.${name}`));
});

interface Scheduled {
  on: { schedule?: unknown };
  jobs: Record<string, { if?: string; steps: { if?: string; uses?: string; env?: object }[] }>;
}
const isOurs = ({ uses }: { uses?: string }) => uses?.startsWith('./actions/') === true;

describe('the rules find', () => {
  const sha = '0123456789abcdef0123456789abcdef01234567';
  const good = `
on: workflow_dispatch
permissions: {}
concurrency:
  group: work
  queue: max
jobs:
  work:
    runs-on: ubuntu-24.04
    environment: recovery
    timeout-minutes: 5
    permissions:
      contents: read # check out
    steps:
      - uses: actions/checkout@${sha} # v7.0.1
        with:
          persist-credentials: false
      - run: npm test
      - uses: ./actions/drill
        env:
          BACKUP_AGE_IDENTITY: \${{ secrets.BACKUP_AGE_IDENTITY }}
`;

  test('nothing in a good one', () => {
    expect(breaches(good)).toEqual([]);
  });

  test.each([
    ['permissions for all jobs', 'permissions: {}', 'permissions: read-all', 'permissions on top must be {}'],
    ['no permissions on top', 'permissions: {}\n', '', 'permissions on top must be {}'],
    ['a grant without a reason', ' # check out', '', 'the grant contents: read gives no reason'],
    [
      'a grant in one line',
      'permissions:\n      contents: read # check out',
      'permissions: { contents: read }',
      'the grant contents: read gives no reason',
    ],
    ['a pin in flow style', '- run: npm test', '- { uses: actions/cache@v5 }', 'no line of its own'],
    [
      'alerts without the webhook',
      'contents: read # check out\n    steps:',
      `contents: read # check out\n      issues: write # alerts\n    steps:\n      - uses: ./actions/drill\n        env:\n          GITHUB_TOKEN: ${expression('github.token')}`,
      'alerts without the webhook',
    ],
    ['a job without grants', '    permissions:\n      contents: read # check out\n', '', 'must grant its own'],
    ['a tag instead of a SHA', `@${sha} # v7.0.1`, '@v7', 'not pinned'],
    ['a SHA without its version', ' # v7.0.1', '', 'not pinned'],
    ['an expression inside run', 'npm test', `echo ${expression('inputs.set')}`, 'an expression inside run'],
    [
      'all secrets at once',
      expression('secrets.BACKUP_AGE_IDENTITY'),
      expression('toJSON(secrets)'),
      'all secrets at once',
    ],
    ['a secret of another name', 'secrets.BACKUP_AGE_IDENTITY', 'secrets.OTHER', 'not the secret of that name'],
    ['a secret by a computed name', 'secrets.BACKUP_AGE_IDENTITY', "secrets[format('A{0}', 1)]", 'computed name'],
    ['a secret as an input', '        env:\n', '        with:\n', 'a secret outside env'],
    [
      'a secret for the whole job',
      '    environment:',
      `    env: { A: "${expression('secrets.A')}" }\n    environment:`,
      'outside the env of a step',
    ],
    ['the private key outside the environment', '    environment: recovery\n', '', 'outside the environment recovery'],
    [
      'the URL of a restore in the environment of the drill',
      'BACKUP_AGE_IDENTITY: ',
      `RESTORE_DATABASE_URL: ${expression('secrets.RESTORE_DATABASE_URL')}\n          BACKUP_AGE_IDENTITY: `,
      'RESTORE_DATABASE_URL outside the environment restore',
    ],
    [
      'a schedule that waits for a reviewer',
      `on: workflow_dispatch\npermissions: {}\nconcurrency:\n  group: work\n  queue: max\njobs:\n  work:\n    runs-on: ubuntu-24.04\n    environment: recovery`,
      `on:\n  schedule:\n    - cron: '0 5 * * 1'\npermissions: {}\nconcurrency:\n  group: work\n  queue: max\njobs:\n  work:\n    runs-on: ubuntu-24.04\n    environment: restore`,
      "work: the schedule '0 5 * * 1' waits for the reviewers of restore",
    ],
    [
      'an expression inside a script',
      'npm test',
      `npm test\n      - uses: actions/github-script@${sha} # v9.0.0\n        with:\n          script: log("${expression('inputs.set')}")`,
      'an expression inside run',
    ],
    ['strangers with rights', 'on: workflow_dispatch', 'on: [push, pull_request_target]', 'pull_request_target'],
    ['no timeout', '    timeout-minutes: 5\n', '', 'no timeout-minutes'],
    ['no concurrency', 'concurrency:\n  group: work\n  queue: max\n', '', 'no concurrency group'],
    ['a queue that drops runs', '  queue: max\n', '', 'no queue: max'],
    [
      'a queue that drops runs of a job that writes without secrets',
      '  queue: max\njobs:\n  work:',
      'jobs:\n  more:\n    runs-on: x\n    timeout-minutes: 5\n    permissions:\n      contents: write # commit\n  work:',
      'more: no queue: max',
    ],
    ['a run that is cancelled half-way', '  queue: max', '  cancel-in-progress: true', 'cancels a run in progress'],
    ['a checkout that keeps the token', '        with:\n          persist-credentials: false\n', '', 'keeps the token'],
  ])('%s', (_title, from, to, expected) => {
    const bad = good.replace(from, () => to);
    expect(bad).not.toBe(good);
    expect(breaches(bad)).toContainEqual(expect.stringContaining(expected));
  });
});

function expression(text: string): string {
  return `\${{ ${text} }}`;
}

function localActions(name: string): { uses: string; given: string[] }[] {
  const jobs = Object.values(parse(read(name)).jobs) as { steps: { uses?: string; with?: object }[] }[];
  return jobs
    .flatMap(job => job.steps)
    .filter(step => step.uses?.startsWith('./'))
    .map(step => ({ uses: step.uses!, given: Object.keys(step.with ?? {}) }));
}
