import { createHash } from 'node:crypto';
import type { Check, Report, Status } from '../reports/index.ts';
import type { AlertPolicy, Severity, Subject } from './policy.ts';

/** What one check of one report says: that something is breached, or that it is well, which closes what was open. */
export interface Desired extends Subject {
  key: string;
  /** Of the report. */
  kind: string;
  /** By the status of the check; null: well. Thresholds of a rule may say otherwise. */
  severity: Severity | null;
  reading: Reading;
  /** Values before this one, oldest first, for the chart: seconds since 1970 and value. */
  history?: readonly (readonly [number, number])[] | undefined;
}

export interface Reading {
  status: Status;
  value: number | null;
  threshold: number | null;
  unit: string;
  message: string;
  /** When the report was finished. */
  at: string;
  reportId: string;
  runUrl: string | null;
}

/** Check id and target are the identity of an alert, and nothing else is. */
export function alertKey({ id, target }: Subject): string {
  return target === null ? id : `${id} ${target}`;
}

/**
 * One for each check and one for the run itself, whose failure is a breach as well. A run that was cancelled says nothing:
 * the watchdog finds what did not happen.
 */
export function desiredAlerts(report: Report, policy: AlertPolicy): Desired[] {
  if (report.error?.code === 'CANCELLED') return [];
  const desired = [runCheck(report), ...report.checks].map(check => desiredOf(report, check));
  // Switched off in the configuration, what is still open is closed.
  return worstOfEach(desired).map(each => (policy.ruleOf(each).isEnabled ? each : { ...each, severity: null }));
}

/**
 * What the report is silent about and would have named if it were still so, of the alerts that came of its kind (a check
 * may exist only while it fails). A report that is all well speaks for what its checks are on: one without a check has
 * looked at nothing. And a check of no target that is well speaks for all targets that it had when it was not.
 */
export function silentRecoveries(
  report: Report,
  open: readonly (Subject & { key: string; kind: string })[],
): Desired[] {
  if (report.error !== null) return [];
  const subjects = report.checks.map(subjectOf);
  const named = new Set(subjects.map(alertKey));
  const targets = new Set(report.status === 'ok' ? subjects.map(({ target }) => target) : []);
  const wellEverywhere = new Set(
    report.checks.filter(({ target, status }) => target === undefined && status === 'ok').map(({ id }) => id),
  );
  return open
    .filter(({ kind, key }) => kind === report.kind && !named.has(key))
    .filter(({ id, target }) => targets.has(target) || wellEverywhere.has(id))
    .map(({ id, target, key, kind }) => {
      const message = 'The last report is well and no longer names it';
      const check: Check = { id, status: 'ok', value: null, threshold: null, unit: '', message };
      return { id, target, key, kind, severity: null, reading: readingOf(report, check) };
    });
}

/** `backup.database.run`; `drill.run` stays as it is. */
export function runCheckId(kind: string): string {
  return kind.endsWith('.run') ? kind : `${kind}.run`;
}

function runCheck(report: Report): Check {
  const { error } = report;
  const message = error
    ? `${error.code}: ${error.message}${error.hint ? `. ${error.hint}` : ''}`
    : 'The run finished its work';
  const status = error ? 'critical' : 'ok';
  return { id: runCheckId(report.kind), status, value: null, threshold: null, unit: '', message };
}

function desiredOf(report: Report, check: Check): Desired {
  const subject = subjectOf(check);
  return {
    ...subject,
    key: alertKey(subject),
    kind: report.kind,
    severity: severityOfStatus(check),
    reading: readingOf(report, check),
  };
}

function subjectOf(check: Check): Subject {
  return { id: check.id, target: check.target === undefined ? null : shortTarget(check.target) };
}

/** The key stands in each body, and the body of a storm holds those of many. */
function shortTarget(target: string): string {
  if (target.length <= longestTarget) return target;
  return `${target.slice(0, longestTarget)}… ${createHash('sha256').update(target).digest('hex').slice(0, 16)}`;
}

const longestTarget = 160;

function readingOf(report: Report, check: Check): Reading {
  const { status, value, threshold, unit, message } = check;
  return {
    status,
    value,
    threshold,
    unit,
    message: message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message,
    at: report.finishedAt,
    reportId: report.id,
    runUrl: report.run?.url ?? null,
  };
}

// It is kept in the body of the issue, beside much else.
const longestMessage = 1000;

/** What could not be verified is never green: of a verdict it is as grave as FAILED. */
function severityOfStatus({ id, status }: Check): Severity | null {
  switch (status) {
    case 'ok':
      return null;
    case 'warning':
    case 'critical':
      return status;
    case 'unknown':
      return id.endsWith('.verdict') || id.endsWith('.verify') ? 'critical' : 'warning';
  }
}

/** One report may check the same thing twice (two sets of one database): the graver one counts. */
function worstOfEach(desired: readonly Desired[]): Desired[] {
  const worst = new Map<string, Desired>();
  for (const each of desired) {
    const known = worst.get(each.key);
    if (!known || gravity(each.severity) > gravity(known.severity)) worst.set(each.key, each);
  }
  return [...worst.values()];
}

/** The newest word on each key; of two at the same time, the graver one. */
export function newestOfEach(desired: readonly Desired[]): Desired[] {
  const newest = new Map<string, Desired>();
  for (const each of desired) {
    const known = newest.get(each.key);
    const isNewer = known && Date.parse(each.reading.at) - Date.parse(known.reading.at);
    if (isNewer === undefined || isNewer > 0 || (isNewer === 0 && gravity(each.severity) > gravity(known!.severity)))
      newest.set(each.key, each);
  }
  return [...newest.values()];
}

export function gravity(severity: Severity | null): number {
  return severity === null ? 0 : severity === 'warning' ? 1 : 2;
}
