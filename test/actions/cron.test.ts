import { expect, test } from 'vitest';
import { lastCronInstant } from '../../actions/lib/run/cron.ts';

// 2026-11-23 is a Monday.
const now = new Date('2026-11-23T06:30:15Z');

test.each([
  ['daily, earlier today', '0 2 * * *', '2026-11-23T02:00:00.000Z'],
  ['daily, not yet today', '0 7 * * *', '2026-11-22T07:00:00.000Z'],
  ['this very minute', '30 6 * * *', '2026-11-23T06:30:00.000Z'],
  ['one minute ahead', '31 6 * * *', '2026-11-22T06:31:00.000Z'],
  ['every five minutes', '*/5 * * * *', '2026-11-23T06:30:00.000Z'],
  ['a list of minutes', '7,22,47 * * * *', '2026-11-23T06:22:00.000Z'],
  ['a range of hours with a step', '0 1-5/2 * * *', '2026-11-23T05:00:00.000Z'],
  ['from a value on, with a step', '10/25 6 * * *', '2026-11-23T06:10:00.000Z'],
  ['weekly, today', '0 5 * * 1', '2026-11-23T05:00:00.000Z'],
  ['weekly by name', '0 5 * * MON', '2026-11-23T05:00:00.000Z'],
  ['weekly, yesterday', '0 5 * * 0', '2026-11-22T05:00:00.000Z'],
  ['Sunday as 7', '0 5 * * 7', '2026-11-22T05:00:00.000Z'],
  ['a range of weekdays', '0 20 * * mon-fri', '2026-11-20T20:00:00.000Z'],
  ['monthly', '15 4 1 * *', '2026-11-01T04:15:00.000Z'],
  ['a day that most months lack', '0 0 31 * *', '2026-10-31T00:00:00.000Z'],
  ['yearly by name', '0 0 24 dec *', '2025-12-24T00:00:00.000Z'],
  ['29 February', '0 0 29 2 *', '2024-02-29T00:00:00.000Z'],
  ['either day when both are restricted', '0 0 21 * 3', '2026-11-21T00:00:00.000Z'],
  ['both days when one begins with a star', '0 0 */2 * 1', '2026-11-23T00:00:00.000Z'],
])('%s: %s', (_title, cron, expected) => {
  expect(lastCronInstant(cron, now)?.toISOString()).toBe(expected);
});

test.each([
  '',
  '* * * *',
  '* * * * * *',
  '60 * * * *',
  '* 24 * * *',
  '* * 0 * *',
  '* * * 13 *',
  '* * * * 8',
  '5-1 * * * *',
  '*/0 * * * *',
  'x * * * *',
  '1,,2 * * * *',
  '-1 * * * *',
  '@daily',
  '0 0 30 2 *',
])('%s names no instant', cron => {
  expect(lastCronInstant(cron, now)).toBeUndefined();
});

test('29 February is found across a century without one', () => {
  expect(lastCronInstant('0 0 29 2 *', new Date('2104-02-28T00:00:00Z'))?.toISOString()).toBe(
    '2096-02-29T00:00:00.000Z',
  );
});
