import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  longestGapSeconds,
  nextFiring,
  parseCron,
  previousFiring,
  type Schedule,
} from '../../actions/lib/schedule/index.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const windowMs = 3 * 86_400_000;
const at = (text: string) => new Date(text);
const days = (count: number) => count * 86_400;

describe('the next firing', () => {
  test.each<[string, string | undefined, string, string | undefined]>([
    ['0 2 * * *', undefined, '2026-11-23T02:00:00Z', '2026-11-24T02:00:00Z'],
    ['0 2 * * *', undefined, '2026-11-23T01:59:59.999Z', '2026-11-23T02:00:00Z'],
    ['*/15 9-17 * * MON-FRI', undefined, '2026-11-20T17:45:00Z', '2026-11-23T09:00:00Z'],
    ['5/20 0 1 JAN,jul *', undefined, '2026-07-01T00:05:00Z', '2026-07-01T00:25:00Z'],
    // Both days restricted: either is enough. A star with a step does not restrict.
    ['0 0 13 * 5', undefined, '2026-11-13T00:00:00Z', '2026-11-20T00:00:00Z'],
    ['0 0 */2 * 5', undefined, '2026-11-13T00:00:00Z', '2026-11-27T00:00:00Z'],
    ['0 0 * * 7', undefined, '2026-11-23T00:00:00Z', '2026-11-29T00:00:00Z'],
    ['0 0 * * 5-7', undefined, '2026-11-28T00:00:00Z', '2026-11-29T00:00:00Z'],
    ['0 0 29 2 *', undefined, '2096-03-01T00:00:00Z', '2104-02-29T00:00:00Z'],
    ['0 0 31 4,6 *', undefined, '2026-01-01T00:00:00Z', undefined],
    // GitHub: what falls into the hour that is left out runs at its end. The hour that comes twice counts once.
    ['30 2 * * *', 'America/New_York', '2026-03-08T00:00:00Z', '2026-03-08T07:00:00Z'],
    ['30 1 * * *', 'America/New_York', '2026-11-01T04:00:00Z', '2026-11-01T05:30:00Z'],
    ['30 1 * * *', 'America/New_York', '2026-11-01T05:30:00Z', '2026-11-02T06:30:00Z'],
    ['30 * * * *', 'America/New_York', '2026-11-01T05:30:00Z', '2026-11-01T06:30:00Z'],
    ['0 9 * * *', 'Europe/Berlin', '2026-10-24T07:00:00Z', '2026-10-25T08:00:00Z'],
    // Half an hour of daylight saving; the first and the last of all days.
    ['15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00:00Z', '2026-10-03T15:30:00Z'],
    ['0 0 * * 1', 'Pacific/Kiritimati', '2026-11-22T00:00:00Z', '2026-11-22T10:00:00Z'],
    ['59 23 * * 0', 'Etc/GMT+12', '2026-11-22T12:00:00Z', '2026-11-23T11:59:00Z'],
  ])('of %s in %s after %s', (cron, timeZone, after, expected) => {
    expect(nextFiring({ cron, timeZone }, at(after))).toEqual(expected === undefined ? undefined : at(expected));
  });
});

describe('the longest gap', () => {
  test.each<[string[], string | undefined, number | undefined]>([
    [['0 2 * * *'], undefined, days(1)],
    [['*/5 * * * *'], undefined, 300],
    [['0 5 * * 1'], undefined, days(7)],
    [['0 5 * * 1-5'], undefined, days(3)],
    // Together they are closer than each alone.
    [['0 2 * * *', '0 3 * * *'], undefined, 23 * 3600],
    // Months that are too short are passed over.
    [['0 0 1 * *'], undefined, days(31)],
    [['0 0 31 * *'], undefined, days(61)],
    [['0 0 30 * *'], undefined, days(59)],
    [['0 0 1 1 *'], undefined, days(365)],
    [['0 0 29 2 *'], undefined, days(1461)],
    [['0 0 30 2 *'], undefined, undefined],
    [['0 0 30 2 *', '0 2 * * *'], undefined, days(1)],
    // The day of 25 hours.
    [['30 1 * * *'], 'America/New_York', 25 * 3600],
    [['0 * * * *'], 'America/New_York', 3600],
  ])('of %j in %s', (crons, timeZone, expected) => {
    const schedules = crons.map(cron => ({ cron, timeZone }));
    expect(longestGapSeconds(schedules, at('2026-11-23T12:00:00Z'))).toBe(expected);
  });
});

test.each([
  ['0 2 * *', /4 fields/],
  ['60 * * * *', /'60' is no minute/],
  ['0 24 * * *', /'24' is no hour/],
  ['0 0 0 * *', /'0' is no day of month/],
  ['0 0 * FOO *', /'FOO' is no month/],
  ['0 0 * * 8', /'8' is no day of week/],
  ['0 0 5-1 * *', /'5-1' names no day of month/],
  ['*/0 * * * *', /names no minute/],
  ['@daily', /1 fields/],
  ['0 0 L * *', /'L' is no day of month/],
  ['-1 * * * *', /'-1' is no minute/],
])('%s is refused', (cron, message) => {
  expect(() => parseCron(cron)).toThrow(message);
  expect(() => parseCron(cron)).toThrow(expect.objectContaining({ code: 'CRON_INVALID' }));
});

test('a zone that does not exist is named', () => {
  expect(() => nextFiring({ cron: '0 0 * * *', timeZone: 'Europe/Atlantis' }, new Date())).toThrow(
    "'Europe/Atlantis' is not a time zone",
  );
});

describe('for any schedule, firings are those that a look at every minute finds', () => {
  const field = (min: number, max: number) => {
    const value = fc.integer({ min, max });
    return fc.oneof(
      { weight: 3, arbitrary: fc.constant('*') },
      { weight: 3, arbitrary: value.map(String) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max }).map(step => `*/${step}`) },
      {
        weight: 1,
        arbitrary: fc.tuple(value, value, fc.integer({ min: 1, max: 7 })).map(([a, b, step]) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          return step === 1 ? `${from}-${to}` : `${from}-${to}/${step}`;
        }),
      },
      { weight: 1, arbitrary: fc.tuple(value, value).map(([a, b]) => `${a},${b}`) },
    );
  };
  const cron = fc
    .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
    .map(fields => fields.join(' '));
  // Half of the windows hold a change of clocks.
  const window = fc.constantFrom<[string | undefined, string]>(
    [undefined, '2026-02-27'],
    [undefined, '2028-02-28'],
    ['Asia/Kathmandu', '2026-12-30'],
    ['America/New_York', '2026-03-07'],
    ['America/New_York', '2026-10-31'],
    ['Europe/Berlin', '2026-03-28'],
    ['Europe/Berlin', '2026-10-24'],
    ['Australia/Lord_Howe', '2026-04-03'],
    ['America/Havana', '2026-10-31'],
    ['Pacific/Apia', '2011-12-28'],
  );

  test('in both directions', () => {
    fc.assert(
      fc.property(cron, window, (line, [timeZone, from]) => {
        const schedule = { cron: line, timeZone };
        const start = Date.parse(`${from}T00:00:00Z`);
        const end = start + windowMs;
        const expected = everyMinute(schedule, start, end);
        expect(forwards(schedule, start, end)).toEqual(expected);
        expect(backwards(schedule, start, end)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('and no two are farther apart than the longest gap', () => {
    fc.assert(
      fc.property(fc.array(cron, { minLength: 1, maxLength: 2 }), window, (lines, [timeZone, from]) => {
        const schedules = lines.map(line => ({ cron: line, timeZone }));
        const start = Date.parse(`${from}T00:00:00Z`);
        const found = new Set(schedules.flatMap(schedule => everyMinute(schedule, start, start + windowMs)));
        const sorted = [...found].sort((a, b) => a - b);
        const gaps = sorted.slice(1).map((instant, index) => (instant - sorted[index]!) / 1000);
        fc.pre(gaps.length > 0);
        expect(longestGapSeconds(schedules, new Date(start))).toBeGreaterThanOrEqual(Math.max(...gaps));
      }),
      { numRuns: 30 },
    );
  });
});

function forwards(schedule: Schedule, start: number, end: number): number[] {
  const found: number[] = [];
  for (let next = nextFiring(schedule, new Date(start - 1)); next && next.getTime() < end; ) {
    found.push(next.getTime());
    next = nextFiring(schedule, next);
  }
  return found;
}

function backwards(schedule: Schedule, start: number, end: number): number[] {
  const found: number[] = [];
  for (let last = previousFiring(schedule, new Date(end - 1)); last && last.getTime() >= start; ) {
    found.unshift(last.getTime());
    last = previousFiring(schedule, new Date(last.getTime() - 1));
  }
  return found;
}

/** Asks of each minute what the clock on the wall shows, and knows nothing of days and offsets. */
function everyMinute({ cron, timeZone = 'UTC' }: Schedule, start: number, end: number): number[] {
  const matches = matcher(cron);
  const isEveryHour = cron.split(' ')[1]!.startsWith('*');
  const seen = new Set<number>();
  const found: number[] = [];
  let previous = Number.NaN;
  for (const { instant, wall } of clockOf(timeZone, start - 4 * hourMs, end)) {
    let fires = matches(wall) && (isEveryHour || !seen.has(wall));
    for (let skipped = previous + minuteMs; skipped < wall; skipped += minuteMs) fires ||= matches(skipped);
    if (fires && instant >= start) found.push(instant);
    seen.add(wall);
    previous = wall;
  }
  return found;
}

const clocks = new Map<string, { instant: number; wall: number }[]>();

function clockOf(timeZone: string, start: number, end: number): { instant: number; wall: number }[] {
  const key = `${timeZone} ${start}`;
  const known = clocks.get(key);
  if (known) return known;
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'short' });
  const clock: { instant: number; wall: number }[] = [];
  for (let instant = start; instant < end; instant += minuteMs) {
    clock.push({ instant, wall: Date.parse(`${format.format(instant).replace(' ', 'T')}Z`) });
  }
  clocks.set(key, clock);
  return clock;
}

function matcher(cron: string): (wall: number) => boolean {
  const fields = cron.split(' ');
  const valuesOf = (index: number, min: number, max: number) => {
    const values = new Set<number>();
    for (const item of fields[index]!.split(',')) {
      const [span, step = '1'] = item.split('/');
      const [from, to] = span === '*' ? [min, max] : [Number(span!.split('-')[0]), Number(span!.split('-').at(-1))];
      for (let value = from; value <= to; value += Number(step)) values.add(value);
    }
    return values;
  };
  const [minutes, hours, monthDays] = [valuesOf(0, 0, 59), valuesOf(1, 0, 23), valuesOf(2, 1, 31)];
  const [months, weekdays] = [valuesOf(3, 1, 12), valuesOf(4, 0, 6)];
  const isEither = !fields[2]!.startsWith('*') && !fields[4]!.startsWith('*');
  return wall => {
    const time = new Date(wall);
    const isDay = monthDays.has(time.getUTCDate());
    const isWeekday = weekdays.has(time.getUTCDay());
    return (
      minutes.has(time.getUTCMinutes()) &&
      hours.has(time.getUTCHours()) &&
      months.has(time.getUTCMonth() + 1) &&
      (isEither ? isDay || isWeekday : isDay && isWeekday)
    );
  };
}
