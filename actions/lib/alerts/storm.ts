import type { AlertAction, ExistingAlert, Reason } from './actions.ts';
import { alertKey, type Desired, gravity } from './desired.ts';
import { announcedState, type Measured, type Newcomer, secondsBetween } from './next-state.ts';
import type { AlertPolicy } from './policy.ts';
import { type AlertState, encodeMarker, type Member } from './state.ts';

/**
 * Many alerts at once are one event: beyond the limit they become members of one issue, and stay in it until they are
 * well. GitHub takes 80 new issues and comments a minute, and a person fewer.
 */
export const stormKey = 'ops.storm';

/** Whom the storm's issue stands for, by key; one that has an open issue of its own is not among them. */
export function membersOf(
  storm: ExistingAlert | undefined,
  standing: ReadonlyMap<string, ExistingAlert>,
): Map<string, Member> {
  const members = storm && storm.state.closedAt === null ? (storm.state.members ?? []) : [];
  const own = (key: string) => {
    const alert = standing.get(key);
    return alert?.isOpen === true && alert.state.closedAt === null;
  };
  return new Map(members.map(member => [alertKey(member), member] as const).filter(([key]) => !own(key)));
}

export interface StormFacts {
  storm: ExistingAlert | undefined;
  members: ReadonlyMap<string, Member>;
  readings: readonly Measured[];
  newcomers: readonly Newcomer[];
  /** What is already decided. */
  actions: readonly AlertAction[];
  standing: ReadonlyMap<string, ExistingAlert>;
  isQuiet: (desired: Desired) => boolean;
  now: Date;
  policy: AlertPolicy;
}

/** Opens the newcomers one by one, or all of them in the storm's issue; and follows what becomes of its members. */
export function planStorm(facts: StormFacts): AlertAction[] {
  const { storm, newcomers, now } = facts;
  const joining = isStorm(facts) ? newcomers : [];
  const single = joining.length > 0 ? [] : newcomers;
  const opened = single.map((newcomer): AlertAction => {
    const state = announcedState(newcomer, now);
    return newcomer.alert
      ? newcomer.alert.isOpen
        ? { kind: 'comment', number: newcomer.alert.number, state, reason: 'reopened', before: newcomer.alert.state }
        : { kind: 'reopen', number: newcomer.alert.number, state }
      : { kind: 'open', state };
  });
  return storm || joining.length > 0 ? [...opened, ...stepStorm(facts, joining)] : opened;
}

function isStorm({ storm, members, newcomers, actions, standing, policy }: StormFacts): boolean {
  if (newcomers.length === 0) return false;
  // Those for whom the body had no room come again each time.
  if (storm?.state.closedAt === null && storm.state.unlisted > 0) return true;
  const closing = new Set(actions.flatMap(action => (action.kind === 'close' ? [action.number] : [])));
  const open = [...standing.values()].filter(
    ({ isOpen, number, state }) => isOpen && state.closedAt === null && state.members === null && !closing.has(number),
  );
  return open.length + members.size + newcomers.length > policy.stormLimit;
}

function stepStorm(facts: StormFacts, joining: readonly Newcomer[]): AlertAction[] {
  const { storm, now, policy } = facts;
  const followed = [...facts.members.values()]
    .map(member => follow(member, facts))
    .filter(member => !isOver(member, facts));
  const all = [...followed, ...joining.map(memberOf)];
  const { listed, unlisted } = whatFits(all);

  if (!storm || storm.state.closedAt !== null) {
    if (joining.length === 0) return [];
    const state = stormState(undefined, listed, unlisted, facts);
    if (storm?.isOpen) return [{ kind: 'comment', number: storm.number, state, reason: 'joined', before: storm.state }];
    const isRecent = storm && secondsBetween(storm.state.closedAt!, now) <= policy.reopenWindowSeconds;
    return [isRecent ? { kind: 'reopen', number: storm.number, state } : { kind: 'open', state }];
  }

  const { number, state: before, isOpen } = storm;
  if (all.length === 0) {
    const at = now.toISOString();
    const state = {
      ...before,
      members: [],
      unlisted: 0,
      clearSince: before.clearSince ?? at,
      closedAt: at,
      writtenAt: at,
    };
    return [isOpen ? { kind: 'close', number, state, isQuiet: false } : { kind: 'edit', number, state }];
  }
  const next = stormState(before, listed, unlisted, facts);
  // Those for whom there was no room before are not new to anybody.
  const hasJoined = joining.length > Math.max(0, before.unlisted);
  if (!isOpen && hasJoined) return [{ kind: 'reopen', number, state: announced(next, now) }];
  const reason = isOpen ? reasonToTell(before, next, hasJoined, facts) : undefined;
  if (reason) return [{ kind: 'comment', number, state: announced(next, now), reason, before }];
  return editStorm(storm, next, facts);
}

/** What this run says of a member. */
function follow(member: Member, { readings }: StormFacts): Member {
  const measured = readings.find(({ desired }) => desired.key === alertKey(member));
  if (!measured) return member;
  const { desired, severity } = measured;
  const read = { ...member, kind: desired.kind, message: shortMessage(desired), at: desired.reading.at };
  return severity === null
    ? { ...read, clearSince: member.clearSince ?? desired.reading.at }
    : { ...read, severity, clearSince: null };
}

function isOver(member: Member, { now, policy }: StormFacts): boolean {
  if (member.clearSince === null) return false;
  return secondsBetween(member.clearSince, now) >= policy.ruleOf(member).recoveryHoldSeconds;
}

function memberOf({ desired, severity, since }: Newcomer): Member {
  const { id, target, kind, reading } = desired;
  return { id, target, kind, severity, since, clearSince: null, message: shortMessage(desired), at: reading.at };
}

function shortMessage({ reading: { message } }: Desired): string {
  return message.length > 160 ? `${message.slice(0, 160)}…` : message;
}

// GitHub takes 65,536 characters, and people have to read them as well.
const longestMembers = 24_000;

/** The gravest, as many as a body has room for; how many are left out is said. */
function whatFits(members: readonly Member[]): { listed: Member[]; unlisted: number } {
  const sorted = members.toSorted(
    (a, b) => gravity(b.severity) - gravity(a.severity) || (alertKey(a) < alertKey(b) ? -1 : 1),
  );
  let length = 0;
  let count = 0;
  for (const member of sorted) {
    length += encodedLength(member);
    if (length > longestMembers) break;
    count++;
  }
  return { listed: sorted.slice(0, count), unlisted: sorted.length - count };
}

function encodedLength(member: Member): number {
  // What the comment escapes counts six times.
  return encodeMarker({ members: [member] } as unknown as AlertState).length;
}

function stormState(
  before: AlertState | undefined,
  members: Member[],
  unlisted: number,
  { storm, now, policy, readings }: StormFacts,
): AlertState {
  const at = now.toISOString();
  const breached = members.filter(member => member.clearSince === null);
  const worst = breached.toSorted((a, b) => gravity(b.severity) - gravity(a.severity))[0];
  const severity = worst?.severity ?? before?.severity ?? 'warning';
  const count = members.length + unlisted;
  const newest = readings
    .map(({ desired }) => desired)
    .sort((a, b) => Date.parse(b.reading.at) - Date.parse(a.reading.at))[0];
  const clearSince = breached.length > 0 ? null : (before?.clearSince ?? at);
  return {
    key: stormKey,
    id: stormKey,
    target: null,
    kind: 'alerts',
    severity,
    since: [...members.map(member => member.since), ...(before ? [before.since] : [])].sort()[0]!,
    clearSince,
    notifiedAt: before?.notifiedAt ?? at,
    writtenAt: at,
    closedAt: null,
    mergedInto: null,
    episodes: (storm?.state.episodes ?? 0) + (before ? 0 : 1),
    reading: {
      status: severity,
      value: count,
      threshold: policy.stormLimit,
      unit: 'alerts',
      message: `${count} alerts at once`,
      at:
        members
          .map(member => member.at)
          .sort()
          .at(-1) ?? at,
      reportId: newest?.reading.reportId ?? before?.reading.reportId ?? '',
      runUrl: newest?.reading.runUrl ?? before?.reading.runUrl ?? null,
    },
    recent: [],
    members,
    unlisted,
  };
}

function announced(state: AlertState, now: Date): AlertState {
  return { ...state, notifiedAt: now.toISOString() };
}

function reasonToTell(
  before: AlertState,
  next: AlertState,
  hasJoined: boolean,
  { readings, isQuiet, now, policy }: StormFacts,
): Reason | undefined {
  if (hasJoined) return 'joined';
  const keys = new Set((next.members ?? []).filter(m => m.clearSince === null).map(alertKey));
  const isHeard = readings.some(({ desired }) => keys.has(desired.key) && !isQuiet(desired));
  if (!isHeard) return undefined;
  if (gravity(next.severity) > gravity(before.severity)) return 'severity';
  const { repeatSeconds } = policy.ruleOf(next);
  return repeatSeconds > 0 && secondsBetween(before.notifiedAt, now) >= repeatSeconds ? 'repeat' : undefined;
}

function editStorm(
  { number, state: before }: ExistingAlert,
  next: AlertState,
  { now, policy }: StormFacts,
): AlertAction[] {
  const outline = ({ members, unlisted }: AlertState) =>
    JSON.stringify([unlisted, members?.map(member => [alertKey(member), member.severity, member.clearSince])]);
  const isUrgent = outline(before) !== outline(next);
  const isSame = !isUrgent && JSON.stringify(before.members) === JSON.stringify(next.members);
  const isWaiting = secondsBetween(before.writtenAt, now) < policy.refreshSeconds;
  return isSame || (isWaiting && !isUrgent) ? [] : [{ kind: 'edit', number, state: next }];
}
