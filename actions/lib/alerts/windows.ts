import { openZone, type Zone } from '../schedule/index.ts';

/** When alerts are kept quiet: silences, which end, and maintenance windows, which come again. Instants are in milliseconds. */

export interface Silence {
  from?: string | undefined;
  until: string;
  zone: string;
}

export interface MaintenanceWindow {
  days: readonly Weekday[];
  /** `02:00`, local time */
  from: string;
  to: string;
  zone: string;
}

export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const;
export type Weekday = (typeof weekdays)[number];

export function isSilenced(silence: Silence, now: Date): boolean {
  const zone = openZone(silence.zone);
  const from = silence.from === undefined ? Number.NEGATIVE_INFINITY : instantOf(silence.from, zone, 'earlier');
  return from <= now.getTime() && now.getTime() < instantOf(silence.until, zone, 'later');
}

/**
 * A window begins at the instant of its local time (one that clocks skip is moved on by as much as they skip; of one that
 * comes twice it is the first), and ends at its local end, the second one if that comes twice, but never before it has
 * lasted as long as its clock times say: a window that clocks cut short is not over while the work in it still goes on.
 */
export function isInMaintenance(window: MaintenanceWindow, now: Date): boolean {
  const zone = openZone(window.zone);
  const local = new Date(now.getTime() + zone.offsetAt(now.getTime()));
  // One that began on the day before may still last, and with 23 h and a change of clocks the one before that.
  for (const daysAgo of [0, 1, 2]) {
    const day = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate() - daysAgo);
    if (!window.days.includes(weekdays[new Date(day).getUTCDay()]!)) continue;
    const { start, end } = occurrence(window, day, zone);
    if (start <= now.getTime() && now.getTime() < end) return true;
  }
  return false;
}

/** @param day midnight of the local day, as if it were UTC */
export function occurrence(window: MaintenanceWindow, day: number, zone: Zone): { start: number; end: number } {
  const from = day + clockMs(window.from);
  const to = day + clockMs(window.to) + (clockMs(window.to) <= clockMs(window.from) ? dayMs : 0);
  const start = resolveLocal(from, zone, 'earlier');
  return { start, end: Math.max(resolveLocal(to, zone, 'later'), start + (to - from)) };
}

const dayMs = 86_400_000;

function clockMs(clock: string): number {
  const [hours, minutes] = clock.split(':').map(Number);
  return (hours! * 60 + minutes!) * 60_000;
}

/** A time with Z or an offset is an instant; without, it is local to the zone. A day alone is its midnight. */
function instantOf(text: string, zone: Zone, which: 'earlier' | 'later'): number {
  if (/(Z|[+-]\d\d:\d\d)$/.test(text) && text.includes('T')) return Date.parse(text);
  const wall = Date.parse(`${text.includes('T') ? text : `${text}T00:00`}Z`);
  return resolveLocal(wall, zone, which);
}

/**
 * The instant at which clocks of the zone show a wall time (given as if it were UTC): the earlier or the later of two;
 * one that clocks skip is moved on by as much as they skip, as calendars do (RFC 5545, 3.3.5).
 */
export function resolveLocal(wall: number, zone: Zone, which: 'earlier' | 'later'): number {
  // No zone changes its clocks twice within two days.
  const before = zone.offsetAt(wall - dayMs);
  const after = zone.offsetAt(wall + dayMs);
  const candidates = [wall - before, wall - after].filter(instant => instant + zone.offsetAt(instant) === wall);
  if (candidates.length === 0) return wall - before;
  return which === 'earlier' ? Math.min(...candidates) : Math.max(...candidates);
}
