import { type CronFields, isDayOf, parseCron, type Schedule } from './cron.ts';
import { openZone, transitionBetween, utc, type Zone } from './zone.ts';

/**
 * The first instant after `after` at which the schedule fires; undefined when there is none (30 February).
 * When clocks go forward, what falls into the hour that is left out fires as soon as it is over, as GitHub does it. When
 * they go back, a schedule for a certain hour fires once, at the first time round; one for every hour fires in both.
 * @throws OpsError `CRON_INVALID`, `TIME_ZONE_UNKNOWN`
 */
export function nextFiring(schedule: Schedule, after: Date): Date | undefined {
  const opened = open(schedule);
  const first = dayOf(after.getTime()) - 2 * dayMs;
  for (let number = 0; number < searchedDays; number++) {
    const found = firingsOfDay(opened, first + number * dayMs).find(instant => instant > after.getTime());
    if (found !== undefined) return new Date(found);
  }
  return undefined;
}

/** The last instant, not after `at`, at which it fires. Otherwise as `nextFiring`. */
export function previousFiring(schedule: Schedule, at: Date): Date | undefined {
  const opened = open(schedule);
  const first = dayOf(at.getTime()) + 2 * dayMs;
  for (let number = 0; number < searchedDays; number++) {
    const found = firingsOfDay(opened, first - number * dayMs).findLast(instant => instant <= at.getTime());
    if (found !== undefined) return new Date(found);
  }
  return undefined;
}

/**
 * Seconds between two firings of the schedules taken together, at their farthest apart: over the year before `around`,
 * the year after, and the gaps that reach beyond. Undefined when they never fire.
 * @throws OpsError `CRON_INVALID`, `TIME_ZONE_UNKNOWN`
 */
export function longestGapSeconds(schedules: readonly Schedule[], around: Date): number | undefined {
  const from = dayOf(around.getTime()) - 366 * dayMs;
  const to = from + 2 * 366 * dayMs;
  const instants = schedules.flatMap(schedule => {
    const bounds = [previousFiring(schedule, new Date(from - 1)), nextFiring(schedule, new Date(to))];
    return [...firingsBetween(schedule, from, to), ...bounds.flatMap(bound => (bound ? [bound.getTime()] : []))];
  });
  instants.sort((a, b) => a - b);
  // Of several schedules only the last firing before the span, and the first after it, bound a gap.
  const begin = instants.findLastIndex(instant => instant < from);
  const end = instants.findIndex(instant => instant > to);
  let longest = 0;
  for (let index = Math.max(1, begin + 1); index <= (end < 0 ? instants.length - 1 : end); index++) {
    longest = Math.max(longest, instants[index]! - instants[index - 1]!);
  }
  return longest > 0 ? longest / 1000 : undefined;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
// Days of the year meet the days of the week again after at most 40 years (across 2100, which is not a leap year).
const searchedDays = 40 * 366;

interface Opened {
  fields: CronFields;
  zone: Zone;
}

function open(schedule: Schedule): Opened {
  return { fields: parseCron(schedule.cron), zone: openZone(schedule.timeZone) };
}

function firingsBetween(schedule: Schedule, from: number, to: number): number[] {
  const opened = open(schedule);
  const instants: number[] = [];
  for (let day = dayOf(from) - 2 * dayMs; day <= to + 2 * dayMs; day += dayMs) {
    for (const instant of firingsOfDay(opened, day)) if (instant >= from && instant <= to) instants.push(instant);
  }
  return instants;
}

function dayOf(instant: number): number {
  return Math.floor(instant / dayMs) * dayMs;
}

/** @param day a day of the zone's calendar, as the instant at which it begins in UTC */
function firingsOfDay({ fields, zone }: Opened, day: number): number[] {
  const date = new Date(day);
  if (!isDayOf(fields, date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay())) return [];
  const walls = fields.minutesOfDay.map(minute => day + minute * minuteMs);
  if (zone === utc) return walls;
  // Zones are at most 14 h ahead of UTC and 12 h behind it.
  const [first, last] = [day - 15 * 3_600_000, day + dayMs + 13 * 3_600_000];
  const [before, after] = [zone.offsetAt(first), zone.offsetAt(last)];
  if (before === after) return walls.map(wall => wall - before);
  const transition = transitionBetween(zone, first, last);
  const instants = walls.flatMap(wall => {
    const times = [wall - before, wall - after].filter((time, index) => time < transition === (index === 0));
    if (times.length === 0) return [transition];
    return fields.isEveryHour ? times : times.slice(0, 1);
  });
  return [...new Set(instants)].sort((a, b) => a - b);
}
