import type { AlertsConfig } from '../config/index.ts';
import { matchesAny, matchesPattern } from './patterns.ts';
import { isInMaintenance, isSilenced } from './windows.ts';

export type Severity = 'warning' | 'critical';

/** What a check is called and what it was measured on. */
export interface Subject {
  id: string;
  /** Null: nothing in particular. */
  target: string | null;
}

export interface Limit {
  enter: number;
  exit: number;
}

/** Everything that the configuration says of one alert. Times are in seconds. */
export interface AlertRule {
  isEnabled: boolean;
  breach: 'above' | 'below';
  warning: Limit | undefined;
  critical: Limit | undefined;
  forSeconds: number;
  recoveryHoldSeconds: number;
  /** Zero: never again. */
  repeatSeconds: number;
  assignees: readonly string[];
  labels: readonly string[];
}

/** The rules as `reconcile` asks for them. */
export interface AlertPolicy {
  readonly reopenWindowSeconds: number;
  readonly refreshSeconds: number;
  readonly stormLimit: number;
  readonly inhibitions: AlertsConfig['inhibitions'];
  /** For the alert that stands for many. */
  readonly assignees: readonly string[];
  readonly labels: readonly string[];
  ruleOf(subject: Subject): AlertRule;
  /** Why it is kept quiet now; undefined when it is not. */
  quietReason(subject: Subject, now: Date): string | undefined;
}

export function alertPolicy(config: AlertsConfig): AlertPolicy {
  return {
    reopenWindowSeconds: config.reopenWindow,
    refreshSeconds: config.refresh,
    stormLimit: config.stormLimit,
    inhibitions: config.inhibitions,
    assignees: config.assignees,
    labels: config.labels,
    ruleOf: subject => ruleOf(config, subject),
    quietReason: (subject, now) => quietReason(config, subject, now),
  };
}

function ruleOf(config: AlertsConfig, subject: Subject): AlertRule {
  const matching = config.rules.filter(
    rule => matchesPattern(rule.check, subject.id) && matchesPattern(rule.target, subject.target ?? ''),
  );
  // A key that is there and undefined must not undo an earlier rule.
  const rule = Object.assign({}, ...matching.map(withoutUndefined)) as Partial<AlertsConfig['rules'][number]>;
  return {
    isEnabled: rule.enabled ?? true,
    breach: rule.breach ?? 'above',
    warning: limit(rule.warning),
    critical: limit(rule.critical),
    forSeconds: rule.for ?? config.for,
    recoveryHoldSeconds: rule.recoveryHold ?? config.recoveryHold,
    repeatSeconds: rule.repeat ?? config.repeat,
    assignees: rule.assignees ?? config.assignees,
    labels: rule.labels ?? config.labels,
  };
}

function withoutUndefined(rule: object): object {
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
}

function limit(given: number | Limit | undefined): Limit | undefined {
  return typeof given === 'number' ? { enter: given, exit: given } : given;
}

function quietReason(config: AlertsConfig, subject: Subject, now: Date): string | undefined {
  const concerns = (quiet: { checks: readonly string[]; targets: readonly string[] }) =>
    matchesAny(quiet.checks, subject.id) && matchesAny(quiet.targets, subject.target ?? '');
  const silence = config.silences.find(each => concerns(each) && isSilenced(each, now));
  if (silence) return `silenced until ${silence.until}: ${silence.reason}`;
  const window = config.maintenance.find(each => concerns(each) && isInMaintenance(each, now));
  return window && `maintenance: ${window.name}`;
}
