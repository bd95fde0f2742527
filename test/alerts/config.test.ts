import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alertPolicy } from '../../actions/lib/alerts/policy.ts';
import { durationSeconds, loadConfig } from '../../actions/lib/config/index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'alerts-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(yaml: string) {
  writeFileSync(join(folder, 'ops.yml'), yaml);
  return loadConfig({ env: {}, cwd: folder, file: 'ops.yml' }).config.alerts;
}

const indented = (text: string) => `alerts:\n${text.replace(/^/gm, '  ')}\n`;

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['15m', 900],
    ['30h', 108_000],
    ['7d', 604_800],
    ['2w', 1_209_600],
    ['1h30m', 5400],
    ['1.5h', 5400],
  ])('%s is %i seconds', (text, seconds) => {
    expect(durationSeconds(text)).toBe(seconds);
  });

  it.each(['', '15', 'm', '15 m', '-5m', '5y', '1h 30m', '1e3s', '5M'])('%j is none', text => {
    expect(durationSeconds(text)).toBeUndefined();
  });
});

describe('alerts in the configuration', () => {
  it('need nothing', () => {
    expect(load('platform: shop\n')).toMatchObject({ issues: true, for: 0, repeat: 82_800, stormLimit: 10, rules: [] });
  });

  it('are read as they are written', () => {
    const alerts = load(
      indented(`
for: 5m
assignees: [anna]
rules:
  - check: monitor.*
    warning: { enter: 85, exit: 75 }
    critical: 95
    recoveryHold: 1h30m
  - check: monitor.disk
    target: db1
    breach: below
    critical: 5
    labels: [disk]
silences:
  - checks: [drill.*]
    until: 2026-12-24
    reason: moving house
maintenance:
  - name: updates
    days: [sat]
    from: 02:00
    to: 04:30
    zone: Europe/Berlin`),
    );
    const policy = alertPolicy(alerts);
    expect(policy.ruleOf({ id: 'monitor.disk', target: 'db1' })).toEqual({
      isEnabled: true,
      breach: 'below',
      warning: { enter: 85, exit: 75 },
      critical: { enter: 5, exit: 5 },
      forSeconds: 300,
      recoveryHoldSeconds: 5400,
      repeatSeconds: 82_800,
      assignees: ['anna'],
      labels: ['disk'],
    });
    expect(policy.ruleOf({ id: 'backup.verify', target: null })).toMatchObject({ warning: undefined, forSeconds: 300 });
    const night = new Date('2026-12-19T01:30:00Z');
    expect(policy.quietReason({ id: 'x', target: null }, night)).toBe('maintenance: updates');
    expect(policy.quietReason({ id: 'drill.rto', target: 'shop' }, new Date('2026-12-01T12:00:00Z'))).toBe(
      'silenced until 2026-12-24: moving house',
    );
    expect(policy.quietReason({ id: 'x', target: null }, new Date('2026-12-20T01:30:00Z'))).toBeUndefined();
  });

  it.each([
    ['a duration without a unit', 'for: "15"', /ops\.yml:2: 'alerts\.for': must be a duration such as 15m/],
    ['a mistyped key', 'recoveryHould: 5m', /unknown key 'alerts\.recoveryHould'/],
    ['a mistyped key of a rule', 'rules:\n  - chek: x', /unknown key 'alerts\.rules\.0\.chek'/],
    [
      'an exit on the bad side',
      'rules:\n  - check: x\n    warning: { enter: 80, exit: 90 }',
      /must not be on the bad side/,
    ],
    [
      'a zone of no list',
      'maintenance:\n  - { name: x, from: "02:00", to: "03:00", zone: Europe/Atlantis }',
      /IANA time zone/,
    ],
    [
      'an offset instead of a zone',
      'maintenance:\n  - { name: x, from: "02:00", to: "03:00", zone: "+02:00" }',
      /IANA time zone/,
    ],
    ['a time of no day', 'maintenance:\n  - { name: x, from: "25:00", to: "03:00" }', /time of day/],
    ['a silence without an end', 'silences:\n  - { reason: x }', /silences\.0\.until/],
    [
      'a silence until a day that does not exist',
      'silences:\n  - { until: 2026-13-01, reason: x }',
      /no time of any calendar/,
    ],
    ['a login with an @', 'assignees: ["@anna"]', /without @/],
  ])('%s is refused', (_name, yaml, message) => {
    expect(() => load(indented(yaml))).toThrow(message);
  });
});
