import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allowanceOf, expectationsOf, reportKindsOf } from '../../actions/lib/watchdog/expectations.ts';
import { evaluateCondition, evaluateText, type Value } from '../../actions/lib/watchdog/expression.ts';
import { judgeJob, judgeRun, judgeSchedule } from '../../actions/lib/watchdog/judge.ts';
import type { ScheduledRun, WorkflowFacts } from '../../actions/lib/watchdog/scheduler.ts';
import { parseWorkflow } from '../../actions/lib/watchdog/workflows.ts';

const now = new Date('2026-11-23T12:00:00Z');
const hour = 3600;
const day = 24 * hour;
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);

describe('an expression of a workflow', () => {
  const known: Record<string, Value> = {
    'github.event_name': 'schedule',
    'github.event.schedule': '0 3 * * *',
    'inputs.what': null,
    'vars.EMPTY': '',
  };
  test.each<[string, Value]>([
    [`\${{ inputs.what || (github.event.schedule == '0 3 * * *' && 'files' || 'database') }}`, 'files'],
    [`\${{ inputs.what || (github.event.schedule == '0 2 * * *' && 'files' || 'database') }}`, 'database'],
    ['database', 'database'],
    ['', ''],
    [`a \${{ github.event_name }} of \${{ 2 }}`, 'a schedule of 2'],
    [`a \${{ matrix.kind }}`, undefined],
    [`\${{ matrix.kind }}`, undefined],
    [`\${{ 'it''s' }}`, "it's"],
    [`\${{ github.event_name == 'SCHEDULE' }}`, true],
    [`\${{ inputs.what == vars.EMPTY }}`, true],
    [`\${{ !inputs.what }}`, true],
    [`\${{ 1 < 2 && 2 <= 2 && !(3 > 4) }}`, true],
    [`\${{ fromJSON('[1, (2)]')[0] }}`, undefined],
    [`\${{ contains(github.ref, 'x') && false }}`, false],
    [`\${{ unknown.name && true }}`, undefined],
    [`\${{ always() && !failure() }}`, true],
    [`\${{ ( }}`, undefined],
    [`\${{ # }}`, undefined],
  ])('%s is %j', (text, expected) => {
    expect(evaluateText(text, name => known[name])).toEqual(expected);
  });

  test.each<[string, boolean | undefined]>([
    ["github.event.schedule != '0 3 * * *' || vars.EMPTY != ''", false],
    ["github.event.schedule != '0 3 * * *' || vars.UNKNOWN != ''", undefined],
    ["github.event.schedule != '0 2 * * *' || vars.UNKNOWN != ''", true],
    [`\${{ inputs.what }}`, false],
  ])('as a condition, %s is %j', (text, expected) => {
    expect(evaluateCondition(text, name => known[name])).toBe(expected);
  });
});

describe('what a workflow promises', () => {
  const promised = (text: string, vars: Record<string, string> = {}, ignore: string[] = []) =>
    expectationsOf([parseWorkflow('some.yml', text)], vars, ignore);
  const workflow = (uses: string, extra = '') =>
    `on:\n  schedule:\n    - cron: '0 2 * * *'\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: ${uses}\n${extra}`;
  const repository = (name: string) =>
    parseWorkflow(name, readFileSync(join(import.meta.dirname, '../../.github/workflows', name), 'utf8'));

  test('here: each backup at its own cron line, a drill, and the watchdog itself', () => {
    const all = ['backup.yml', 'ci.yml', 'drill.yml', 'restore.yml', 'watchdog.yml'].map(repository);
    const { jobs, schedules, unreadable } = expectationsOf(all, { BACKUP_FILES_PATHS: '/srv/uploads' });
    expect(jobs).toEqual([
      { name: 'backup.database', file: 'backup.yml', schedules: [{ cron: '0 2 * * *' }] },
      { name: 'backup.files', file: 'backup.yml', schedules: [{ cron: '0 3 * * *' }] },
      { name: 'drill.database', file: 'drill.yml', schedules: [{ cron: '0 5 * * 1' }] },
    ]);
    expect(schedules.map(({ file, maySkip }) => [file, maySkip])).toEqual([
      ['backup.yml', false],
      ['drill.yml', false],
      ['watchdog.yml', false],
    ]);
    expect(unreadable).toEqual([]);
  });

  test('of the database: its connections daily, the whole weekly, and nothing that a person chooses', () => {
    const { jobs, schedules } = expectationsOf([repository('database.yml')], {});
    const [daily, weekly] = [{ cron: '41 6 * * *' }, { cron: '13 7 * * 1' }];
    expect(jobs).toEqual([
      { name: 'database.connections', file: 'database.yml', schedules: [daily, weekly] },
      { name: 'database.analyze', file: 'database.yml', schedules: [weekly] },
      { name: 'database.advise', file: 'database.yml', schedules: [weekly] },
    ]);
    expect(schedules).toEqual([{ file: 'database.yml', schedules: [daily, weekly], maySkip: false }]);
  });

  test('no backup of files, when there are no folders to back up', () => {
    const { jobs, schedules } = expectationsOf([repository('backup.yml')], { BACKUP_FILES_PATHS: '' });
    expect(jobs.map(job => job.name)).toEqual(['backup.database']);
    // Those of the other line are skipped on purpose.
    expect(schedules).toEqual([{ file: 'backup.yml', schedules: [{ cron: '0 2 * * *' }], maySkip: true }]);
  });

  test.each<[string, string[]]>([
    [workflow('./actions/backup'), ['backup.database']],
    [workflow('$/actions/backup'), ['backup.database']],
    [
      workflow('craft/production-ops/actions/backup@v1', '        with: { what: all }\n'),
      ['backup.database', 'backup.files'],
    ],
    [workflow('./actions/backup', `        with: { what: "\${{ matrix.what }}" }\n`), ['backup']],
    [workflow('./actions/backup', '        with: { dry-run: true }\n'), []],
    [workflow('./actions/drill', '        with: { kind: files }\n'), ['drill.files']],
    [workflow('./actions/database'), ['database.analyze']],
    [workflow('./actions/database', '        with: { mode: advise }\n'), ['database.advise']],
    [workflow('./actions/database', `        with: { mode: "\${{ matrix.mode }}" }\n`), ['database']],
    [workflow('./actions/database', '        with: { mode: cleanup, dry-run: true }\n'), []],
    [workflow('./actions/cdn'), ['cdn.audit']],
    [workflow('./actions/cdn', '        with: { command: purge, paths: / }\n'), ['cdn.purge']],
    [workflow('./actions/restore'), []],
    [workflow('./actions/watchdog'), []],
    [workflow('actions/checkout@0123'), []],
    [workflow('./actions/drill', '        if: failure()\n'), []],
    [workflow('./actions/drill', "        if: vars.SOMETHING != ''\n"), ['drill.database']],
    [workflow('./actions/drill').replace("    - cron: '0 2 * * *'\n", ''), []],
    ['on: [push]\njobs: { a: { runs-on: x, steps: [{ uses: ./actions/drill }] } }', []],
    ['on: { workflow_call: {} }\njobs: { a: { uses: ./.github/workflows/b.yml } }', []],
  ])('%s', (text, expected) => {
    expect(promised(text).jobs.map(job => job.name)).toEqual(expected);
  });

  test('nothing, when it is to be ignored', () => {
    expect(promised(workflow('./actions/drill'), {}, ['some.yml'])).toEqual({
      jobs: [],
      schedules: [],
      unreadable: [],
    });
  });

  test('and a cron line that means nothing is told', () => {
    const { unreadable } = promised(workflow('./actions/drill').replace('0 2 * * *', '0 25 * * *'));
    expect(unreadable).toEqual([{ file: 'some.yml', reason: expect.stringContaining("'25' is no hour") }]);
    expect(() => parseWorkflow('bad.yml', 'on: push\njobs: [\n')).toThrow();
    expect(() => parseWorkflow('bad.yml', 'just text')).toThrow('it is not a workflow');
  });

  test.each<[string, string[]]>([
    ['backup.files', ['backup.all']],
    ['backup', ['backup.all', 'backup.database']],
    ['drill.database', ['drill.run']],
    ['database', ['database.report', 'database.sizes']],
    ['monitor', ['monitor']],
  ])('%s is shown by reports of %j', (job, expected) => {
    const kinds = 'backup.all backup.database backup.prune database.report database.sizes databases drill.run monitor';
    expect(reportKindsOf(job, kinds.split(' '))).toEqual(expected);
  });
});

describe('the allowance', () => {
  const policy = { slack: 1.5, lateness: 6 * hour, allowances: { 'drill.database': 9 * day, 'backup.yml': 30 * hour } };
  test.each<[string, string[], string[], number | undefined]>([
    ['a daily job', ['a'], ['0 2 * * *'], 36 * hour],
    ['a weekly job', ['a'], ['0 5 * * 1'], 10.5 * day],
    ['a job of each five minutes: GitHub is hours late for it too', ['a'], ['*/5 * * * *'], 6 * hour + 300],
    ['a job of working days', ['a'], ['0 5 * * 1-5'], 4.5 * day],
    ['a job that is named', ['drill.database', 'drill.yml'], ['0 5 * * 1'], 9 * day],
    ['a job whose workflow is named', ['backup.files', 'backup.yml'], ['0 5 * * *'], 30 * hour],
    ['a job that is never due', ['a'], ['0 0 30 2 *'], undefined],
  ])('of %s', (_title, names, crons, expected) => {
    const schedules = crons.map(cron => ({ cron }));
    expect(allowanceOf(names, schedules, policy, now)).toBe(expected);
  });

  test('of a daily job is never under 30 h, with no slack at all', () => {
    const strict = { slack: 1, lateness: 6 * hour, allowances: {} };
    expect(allowanceOf(['a'], [{ cron: '0 2 * * *' }], strict, now)).toBe(30 * hour);
  });
});

describe('a job', () => {
  const facts = {
    name: 'backup.database',
    file: 'backup.yml',
    allowance: 36 * hour,
    newest: undefined,
    workflowCreatedAt: ago(400 * day),
    place: 'reports/ on the default branch',
  };
  const seen = (seconds: number) => ({ reportId: '20261122T020000Z-7f3c', at: ago(seconds) });
  test.each([
    ['done lately is ok', { newest: seen(10 * hour) }, 'ok', 10 * hour, /10 h old \(20261122T020000Z-7f3c\)$/],
    ['done just in time is ok', { newest: seen(36 * hour) }, 'ok', 36 * hour, /./],
    ['of the future is ok: clocks differ', { newest: seen(-60) }, 'ok', 0, /./],
    ['overdue is critical', { newest: seen(36 * hour + 1) }, 'critical', 36 * hour + 1, /gh workflow run backup\.yml$/],
    [
      'never done is critical',
      {},
      'critical',
      null,
      /There has never been a report of backup\.database in reports\/ on/,
    ],
    ['of a new workflow is not due yet', { workflowCreatedAt: ago(36 * hour) }, 'ok', null, /not due yet/],
    ['of a workflow that is not so new is', { workflowCreatedAt: ago(37 * hour) }, 'critical', null, /for 37 h/],
    ['never done, nobody knows since when', { workflowCreatedAt: undefined }, 'unknown', null, /is not known/],
  ])('%s', (_title, given, status, value, message) => {
    const check = judgeJob('watchdog.report', { ...facts, ...given }, now);
    expect(check).toMatchObject({
      id: 'watchdog.report',
      target: 'backup.database',
      status,
      value,
      threshold: 36 * hour,
      unit: 'seconds',
      message: expect.stringMatching(message),
    });
  });
});

let lastId = 0;
const run = (hoursAgo: number, conclusion: string | null, status = conclusion ? 'completed' : 'in_progress') =>
  ({
    id: String(++lastId),
    createdAt: ago(hoursAgo * hour),
    status,
    conclusion,
    url: 'https://run',
  }) satisfies ScheduledRun;
const scheduleOf = (given: Partial<WorkflowFacts> = {}, maySkip = false) => ({
  file: 'backup.yml',
  allowance: 36 * hour,
  maySkip,
  workflow: {
    file: 'backup.yml',
    state: 'active',
    createdAt: ago(400 * day),
    scheduledRuns: [run(10, 'success')],
    ...given,
  },
});

describe('a schedule', () => {
  test.each<[string, Partial<WorkflowFacts>, string, number | null, RegExp]>([
    ['that runs is ok', {}, 'ok', 10, /10 h ago$/],
    [
      'that started nothing of late is critical',
      { scheduledRuns: [run(37, 'success')] },
      'critical',
      37,
      /due every 36 h/,
    ],
    ['whose run goes on is ok', { scheduledRuns: [run(1, null), run(99, 'success')] }, 'ok', 1, /./],
    ['that never ran is critical', { scheduledRuns: [] }, 'critical', null, /has never started a run/],
    ['that is new may not have run', { scheduledRuns: [], createdAt: ago(hour) }, 'ok', null, /not due yet/],
    [
      'disabled for inactivity is critical',
      { state: 'disabled_inactivity' },
      'critical',
      10,
      /60 days.*gh workflow enable backup\.yml$/,
    ],
    ['disabled by a person is critical', { state: 'disabled_manually' }, 'critical', 10, /watchdog\.ignore/],
    [
      'disabled in a fork is critical',
      { state: 'disabled_fork' },
      'critical',
      10,
      /fork.*gh workflow enable backup\.yml$/,
    ],
    ['that is gone is critical', { state: 'deleted', scheduledRuns: [] }, 'critical', null, /deleted/],
    ['in a state that is new to us is critical', { state: 'asleep' }, 'critical', 10, /'asleep'/],
  ])('%s', (_title, given, status, hours, message) => {
    const check = judgeSchedule(scheduleOf(given), now);
    expect(check).toMatchObject({
      id: 'watchdog.schedule',
      target: 'backup.yml',
      status,
      value: hours === null ? null : hours * hour,
      message: expect.stringMatching(message),
    });
  });

  test('that GitHub does not know is critical', () => {
    const check = judgeSchedule({ ...scheduleOf(), workflow: undefined }, now);
    expect(check).toMatchObject({ status: 'critical', message: expect.stringContaining('default branch') });
  });

  test('does not live by runs that are skipped on purpose', () => {
    const scheduledRuns = [run(1, 'skipped'), run(40, 'success')];
    expect(judgeSchedule(scheduleOf({ scheduledRuns }, true), now)).toMatchObject({
      status: 'critical',
      value: 40 * hour,
    });
    expect(judgeSchedule(scheduleOf({ scheduledRuns }, false), now)).toMatchObject({ status: 'ok', value: hour });
  });
});

describe('the last scheduled run', () => {
  const judged = (scheduledRuns: ScheduledRun[], reported: string[] = [], maySkip = false) =>
    judgeRun(scheduleOf({ scheduledRuns }, maySkip), new Set(reported), now);

  test.each([
    ['success', 'ok', /succeeded/],
    ['neutral', 'ok', /succeeded/],
    ['cancelled', 'critical', /was cancelled: https:\/\/run\. See why: gh run view/],
    ['skipped', 'critical', /was skipped.*An 'if:'/],
    ['startup_failure', 'critical', /could not start.*GitHub refuses the file/],
    ['timed_out', 'critical', /ran out of time.*timeout-minutes/],
    ['action_required', 'critical', /waits for an approval/],
    ['failure', 'critical', /failed and left no report.*gh run rerun/],
    ['stale', 'critical', /ended as 'stale'/],
  ])('that ended as %s is %s', (conclusion, status, message) => {
    expect(judged([run(3, conclusion), run(27, 'success')])).toMatchObject({
      id: 'watchdog.run',
      target: 'backup.yml',
      status,
      value: 3 * hour,
      message: expect.stringMatching(message),
    });
  });

  test('that failed and left its report is told by that report, not again here', () => {
    const failed = run(3, 'failure');
    expect(judged([failed], [failed.id])).toMatchObject({ status: 'ok' });
    const cancelled = run(3, 'cancelled');
    expect(judged([cancelled], [cancelled.id])).toMatchObject({ status: 'critical' });
  });

  test('that is not over says nothing; the one before does', () => {
    expect(judged([run(1, null), run(25, 'timed_out')])).toMatchObject({ status: 'critical', value: 25 * hour });
    expect(judged([run(1, null)])).toBeUndefined();
    expect(judged([])).toBeUndefined();
  });

  test.each([
    ['waiting', /asks for an approval/],
    ['queued', /No runner takes it/],
    ['in_progress', /It hangs/],
  ])('that has been %s for too long hides behind newer ones, and is found', (status, message) => {
    const runs = [run(1, null, 'pending'), run(40, null, status), run(60, 'success')];
    expect(judged(runs)).toMatchObject({
      status: 'critical',
      value: 40 * hour,
      message: expect.stringMatching(message),
    });
  });

  test('that was skipped on purpose gives way to the one before', () => {
    expect(judged([run(1, 'skipped'), run(2, 'success')], [], true)).toMatchObject({ status: 'ok', value: 2 * hour });
  });
});
