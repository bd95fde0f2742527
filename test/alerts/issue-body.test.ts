import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Desired, desiredAlerts, runCheckId, silentRecoveries } from '../../actions/lib/alerts/desired.ts';
import { commentBody, commentMarker, issueBody, issueTitle } from '../../actions/lib/alerts/issue-body.ts';
import { announcedState } from '../../actions/lib/alerts/next-state.ts';
import { matchesPattern } from '../../actions/lib/alerts/patterns.ts';
import { runbookOf, runbooks } from '../../actions/lib/alerts/runbooks.ts';
import { sparkline } from '../../actions/lib/alerts/sparkline.ts';
import { type AlertState, decodeMarker } from '../../actions/lib/alerts/state.ts';
import { configSchema } from '../../actions/lib/config/index.ts';
import { commands } from '../../actions/lib/console/commands.ts';
import { codeBlock, codeSpan, inertText, link } from '../../actions/lib/markdown/index.ts';
import { type Check, type Report, reportSchemaName } from '../../actions/lib/reports/index.ts';
import { policyOf, text } from './model.ts';

const now = new Date('2026-11-23T02:30:00Z');

function report(checks: Partial<Check>[], change: Partial<Report> = {}): Report {
  return {
    schema: reportSchemaName,
    kind: 'drill.run',
    id: '20261123T020000Z-7f3c',
    platform: 'shop',
    status: checks.every(check => (check.status ?? 'critical') === 'ok') ? 'ok' : 'critical',
    startedAt: '2026-11-23T02:00:00.000Z',
    finishedAt: '2026-11-23T02:14:00.000Z',
    trigger: { event: 'schedule' },
    run: { url: 'https://github.com/acme/ops/actions/runs/1/attempts/1', id: '1', attempt: 1, sha: 'abc' },
    tool: { version: '0.1.0', node: '24.21.0' },
    checks: checks.map(check => ({
      id: 'drill.rpo',
      target: 'shop',
      status: 'critical',
      value: 111_600,
      threshold: 108_000,
      unit: 'seconds',
      message: 'RPO 31 h, objective 30 h: missed',
      ...check,
    })),
    error: null,
    data: null,
    ...change,
  };
}

function stateOf(check: Partial<Check> = {}, history: [number, number][] = []): AlertState {
  const desired = desiredAlerts(report([check]), policyOf()).find(({ id }) => id === (check.id ?? 'drill.rpo'))!;
  return announcedState({ desired: { ...desired, history }, severity: 'critical', since: desired.reading.at }, now);
}

describe('what a report wants to be announced', () => {
  const of = (each: Report) =>
    desiredAlerts(each, policyOf()).map(({ key, severity }) => `${key}: ${severity ?? 'well'}`);

  it('is one thing for each check, and one for the run itself', () => {
    expect(of(report([{}, { id: 'drill.verdict', status: 'ok' }]))).toEqual([
      'drill.run: well',
      'drill.rpo shop: critical',
      'drill.verdict shop: well',
    ]);
  });

  it('a run that failed is an alert', () => {
    const failed = report([], {
      kind: 'backup.database',
      error: { code: 'CONNECT', message: 'refused', hint: 'Start it' },
    });
    const [run] = desiredAlerts(failed, policyOf());
    expect(run).toMatchObject({ key: 'backup.database.run', severity: 'critical' });
    expect(run?.reading.message).toBe('CONNECT: refused. Start it');
  });

  it('a cancelled run says nothing, neither that it is well', () => {
    expect(of(report([], { error: { code: 'CANCELLED', message: 'cancelled' } }))).toEqual([]);
  });

  it.each([
    ['drill.verdict', 'critical'],
    ['backup.verify', 'critical'],
    ['monitor.latency', 'warning'],
  ])('unknown is %s: %s', (id, severity) => {
    expect(of(report([{ id, status: 'unknown' }]))).toContain(`${id} shop: ${severity}`);
  });

  it('of two sets of one database the graver word counts', () => {
    const checks = [{ status: 'ok' as const }, { status: 'critical' as const }, { status: 'ok' as const }];
    expect(of(report(checks))).toEqual(['drill.run: well', 'drill.rpo shop: critical']);
  });

  it('what is switched off is well, so that it closes', () => {
    const policy = policyOf({ rules: [{ check: 'drill.rpo', enabled: false }] });
    expect(desiredAlerts(report([{}]), policy).map(({ severity }) => severity)).toEqual([null, null]);
  });

  it('a target as long as a book is cut, and two of them stay two', () => {
    const [a, b] = ['a', 'b'].map(end => desiredAlerts(report([{ target: 'x'.repeat(5000) + end }]), policyOf())[1]!);
    expect(a!.key.length).toBeLessThan(300);
    expect(a!.key).not.toBe(b!.key);
  });

  it('the id of a run does not say run twice', () => {
    expect(['drill.run', 'backup.all'].map(runCheckId)).toEqual(['drill.run', 'backup.all.run']);
  });
});

describe('what a report is silent about', () => {
  const verified = { key: 'cdn.purge.verified', id: 'cdn.purge.verified', target: null, kind: 'cdn.purge' };
  const rto = { key: 'drill.rto shop', id: 'drill.rto', target: 'shop', kind: 'drill.run' };
  const keys = (list: Desired[]) => list.map(({ key, severity }) => `${key}: ${severity ?? 'well'}`);

  it('a check that exists only while it fails is over when its report is well, and looked at the same', () => {
    const purged = report([{ id: 'cdn.purge.sent', status: 'ok', target: undefined }], { kind: 'cdn.purge' });
    expect(keys(silentRecoveries(purged, [verified, rto]))).toEqual(['cdn.purge.verified: well']);
  });

  it('a report that looked at nothing is well, and no word on what was breached', () => {
    expect(silentRecoveries(report([], { kind: 'cdn.purge' }), [verified])).toEqual([]);
    const elsewhere = report([{ id: 'cdn.purge.sent', status: 'ok', target: 'blog' }], { kind: 'cdn.purge' });
    expect(silentRecoveries(elsewhere, [verified])).toEqual([]);
  });

  it('a check of no target that is well speaks for all of its targets, whatever else is wrong', () => {
    const budget = {
      id: 'assets.budget',
      target: 'perFile a.png',
      kind: 'assets.check',
      key: 'assets.budget perFile a.png',
    };
    const kind = 'assets.check';
    const heavy = { id: 'assets.images', status: 'warning' as const, target: undefined };
    const kept = { id: 'assets.budget', status: 'ok' as const, target: undefined };
    expect(keys(silentRecoveries(report([heavy, kept], { kind }), [budget]))).toEqual([`${budget.key}: well`]);
    expect(silentRecoveries(report([heavy], { kind }), [budget])).toEqual([]);
    expect(silentRecoveries(report([{ ...kept, status: 'unknown' }], { kind }), [budget])).toEqual([]);
  });

  it('a report that is not well says nothing of what it leaves out', () => {
    expect(silentRecoveries(report([{ id: 'drill.verdict' }]), [rto])).toEqual([]);
  });

  it('nor does one that failed', () => {
    expect(silentRecoveries(report([], { error: { code: 'X', message: 'x' } }), [rto])).toEqual([]);
  });

  it('nor one about another target', () => {
    const other = report([{ id: 'drill.verdict', status: 'ok', target: 'blog' }]);
    expect(silentRecoveries(other, [rto])).toEqual([]);
    expect(keys(silentRecoveries(report([{ id: 'drill.verdict', status: 'ok' }]), [rto]))).toEqual([
      'drill.rto shop: well',
    ]);
  });
});

describe('the body of an issue', () => {
  it('says what is breached, since when, the value, the threshold, what to do, and where to read on', () => {
    const body = issueBody(stateOf(), text);
    for (const part of [
      '**Critical** since 2026-11-23 02:14 UTC',
      'RPO 31 h, objective 30 h',
      '| Check | `drill.rpo` |',
      '| Measured on | `shop` |',
      '| Value | 31 h |',
      '| Threshold | 30 h |',
      'npm run ops -- backup database',
      'npm run ops -- backup list --source shop',
      '[Report](https://github.com/acme/ops/blob/HEAD/reports/drill.run/20261123T020000Z-7f3c.json)',
      '[Run](https://github.com/acme/ops/actions/runs/1/attempts/1)',
    ]) {
      expect(body).toContain(part);
    }
    expect(issueTitle(stateOf())).toBe('Critical: The newest backup is older than the objective allows (shop)');
  });

  it('draws the recent values, with their least, greatest and last', () => {
    const values = [3600, 7200, 36_000, 7200].map((each, index): [number, number] => [1_780_000_000 + index, each]);
    const body = issueBody(stateOf({}, values), text);
    expect(body).toContain('▁▁▃▁█');
    expect(body).toContain('min 1 h · max 31 h · now 31 h');
  });

  it('carries its state where the next run finds it', () => {
    const state = stateOf();
    expect(decodeMarker(issueBody(state, text))).toEqual({ key: 'drill.rpo shop', state });
  });

  it('is the same for the same state', () => {
    expect(issueBody(stateOf(), text)).toBe(issueBody(structuredClone(stateOf()), text));
  });

  it('whatever is in it, it is not longer than 60,000 characters and its marker is whole', () => {
    const anything = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3000 }),
      fc.string({ unit: fc.constantFrom('<', '>', '|', '`', '@', '\\', '-'), minLength: 900, maxLength: 3000 }),
    );
    fc.assert(
      fc.property(anything, anything, anything, fc.nat(400), (message, target, unit, members) => {
        const state = stateOf({ message, target, unit: unit.slice(0, 50) });
        const storm: AlertState = {
          ...state,
          // As many as storm.ts lets in.
          members: Array.from({ length: Math.min(members, 20) }, () => ({
            id: 'drill.rpo',
            target: state.target,
            kind: 'drill.run',
            severity: 'critical',
            since: state.since,
            clearSince: null,
            message: message.slice(0, 160),
            at: state.since,
          })),
        };
        for (const each of [state, storm]) {
          const body = issueBody(each, text);
          expect(body.length).toBeLessThanOrEqual(60_000);
          expect(decodeMarker(body)?.state).toEqual(each);
          expect(issueTitle(each).length).toBeLessThanOrEqual(256);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('text from elsewhere', () => {
  it.each([
    ['@everyone look', '@\u200beveryone look'],
    ['see #12 and acme/ops#3', 'see \\#\u200b12 and acme/ops\\#\u200b3'],
    ['GH-7', 'GH\\-\u200b7'],
    ['go to https://evil.example/@x#1 now', 'go to `https://evil.example/@x#1` now'],
    ['[x](javascript:1) <img src=x>', '\\[x\\]\\(javascript\\:1\\) &lt;img src\\=x&gt;'],
    ['**bold** `code` ~~gone~~', '\\*\\*bold\\*\\* \\`code\\` \\~\\~gone\\~\\~'],
    ['two\nlines\r\n# of it', 'two lines \\#\u200b of it'],
  ])('%j does nothing', (given, expected) => {
    expect(inertText(given)).toBe(expected);
  });

  const nasty = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc
      .array(
        fc.constantFrom(
          '@',
          '#',
          '1',
          'a',
          '`',
          '``',
          '\\',
          '<',
          '>',
          '|',
          '*',
          '_',
          '[',
          ']',
          '(',
          ')',
          ' ',
          '\n',
          'https://',
          'www.',
          'x.y',
          '/',
          '!',
          '-',
          'GH',
          '<!--',
          '-->',
        ),
        { maxLength: 30 },
      )
      .map(parts => parts.join('')),
  );

  it('outside of code spans there is no mention, no reference, no address, no HTML and no new line', () => {
    fc.assert(
      fc.property(nasty, given => {
        const plain = withoutCode(inertText(given));
        expect(plain).not.toMatch(/@[a-z0-9]/i);
        expect(plain).not.toMatch(/#\d/);
        expect(plain).not.toMatch(/https?:\/\/[^\s]/i);
        expect(plain).not.toMatch(/[<>\n\r]/);
        expect(plain).not.toMatch(/(?<!\\)(\\\\)*[`*_[\]|]/);
      }),
      { numRuns: 3000 },
    );
  });

  it('a code span holds exactly what it was given, on one line', () => {
    fc.assert(
      fc.property(nasty, given => {
        const span = codeSpan(given);
        expect(withoutCode(span), span).toBe('');
        const flat = given
          .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
          .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
          .trim();
        expect(contentOfSpan(span)).toBe(flat || ' ');
      }),
      { numRuns: 2000 },
    );
  });

  it('a code block ends where it is meant to', () => {
    fc.assert(
      fc.property(fc.array(nasty, { maxLength: 5 }), given => {
        const lines = codeBlock(given).split('\n');
        const fence = lines[0]!;
        expect(lines.findIndex((line, index) => index > 0 && line.startsWith(fence))).toBe(lines.length - 1);
      }),
    );
  });

  it('only addresses that a browser should open become links', () => {
    expect(link('Run', 'https://github.com/a/b(c)/<d>')).toBe('[Run](https://github.com/a/b%28c%29/%3Cd%3E)');
    expect(link('Run', 'javascript:alert(1)')).toBe('Run');
    expect(link('Run', 'https://')).toBe('Run');
  });

  it('a target cannot leave the shell word that a runbook puts it in', () => {
    const { commands: lines } = runbookOf({ id: 'drill.rto', target: "shop'; rm -rf ~ #\n`x`" });
    expect(lines[0]).toBe("npm run ops -- drill run --source 'shop'\\''; rm -rf ~ # `x`'");
    expect(runbookOf({ id: 'drill.rto', target: '--force' }).commands[0]).toContain("--source '--force'");
  });
});

/** Takes code spans out as CommonMark finds them: a run of backticks ends at the next run of the same length. */
function withoutCode(markdown: string): string {
  let plain = '';
  for (let at = 0; at < markdown.length; ) {
    const escaped = /^\\[!-/:-@[-`{-~]/.exec(markdown.slice(at))?.[0];
    const run = /^`+/.exec(markdown.slice(at))?.[0];
    const end = run === undefined ? undefined : endOfSpan(markdown, at + run.length, run.length);
    if (end === undefined) {
      plain += escaped ?? run ?? markdown[at];
      at += (escaped ?? run ?? ' ').length;
    } else {
      at = end;
    }
  }
  return plain;
}

function endOfSpan(markdown: string, from: number, length: number): number | undefined {
  const closing = [...markdown.slice(from).matchAll(/`+/g)].find(([run]) => run.length === length);
  return closing && from + closing.index + length;
}

function contentOfSpan(span: string): string {
  const fence = /^`+/.exec(span)![0].length;
  const content = span.slice(fence, -fence);
  return /^ .* $/.test(content) && content.trim() !== '' ? content.slice(1, -1) : content;
}

describe('comments', () => {
  it('say what changed, and are known again by their first line', () => {
    const before: AlertState = { ...stateOf(), severity: 'warning' };
    const state = stateOf();
    const comment = commentBody('severity', before, state);
    expect(comment.split('\n')[0]).toBe(commentMarker('severity', before, state));
    expect(comment).toContain('**Warning → critical**');
  });

  it('a repetition at another time is another comment', () => {
    const state = stateOf();
    const later = { ...state, notifiedAt: '2026-11-24T02:30:00.000Z' };
    expect(commentMarker('repeat', state, later)).not.toBe(commentMarker('repeat', later, later));
  });

  it('say how long it lasted', () => {
    const state = { ...stateOf(), clearSince: '2026-11-23T05:19:00.000Z' };
    expect(commentBody('recovered', state, state)).toContain('after 3 h 5 min');
  });
});

describe('runbooks', () => {
  const lib = join(import.meta.dirname, '../../actions/lib');
  /** The ids of checks that stand in the code as text: `id: 'drill.verdict'`, or the first argument of what makes one. */
  const inCode = [
    ...new Set(
      readdirSync(lib, { recursive: true, encoding: 'utf8' })
        .filter(path => path.endsWith('.ts') && !path.startsWith('alerts/runbooks') && !path.startsWith('config/'))
        .flatMap(path => [
          ...readFileSync(join(lib, path), 'utf8').matchAll(
            /(?:\bid: |[a-z]\()'((?:backup|drill|watchdog|alerts|database|assets|cdn|monitor|recovery)(?:\.[a-zA-Z-]+)+)'/g,
          ),
        ])
        .map(match => match[1]!),
    ),
    // A name that stands for a kind of report, and not for a check, is known by its run.
  ].filter(id => Object.hasOwn(runbooks, id) || !Object.hasOwn(runbooks, `${id}.run`));
  const known = [...inCode, 'backup.database.destinations', 'backup.files.destinations'];

  it('are found for the checks in the code', () => {
    expect(inCode).toEqual(expect.arrayContaining(['drill.verdict', 'drill.rto', 'backup.prune', 'watchdog.proof']));
  });

  it.each(known)('%s has one of its own', id => {
    expect(Object.keys(runbooks).filter(pattern => pattern !== '*.run')).toContainEqual(
      expect.toSatisfy((pattern: string) => matchesPattern(pattern, id)),
    );
  });

  const all = [...known, ...Object.keys(runbooks).filter(id => !id.includes('*')), 'some.other.run', 'something.else'];

  it.each(all)('%s says what it means and what to do first', id => {
    for (const target of ['shop', null]) {
      const { title, meaning, steps, commands: lines } = runbookOf({ id, target });
      for (const each of [title, meaning, ...steps]) expect(each.length).toBeGreaterThan(10);
      expect(title).not.toMatch(/[`*\n]/);
      expect(steps.length).toBeGreaterThan(0);
      expect(lines.length).toBeGreaterThan(0);
    }
  });

  it('of a check that has none leads to the report, and to the rule that would change it', () => {
    const { title, steps } = runbookOf({ id: 'shop.carts', target: 'eu: west' });
    expect(title).toBe('shop.carts is breached');
    const [, example = ''] = /`(\{ check[^`]*\})`/.exec(steps.join('\n')) ?? [];
    const { alerts } = configSchema.parse({ alerts: { rules: [parse(example)] } });
    expect(alerts.rules).toEqual([{ check: 'shop.carts', target: 'eu: west', enabled: false }]);
  });

  it('never put what a target is called into a command as it is', () => {
    for (const id of all) {
      const lines = runbookOf({ id, target: '$(reboot); `x`' }).commands;
      for (const line of lines) expect(line.replace(/'[^']*'/g, '')).not.toMatch(/\$\(|;|`/);
    }
  });

  it('no command in them is unknown to the console', () => {
    const names = commands.map(({ name }) => name);
    const used = all
      .flatMap(id => runbookOf({ id, target: 'shop' }).commands)
      .flatMap(line => /^npm run ops -- ([a-z]+(?: [a-z]+)?)/.exec(line)?.[1] ?? []);
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter(name => !names.some(known => name === known || name.startsWith(`${known} `)))).toEqual([]);
  });
});

describe('the chart', () => {
  it.each([
    [[1, 2, 3, 4, 5, 6, 7, 8], '▁▂▃▄▅▆▇█'],
    [[5, 5, 5], '▄▄▄'],
    [[0, 1], '▁█'],
    [[-10, 0, 10], '▁▅█'],
  ])('%j is %s', (values, expected) => {
    expect(sparkline(values)).toBe(expected);
  });
});
