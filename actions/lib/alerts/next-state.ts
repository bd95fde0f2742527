import type { ExistingAlert } from './actions.ts';
import type { Desired } from './desired.ts';
import type { Severity } from './policy.ts';
import type { AlertState } from './state.ts';

/** The alert with what was read now. */
export function withReading(state: AlertState, desired: Desired, now: Date): AlertState {
  const { reading, kind } = desired;
  return { ...state, kind, reading, recent: withValue(state.recent, desired), writtenAt: now.toISOString() };
}

/** What a report says of an alert, and how grave that is by the rules. */
export interface Measured {
  desired: Desired;
  /** Null: well. */
  severity: Severity | null;
}

/** A breach that nothing stands for yet. */
export interface Newcomer {
  desired: Desired;
  severity: Severity;
  since: string;
  /** Its own issue: closed not long ago, or reopened by a person. */
  alert?: ExistingAlert;
}

/** The state of an alert that is announced now. */
export function announcedState({ desired, severity, since, alert }: Newcomer, now: Date): AlertState {
  const { key, id, target, kind, reading } = desired;
  const at = now.toISOString();
  return {
    key,
    id,
    target,
    kind,
    severity,
    since,
    clearSince: null,
    notifiedAt: at,
    writtenAt: at,
    closedAt: null,
    mergedInto: null,
    episodes: (alert?.state.episodes ?? 0) + 1,
    reading,
    recent: withValue(alert?.state.recent ?? [], desired),
    members: null,
    unlisted: 0,
  };
}

const mostRecentValues = 60;

function withValue(recent: AlertState['recent'], { reading, history }: Desired): AlertState['recent'] {
  const seconds = Math.floor(Date.parse(reading.at) / 1000);
  const last = recent.at(-1)?.[0] ?? 0;
  const missed = (history ?? [])
    .filter(([at]) => at > last && at < seconds)
    .map(([at, value]): [number, number] => [at, value]);
  const read: AlertState['recent'] = reading.value === null || seconds <= last ? [] : [[seconds, reading.value]];
  return [...recent, ...missed, ...read].slice(-mostRecentValues);
}

export function secondsBetween(from: string, to: Date): number {
  // The clocks of two machines differ: what a report says of a moment ahead has just been.
  return Math.max(0, to.getTime() - Date.parse(from)) / 1000;
}
