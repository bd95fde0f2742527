/**
 * The last instant, not after `now`, that a cron line names, in UTC; undefined when the line is not a cron line or names
 * none within the years looked at. Five fields as Actions takes them: lists, ranges, steps, names of months and days;
 * day of month and day of week are alternatives when both are restricted (POSIX).
 */
export function lastCronInstant(cron: string, now: Date): Date | undefined {
  const fields = cron.trim().split(/\s+/);
  if (fields.length !== 5) return undefined;
  const [minutes, hours, days, months, weekdays] = fields.map((field, index) => readField(field, ranges[index]!));
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  const isEitherDay = !isOpen(fields[2]!) && !isOpen(fields[4]!);

  const day = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate()));
  for (let back = 0; back <= searchedDays; back++, day.setUTCDate(day.getUTCDate() - 1)) {
    if (!months.has(day.getUTCMonth() + 1)) continue;
    const isDay = days.has(day.getUTCDate());
    const isWeekday = weekdays.has(day.getUTCDay());
    if (isEitherDay ? !isDay && !isWeekday : !isDay || !isWeekday) continue;
    for (const hour of descending(hours)) {
      for (const minute of descending(minutes)) {
        const at = day.getTime() + (hour * 60 + minute) * 60_000;
        if (at <= now.getTime()) return new Date(at);
      }
    }
  }
  return undefined;
}

// 29 February is eight years apart around a century that is not a leap year.
const searchedDays = 8 * 366;

interface Range {
  min: number;
  max: number;
  names: readonly string[];
}

const ranges: readonly Range[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'] },
  // 7 is Sunday as well as 0.
  { min: 0, max: 7, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

function readField(field: string, range: Range): Set<number> | undefined {
  const values = new Set<number>();
  for (const item of field.split(',')) {
    const match = /^(?:\*|(\w+)(?:-(\w+))?)(?:\/(\d+))?$/.exec(item);
    if (!match) return undefined;
    const [, first, last, stepText] = match;
    const step = stepText === undefined ? 1 : Number(stepText);
    const from = first === undefined ? range.min : readValue(first, range);
    const openEnd = first === undefined || stepText !== undefined ? range.max : from;
    const to = last === undefined ? openEnd : readValue(last, range);
    if (from === undefined || to === undefined || from > to || step < 1) return undefined;
    for (let value = from; value <= to; value += step) values.add(range.max === 7 ? value % 7 : value);
  }
  return values;
}

function readValue(text: string, range: Range): number | undefined {
  const named = range.names.indexOf(text.toLowerCase());
  if (named >= 0) return named + range.min;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return value >= range.min && value <= range.max ? value : undefined;
}

/** A field that begins with a star does not restrict, as in every cron since Vixie's. */
function isOpen(field: string): boolean {
  return field.startsWith('*');
}

function descending(values: ReadonlySet<number>): number[] {
  return [...values].sort((a, b) => b - a);
}
