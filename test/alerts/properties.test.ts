import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAlertIssue } from '../../actions/lib/alerts/issues.ts';
import { reconcile } from '../../actions/lib/alerts/reconcile.ts';
import { type AlertState, decodeMarker, encodeMarker } from '../../actions/lib/alerts/state.ts';
import { type AlertsInput, desiredOf, GitHubModel, policyOf, storyBegins } from './model.ts';

/** Anything that may happen to a repository between two runs, in any order. */
const ids = ['backup', 'drill.verdict', 'monitor.database.up', 'monitor.database.lag', 'database.bloat', 'cpu'];
const targets = ['shop', 'blog', null];

const happening = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('measure' as const),
      readings: fc.array(
        fc.record({
          id: fc.constantFrom(...ids),
          target: fc.constantFrom(...targets),
          status: fc.constantFrom(
            'ok' as const,
            'ok' as const,
            'warning' as const,
            'critical' as const,
            'unknown' as const,
          ),
          value: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
          early: fc.constantFrom(0, 0, 0, 7, 90),
        }),
        { maxLength: 12 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      does: fc.constantFrom('close' as const, 'reopen' as const, 'delete' as const),
      which: fc.nat(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constantFrom('twin' as const, 'copy' as const, 'damage' as const),
      which: fc.nat(),
    }),
  },
);
const steps = fc.array(fc.record({ minutes: fc.integer({ min: 0, max: 3000 }), happening }), {
  minLength: 1,
  maxLength: 25,
});

type Steps = typeof steps extends fc.Arbitrary<infer List> ? List : never;

const duration = fc.constantFrom('0s', '10m', '2h', '3d');
const alerts: fc.Arbitrary<AlertsInput> = fc.record({
  for: duration,
  recoveryHold: duration,
  repeat: duration,
  reopenWindow: duration,
  refresh: fc.constantFrom('0s', '15m'),
  stormLimit: fc.integer({ min: 1, max: 6 }),
  rules: fc.constantFrom([], [{ check: 'cpu', warning: { enter: 70, exit: 50 }, critical: { enter: 90, exit: 80 } }]),
  silences: fc.constantFrom([], [{ checks: ['drill.*'], from: '2026-11-23T05:00', until: '2026-11-24', reason: 'x' }]),
  maintenance: fc.constantFrom([], [{ name: 'nightly', from: '01:00', to: '05:00', zone: 'America/New_York' }]),
});

describe('whatever happens', () => {
  /** Plays the steps; `check` sees the model before and after each run. */
  function run(
    config: AlertsInput,
    list: Steps,
    check: (of: {
      model: GitHubModel;
      before: string;
      actions: ReturnType<typeof reconcile>;
      again: ReturnType<typeof reconcile>;
    }) => void,
  ) {
    const model = new GitHubModel();
    const policy = policyOf(config);
    let minutes = 0;
    for (const step of list) {
      minutes += step.minutes;
      const now = new Date(storyBegins.getTime() + minutes * 60_000);
      const readings = step.happening.does === 'measure' ? step.happening.readings : [];
      if (step.happening.does !== 'measure') disturb(model, step.happening, now);
      const desired = readings.map(({ value, ...each }) =>
        desiredOf({ does: 'measure', ...each, ...(value !== undefined && { value }) }, now),
      );
      const before = JSON.stringify(foreign(model));
      const actions = reconcile(desired, model.existing(), now, policy);
      model.apply(actions, now);
      check({ model, before, actions, again: reconcile(desired, model.existing(), now, policy) });
    }
  }

  it('asked again at the same time there is nothing more to do', () => {
    fc.assert(
      fc.property(alerts, steps, (config, list) => {
        run(config, list, ({ again }) => expect(again).toEqual([]));
      }),
      { numRuns: 400 },
    );
  });

  it('what a person wrote is never touched, even a copy of an alert with its label', () => {
    fc.assert(
      fc.property(alerts, steps, (config, list) => {
        run(config, list, ({ model, before, actions }) => {
          expect(JSON.stringify(foreign(model))).toBe(before);
          const theirs = new Set(foreign(model).map(issue => issue.number));
          expect(actions.filter(action => 'number' in action && theirs.has(action.number))).toEqual([]);
        });
      }),
      { numRuns: 150 },
    );
  });

  it('no alert has two open issues after a run, and no two actions concern one issue', () => {
    fc.assert(
      fc.property(alerts, steps, (config, list) => {
        run(config, list, ({ model, actions }) => {
          const open = model.existing().alerts.filter(alert => alert.isOpen && alert.state.mergedInto === null);
          const keys = open.map(alert => alert.state.key);
          expect(keys.toSorted()).toEqual([...new Set(keys)].sort());
          const numbers = actions.flatMap(action => ('number' in action ? [action.number] : []));
          expect(numbers.length).toBe(new Set(numbers).size);
        });
      }),
      { numRuns: 150 },
    );
  });

  it('no run opens more issues than the storm limit', () => {
    fc.assert(
      fc.property(alerts, steps, (config, list) => {
        run(config, list, ({ actions }) => {
          const opened = actions.filter(({ kind }) => kind === 'open' || kind === 'reopen');
          expect(opened.length).toBeLessThanOrEqual(config.stormLimit ?? 10);
        });
      }),
      { numRuns: 100 },
    );
  });

  it('the gravest come first', () => {
    fc.assert(
      fc.property(alerts, steps, (config, list) => {
        run(config, list, ({ actions }) => {
          const opened = actions.flatMap(action => (action.kind === 'open' ? [action.state.severity] : []));
          expect(opened).toEqual(opened.toSorted());
        });
      }),
      { numRuns: 100 },
    );
  });
});

type Disturbance = Exclude<Steps[number]['happening'], { does: 'measure' }>;

function disturb(model: GitHubModel, { does, which }: Disturbance, now: Date): void {
  const issue = model.issues[which % Math.max(1, model.issues.length)];
  if (!issue) return;
  if (does === 'close') issue.state = 'closed';
  else if (does === 'reopen') issue.state = 'open';
  else if (does === 'delete') model.issues = model.issues.filter(each => each !== issue);
  else if (does === 'twin') model.write({ title: issue.title, body: issue.body ?? '' }, now);
  else if (does === 'damage') issue.body = (issue.body ?? '').replace('"severity":', '"gravity":');
  else model.write({ title: issue.title, body: issue.body ?? '', user: { login: 'mallory', type: 'User' } }, now);
}

function foreign(model: GitHubModel) {
  return model.issues.filter(issue => issue.user?.login === 'mallory');
}

describe('the marker', () => {
  const string = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('-', '>', '<', '!', '\\', '"', '\n', '\r', ' ', 'a', '\u2028', '-->', '<!--') }),
  );
  const time = fc
    .date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true })
    .map(date => date.toISOString());
  const value = fc.double({ noDefaultInfinity: true, noNaN: true }).map(each => each + 0);
  const state: fc.Arbitrary<AlertState> = fc.record({
    key: string,
    id: string,
    target: fc.option(string),
    kind: string,
    severity: fc.constantFrom('warning' as const, 'critical' as const),
    since: time,
    clearSince: fc.option(time),
    notifiedAt: time,
    writtenAt: time,
    closedAt: fc.option(time),
    mergedInto: fc.option(fc.nat()),
    episodes: fc.nat(),
    reading: fc.record({
      status: fc.constantFrom('ok' as const, 'critical' as const),
      value: fc.option(value),
      threshold: fc.option(value),
      unit: string,
      message: string,
      at: time,
      reportId: string,
      runUrl: fc.option(string),
    }),
    recent: fc.array(fc.tuple(fc.nat(), value), { maxLength: 5 }),
    members: fc.constant(null),
    unlisted: fc.nat(),
  });

  it('is an HTML comment on one line that nothing inside can end, and reads back as it was', () => {
    fc.assert(
      fc.property(state, string, (each, rest) => {
        const marker = encodeMarker(each);
        expect(marker).toMatch(/^<!-- [^\n\r]* -->$/);
        expect(marker.slice(4, -3)).not.toMatch(/--|>|</);
        expect(decodeMarker(`${marker}\n${rest}`)).toEqual({ key: each.key, state: each });
        expect(decodeMarker(`${marker}\r\n${rest}`)).toEqual({ key: each.key, state: each });
      }),
      { numRuns: 1000 },
    );
  });

  it('is read from the first line alone', () => {
    fc.assert(
      fc.property(state, each => {
        expect(decodeMarker(`\n${encodeMarker(each)}`)).toBeUndefined();
        expect(decodeMarker(`> ${encodeMarker(each)}`)).toBeUndefined();
      }),
    );
  });

  it('survives any body: reading never throws', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          string,
          string.map(each => `<!-- ops-alert {${each}} -->`),
        ),
        body => {
          decodeMarker(body);
        },
      ),
    );
  });
});

describe('whose issue it is', () => {
  const marker = '<!-- ops-alert {"v":1,"key":"backup shop"} -->';
  const issue = {
    number: 7,
    html_url: 'https://github.com/acme/ops/issues/7',
    title: 'Warning: backup',
    body: `${marker}\ntext`,
    state: 'open',
    created_at: '2026-11-23T00:00:00Z',
    user: { login: 'github-actions[bot]', type: 'Bot' },
    labels: [{ name: 'ops-alert' }],
  };

  it.each([
    ['a program wrote it, with label and marker', {}, true],
    ['an app of one’s own wrote it', { user: { login: 'acme-ops[bot]', type: 'Bot' } }, true],
    ['a person wrote it', { user: { login: 'anna', type: 'User' } }, false],
    ['a person who is named in alerts.authors wrote it', { user: { login: 'ops-robot', type: 'User' } }, true],
    ['its author is gone', { user: null }, false],
    ['it has another label', { labels: [{ name: 'bug' }] }, false],
    ['it has no label', { labels: [] }, false],
    ['it has no marker', { body: 'backup shop' }, false],
    ['it has no body', { body: null }, false],
    ['its marker is not on the first line', { body: `hello\n${marker}` }, false],
    ['it is a pull request', { pull_request: { url: 'x' } }, false],
  ])('%s', (_name, change, isOurs) => {
    expect(readAlertIssue({ ...issue, ...change }, ['ops-robot']) !== undefined).toBe(isOurs);
  });

  it('one whose state somebody damaged is still ours, with what its key and age say', () => {
    const { state } = readAlertIssue(issue, [])!;
    expect(state).toMatchObject({ key: 'backup shop', id: 'backup', target: 'shop', severity: 'warning' });
    expect(state.since).toBe('2026-11-23T00:00:00.000Z');
  });
});
