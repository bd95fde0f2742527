import type { AlertAction, Existing, ExistingAlert, Pending } from './actions.ts';
import { type Desired, newestOfEach } from './desired.ts';
import { inhibitorOf } from './inhibition.ts';
import { type Measured, type Newcomer, secondsBetween, withReading } from './next-state.ts';
import type { AlertPolicy, Severity } from './policy.ts';
import { severityOf } from './severity.ts';
import type { AlertState, Member } from './state.ts';
import { membersOf, planStorm, stormKey } from './storm.ts';
import { standingAlerts } from './twins.ts';

/**
 * What must be done so that what is announced agrees with what was measured. Carried out, and asked again at the same
 * time, it has nothing more to do.
 *
 * People close issues, too: one that a person closed while it is breached stays closed until it was well and is breached
 * again; one that a person reopened when it is well stays open until it was breached and is well again.
 *
 * @param desired what the reports at hand say; an alert that none of them names stays as it is
 */
export function reconcile(
  desired: readonly Desired[],
  existing: Existing,
  now: Date,
  policy: AlertPolicy,
): AlertAction[] {
  const { standing, merges } = standingAlerts(existing.alerts, now);
  const storm = standing.get(stormKey);
  const members = membersOf(storm, standing);
  const readings = newestOfEach(desired)
    .filter(each => each.key !== stormKey && !isOutdated(each, standing.get(each.key)))
    .map(each => {
      const current = currentSeverity(members.get(each.key) ?? standing.get(each.key)?.state);
      return { desired: each, severity: severityOf(each, policy.ruleOf(each), current) };
    });
  const critical = criticalNow(readings, standing, members);
  const isQuiet = (each: Desired) =>
    policy.quietReason(each, now) !== undefined || inhibitorOf(each, critical, policy.inhibitions) !== undefined;

  const actions: AlertAction[] = [...merges];
  const newcomers: Newcomer[] = [];
  for (const reading of readings) {
    const { key } = reading.desired;
    const alert = standing.get(key);
    const pending = existing.pending[key];
    const facts: Facts = { ...reading, isQuiet: isQuiet(reading.desired), now, policy };
    if (alert && isStanding(alert)) {
      actions.push(...(alert.isOpen ? stepOpen(alert, facts) : stepClosedByPerson(alert, facts)));
      if (pending) actions.push({ kind: 'forget', key });
    } else if (members.has(key)) {
      if (pending) actions.push({ kind: 'forget', key });
    } else {
      const { newcomer, memory } = stepAbsent(alert, pending, facts);
      if (newcomer) newcomers.push(newcomer);
      actions.push(...memory);
    }
  }
  const named = new Set(readings.map(({ desired: { key } }) => key));
  for (const alert of standing.values()) {
    if (!named.has(alert.state.key) && alert !== storm && alert.isOpen && isStanding(alert))
      actions.push(
        ...closeWhenHeld(alert, alert.state, {
          isQuiet: policy.quietReason(alert.state, now) !== undefined,
          now,
          policy,
        }),
      );
  }
  actions.push(...planStorm({ storm, members, readings, newcomers, actions, standing, isQuiet, now, policy }));
  return actions.sort((a, b) => urgency(a) - urgency(b));
}

interface Facts extends Measured {
  isQuiet: boolean;
  now: Date;
  policy: AlertPolicy;
}

/** A run that began earlier may end later: what is newer is already announced. */
function isOutdated(desired: Desired, alert: ExistingAlert | undefined): boolean {
  return alert !== undefined && Date.parse(desired.reading.at) < Date.parse(alert.state.reading.at);
}

/** It was opened for a breach that is not over, whoever has closed it since. */
function isStanding(alert: ExistingAlert): boolean {
  return alert.state.closedAt === null;
}

function currentSeverity(announced: AlertState | Member | undefined): Severity | null {
  if (!announced || announced.clearSince !== null) return null;
  return 'closedAt' in announced && announced.closedAt !== null ? null : announced.severity;
}

/** What may be the cause of others: critical by this run, or announced as that and not measured since. */
function criticalNow(
  readings: readonly Measured[],
  standing: ReadonlyMap<string, ExistingAlert>,
  members: ReadonlyMap<string, Member>,
) {
  const measured = new Set(readings.map(({ desired }) => desired.key));
  const announced = [
    ...[...standing].map(([key, { state }]) => ({ key, announced: state })),
    ...[...members].map(([key, member]) => ({ key, announced: member })),
  ].filter(each => !measured.has(each.key) && currentSeverity(each.announced) === 'critical');
  return [
    ...readings.filter(({ severity }) => severity === 'critical').map(({ desired }) => desired),
    ...announced.map(({ key, announced: { id, target } }) => ({ key, id, target })),
  ];
}

function stepOpen(alert: ExistingAlert, facts: Facts): AlertAction[] {
  const { severity, desired, isQuiet, now, policy } = facts;
  const { state: before, number } = alert;
  const read = withReading(before, desired, now);
  if (severity === null) {
    const clear = { ...read, clearSince: before.clearSince ?? desired.reading.at };
    const closed = closeWhenHeld(alert, clear, facts);
    return closed.length > 0 ? closed : edit(alert, clear, { isUrgent: before.clearSince === null, ...facts });
  }
  const breached = { ...read, clearSince: null };
  const told = { ...breached, severity, notifiedAt: now.toISOString() };
  // A change that is not announced is not a change yet: it is announced when the silence ends.
  if (!isQuiet && severity !== before.severity)
    return [{ kind: 'comment', number, state: told, reason: 'severity', before }];
  const { repeatSeconds } = policy.ruleOf(desired);
  if (!isQuiet && repeatSeconds > 0 && secondsBetween(before.notifiedAt, now) >= repeatSeconds)
    return [{ kind: 'comment', number, state: told, reason: 'repeat', before }];
  return edit(alert, breached, { isUrgent: before.clearSince !== null, ...facts });
}

function stepClosedByPerson(alert: ExistingAlert, facts: Facts): AlertAction[] {
  const { severity, desired, now, policy } = facts;
  const read = withReading(alert.state, desired, now);
  if (severity !== null) {
    const isRelapse = alert.state.clearSince !== null;
    // Written now and then, so that it stays among those that were lately changed and are listed.
    return isRelapse || secondsBetween(alert.state.writtenAt, now) >= keepAliveSeconds
      ? edit(alert, { ...read, clearSince: null }, { isUrgent: true, ...facts })
      : [];
  }
  const clear = { ...read, clearSince: alert.state.clearSince ?? desired.reading.at };
  const isHeld = secondsBetween(clear.clearSince, now) >= policy.ruleOf(desired).recoveryHoldSeconds;
  if (isHeld) return [{ kind: 'edit', number: alert.number, state: { ...clear, closedAt: now.toISOString() } }];
  return edit(alert, clear, { isUrgent: alert.state.clearSince === null, ...facts });
}

/** Nothing stands for it: wait until it has lasted, stay quiet, or announce it. */
function stepAbsent(
  alert: ExistingAlert | undefined,
  pending: Pending | undefined,
  { severity, desired, isQuiet, now, policy }: Facts,
): { newcomer?: Newcomer; memory: AlertAction[] } {
  const { key, reading } = desired;
  const forget: AlertAction[] = pending ? [{ kind: 'forget', key }] : [];
  if (severity === null) return { memory: forget };
  const since = pending?.since ?? reading.at;
  // Measured, not supposed: one reading long ago does not say that it has lasted.
  const isYoung = secondsBetween(since, new Date(reading.at)) < policy.ruleOf(desired).forSeconds;
  if (isYoung || isQuiet) return { memory: pending ? [] : [{ kind: 'remember', key, pending: { since } }] };
  const isRecent =
    alert?.state.closedAt != null && secondsBetween(alert.state.closedAt, now) <= policy.reopenWindowSeconds;
  return {
    newcomer: { desired, severity, since, ...(alert && (isRecent || alert.isOpen) && { alert }) },
    memory: forget,
  };
}

function closeWhenHeld(
  { number }: ExistingAlert,
  state: AlertState,
  { isQuiet, now, policy }: Pick<Facts, 'isQuiet' | 'now' | 'policy'>,
): AlertAction[] {
  if (state.clearSince === null) return [];
  if (secondsBetween(state.clearSince, now) < policy.ruleOf(state).recoveryHoldSeconds) return [];
  const at = now.toISOString();
  return [{ kind: 'close', number, state: { ...state, closedAt: at, writtenAt: at }, isQuiet }];
}

/** Nothing when nothing new was read, or when it was written a short time ago and can wait. */
function edit(
  { number, state: before }: ExistingAlert,
  state: AlertState,
  { isUrgent, now, policy }: { isUrgent: boolean } & Pick<Facts, 'now' | 'policy'>,
): AlertAction[] {
  if (isUrgent) return [{ kind: 'edit', number, state }];
  const isSame = JSON.stringify(before.reading) === JSON.stringify(state.reading);
  const isWaiting = secondsBetween(before.writtenAt, now) < policy.refreshSeconds;
  return isSame || isWaiting ? [] : [{ kind: 'edit', number, state }];
}

// A month below the time that the list of closed issues looks back; see github-alerts.ts.
const keepAliveSeconds = 30 * 86_400;

/** Should the way to GitHub break in the middle, what matters most is done. */
function urgency(action: AlertAction): number {
  switch (action.kind) {
    case 'open':
    case 'reopen':
      return action.state.severity === 'critical' ? 0 : 1;
    case 'comment':
      return 2;
    case 'close':
      return 3;
    case 'merge':
      return 4;
    case 'edit':
      return 5;
    case 'remember':
    case 'forget':
      return 6;
  }
}
