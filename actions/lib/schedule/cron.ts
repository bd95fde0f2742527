import { OpsError } from '../errors/index.ts';

/** When a workflow is meant to run: a line below `on.schedule`. */
export interface Schedule {
  /** Five fields: minute, hour, day of month, month, day of week. */
  readonly cron: string;
  /** IANA name; default UTC. */
  readonly timeZone?: string | undefined;
}

/** What the five fields name. Lists ascend. */
export interface CronFields {
  /** Hour × 60 + minute. */
  readonly minutesOfDay: readonly number[];
  readonly months: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly weekdays: ReadonlySet<number>;
  /** Day of month and day of week are both restricted: either of them is enough (POSIX). */
  readonly isEitherDay: boolean;
  /** The hour is not restricted: when clocks go back, the hour that comes twice is served twice. */
  readonly isEveryHour: boolean;
}

/** @throws OpsError `CRON_INVALID` that names the field */
export function parseCron(cron: string): CronFields {
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== ranges.length) {
    throw invalid(cron, `it has ${fields.length} fields, and five are needed`);
  }
  const [minutes, hours, days, months, weekdays] = fields.map((field, index) =>
    parseField(cron, field, ranges[index]!),
  );
  const minutesOfDay = ascending(hours!).flatMap(hour => ascending(minutes!).map(minute => hour * 60 + minute));
  return {
    minutesOfDay,
    months: months!,
    days: days!,
    weekdays: weekdays!,
    isEitherDay: !isOpen(fields[2]!) && !isOpen(fields[4]!),
    isEveryHour: isOpen(fields[1]!),
  };
}

/** Whether it fires on a day of the calendar. @param month 1 to 12 */
export function isDayOf(fields: CronFields, month: number, day: number, weekday: number): boolean {
  if (!fields.months.has(month)) return false;
  const isDay = fields.days.has(day);
  const isWeekday = fields.weekdays.has(weekday);
  return fields.isEitherDay ? isDay || isWeekday : isDay && isWeekday;
}

interface Range {
  name: string;
  min: number;
  max: number;
  names: readonly string[];
}

const ranges: readonly Range[] = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  {
    name: 'month',
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  // 7 is Sunday as well as 0.
  { name: 'day of week', min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

function parseField(cron: string, field: string, range: Range): ReadonlySet<number> {
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const match = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(item);
    if (!match) throw invalid(cron, `'${item}' is no ${range.name}`);
    const [, first, last, stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    const from = first === undefined ? range.min : parseValue(cron, first, range);
    // `3/10` means from 3 on, each tenth.
    const isOpenEnd = first === undefined || stepText !== undefined;
    const to = last === undefined ? (isOpenEnd ? lastOf(range) : from) : parseValue(cron, last, range);
    if (from > to || step < 1) throw invalid(cron, `'${item}' names no ${range.name}`);
    for (let value = from; value <= to; value += step) values.add(isWeek(range) ? value % 7 : value);
  }
  return values;
}

function parseValue(cron: string, text: string, range: Range): number {
  const named = range.names.indexOf(text.toLowerCase());
  if (named >= 0) return named + range.min;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw invalid(cron, `'${text}' is no ${range.name} (${range.min} to ${range.max})`);
}

function isWeek(range: Range): boolean {
  return range.max === 7;
}

/** `*\/2` steps through Sunday to Saturday, not on to the second Sunday. */
function lastOf(range: Range): number {
  return isWeek(range) ? 6 : range.max;
}

/** A field that begins with a star does not restrict, as in every cron since Vixie's. */
function isOpen(field: string): boolean {
  return field.startsWith('*');
}

function ascending(values: ReadonlySet<number>): number[] {
  return [...values].sort((a, b) => a - b);
}

function invalid(cron: string, why: string): OpsError {
  return new OpsError('CRON_INVALID', `'${cron}' is not a cron line: ${why}`, {
    hint: 'Five fields, as in https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#onschedule.',
    exit: 'usage',
  });
}
