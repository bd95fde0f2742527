import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readEvent } from '../../actions/lib/run/event.ts';
import { type PublishingFacts, planPublishing } from '../../actions/lib/run/publishing.ts';

const folder = mkdtempSync(join(tmpdir(), 'ops-event-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('whether a report is published', () => {
  const ours: PublishingFacts = {
    hasToken: true,
    hasConfigFile: true,
    isAskedFor: undefined,
    isPullRequest: false,
    isOtherBranch: false,
  };
  const publish = { kind: 'publish' };
  const local = (reason: string, isOurTree: boolean) => ({
    kind: 'local',
    reason: expect.stringContaining(reason),
    isOurTree,
  });

  test.each<[string, Partial<PublishingFacts>, object]>([
    ['a repository with a configuration file and a token', {}, publish],
    ['one that says so', { isAskedFor: true }, publish],
    ['one that says no', { isAskedFor: false }, local('reports.publish is false', true)],
    ['one without a token', { hasToken: false }, local('no GITHUB_TOKEN', true)],
    ['one that only uses an action', { hasConfigFile: false }, local('no .github/ops.yml', false)],
    [
      'one that only uses an action, without a token',
      { hasConfigFile: false, hasToken: false },
      local('no .github/ops.yml', false),
    ],
    ['a pull request', { isPullRequest: true }, local('a pull request', false)],
    // The file that says so may be part of the pull request.
    ['a pull request that says so', { isPullRequest: true, isAskedFor: true }, local('a pull request', false)],
    ['a push to a branch for work', { isOtherBranch: true }, local('not the default one', true)],
    ['a push to a branch that is to be published', { isOtherBranch: true, isAskedFor: true }, publish],
  ])('%s', (_title, facts, expected) => {
    expect(planPublishing({ ...ours, ...facts })).toEqual(expected);
  });

  test('that must be and cannot be is wrong usage', () => {
    expect(() => planPublishing({ ...ours, isAskedFor: true, hasToken: false })).toThrow(
      expect.objectContaining({ code: 'CONFIG_MISSING_VALUE', exitCode: 2, hint: expect.stringContaining('env:') }),
    );
  });
});

describe('what started a run', () => {
  const eventOf = (name: string, payload: unknown) => {
    const path = join(folder, `${name}.json`);
    writeFileSync(path, typeof payload === 'string' ? payload : JSON.stringify(payload));
    return readEvent({ GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: path });
  };
  const repository = { default_branch: 'main' };

  test.each<[string, unknown, object]>([
    ['schedule', { schedule: '0 2 * * *' }, { cron: '0 2 * * *', isPullRequest: false, isOtherBranch: false }],
    [
      'workflow_dispatch',
      { schedule: '0 2 * * *', ref: 'refs/heads/x', repository },
      { cron: undefined, isOtherBranch: false },
    ],
    ['pull_request', {}, { isPullRequest: true }],
    ['pull_request_target', {}, { isPullRequest: true }],
    ['merge_group', {}, { isPullRequest: true }],
    ['workflow_run', { workflow_run: { event: 'pull_request' } }, { isPullRequest: true }],
    ['workflow_run', { workflow_run: { event: 'schedule' } }, { isPullRequest: false }],
    ['push', { ref: 'refs/heads/main', repository }, { isOtherBranch: false }],
    ['push', { ref: 'refs/heads/try/this', repository }, { isOtherBranch: true }],
    ['push', { ref: 'refs/tags/v1', repository }, { isOtherBranch: false }],
    ['push', '{"ref": "refs/he', { isOtherBranch: false, isPullRequest: false }],
    ['schedule', { schedule: 5 }, { cron: undefined }],
  ])('%s %j', (name, payload, expected) => {
    expect(eventOf(name, payload)).toMatchObject({ name, ...expected });
  });

  test('outside Actions nothing is known', () => {
    expect(readEvent({})).toEqual({ name: 'unknown', cron: undefined, isPullRequest: false, isOtherBranch: false });
  });
});
