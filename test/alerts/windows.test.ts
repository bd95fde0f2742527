import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isInMaintenance,
  isSilenced,
  type MaintenanceWindow,
  occurrence,
  resolveLocal,
  weekdays,
} from '../../actions/lib/alerts/windows.ts';
import { openZone } from '../../actions/lib/schedule/index.ts';

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe', // half an hour of daylight saving
  'Africa/Casablanca', // goes back for Ramadan
  'Pacific/Apia', // had no 30 December 2011
  'Asia/Kolkata', // half an hour off
  'America/Santiago', // changes at midnight
  'Antarctica/Troll', // two hours of daylight saving
];
const zone = fc.constantFrom(...zones);
const instant = fc
  .integer({ min: Date.UTC(2012, 0, 1) / 60_000, max: Date.UTC(2030, 0, 1) / 60_000 })
  .map(m => m * 60_000);
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 15, 30, 45, 59))
  .map(([h, m]) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`);
const everyDay = [...weekdays];

describe('maintenance on days when clocks change', () => {
  const berlin = (from: string, to: string): MaintenanceWindow => ({ days: everyDay, from, to, zone: 'Europe/Berlin' });

  it.each([
    ['an ordinary night', '02:00', '03:00', '2026-11-24T00:59Z', '2026-11-24T01:00Z', '2026-11-24T02:00Z'],
    // 29 March 2026, 02:00 → 03:00 in Berlin, which is 01:00Z.
    [
      'an hour that does not exist lasts an hour all the same',
      '02:00',
      '03:00',
      '2026-03-29T00:59Z',
      '2026-03-29T01:00Z',
      '2026-03-29T02:00Z',
    ],
    [
      'one that begins in it begins as much later',
      '02:30',
      '04:00',
      '2026-03-29T01:29Z',
      '2026-03-29T01:30Z',
      '2026-03-29T03:00Z',
    ],
    [
      'one around it lasts as long as its clock times say',
      '01:00',
      '04:00',
      '2026-03-28T23:59Z',
      '2026-03-29T00:00Z',
      '2026-03-29T03:00Z',
    ],
    // 25 October 2026, 03:00 → 02:00 in Berlin, which is 01:00Z.
    [
      'an hour that comes twice is quiet both times',
      '02:00',
      '03:00',
      '2026-10-24T23:59Z',
      '2026-10-25T00:00Z',
      '2026-10-25T02:00Z',
    ],
    [
      'one that ends in it ends the second time',
      '01:00',
      '02:30',
      '2026-10-24T22:59Z',
      '2026-10-24T23:00Z',
      '2026-10-25T01:30Z',
    ],
  ])('%s', (_name, from, to, before, start, end) => {
    const at = (text: string) => isInMaintenance(berlin(from, to), new Date(text));
    expect(at(before)).toBe(false);
    expect(at(start)).toBe(true);
    expect(isInMaintenance(berlin(from, to), new Date(Date.parse(end) - 60_000))).toBe(true);
    expect(at(end)).toBe(false);
  });

  it('a silence without an offset is in its own zone', () => {
    const silence = { from: '2026-07-01T08:00', until: '2026-07-01T18:00', zone: 'America/New_York' };
    expect(isSilenced(silence, new Date('2026-07-01T11:59Z'))).toBe(false);
    expect(isSilenced(silence, new Date('2026-07-01T12:00Z'))).toBe(true);
    expect(isSilenced(silence, new Date('2026-07-01T21:59Z'))).toBe(true);
    expect(isSilenced(silence, new Date('2026-07-01T22:00Z'))).toBe(false);
  });

  it('one with an offset is not', () => {
    const silence = { until: '2026-07-01T18:00:00+02:00', zone: 'America/New_York' };
    expect(isSilenced(silence, new Date('2026-07-01T15:59Z'))).toBe(true);
    expect(isSilenced(silence, new Date('2026-07-01T16:00Z'))).toBe(false);
  });

  it('a day is its midnight, which some zones skip', () => {
    // Santiago: 6 September 2026 begins at 01:00.
    const silence = { until: '2026-09-06', zone: 'America/Santiago' };
    expect(isSilenced(silence, new Date('2026-09-06T03:59Z'))).toBe(true);
    expect(isSilenced(silence, new Date('2026-09-06T04:00Z'))).toBe(false);
  });
});

describe('whatever the zone and the day', () => {
  const day = fc
    .integer({ min: Date.UTC(2012, 0, 1) / 86_400_000, max: Date.UTC(2029, 11, 31) / 86_400_000 })
    .map(d => d * 86_400_000);

  it('a window lasts as long as its clock times say, or longer by no more than clocks go back', () => {
    fc.assert(
      fc.property(zone, clock, clock, day, (name, from, to, date) => {
        const { start, end } = occurrence({ days: everyDay, from, to, zone: name }, date, openZone(name));
        const nominal = minutesOf(to) - minutesOf(from) + (minutesOf(to) <= minutesOf(from) ? 1440 : 0);
        expect((end - start) / 60_000).toBeGreaterThanOrEqual(nominal);
        expect((end - start) / 60_000).toBeLessThanOrEqual(nominal + 120);
      }),
      { numRuns: 3000 },
    );
  });

  it('where clocks do not change within two days, it is what the clock on the wall says', () => {
    fc.assert(
      fc.property(zone, clock, clock, instant, (name, from, to, at) => {
        const opened = openZone(name);
        const offset = opened.offsetAt(at);
        fc.pre([-3, -2, -1, 1, 2, 3].every(days => opened.offsetAt(at + days * 86_400_000) === offset));
        const wall = Math.floor(((at + offset) / 60_000) % 1440);
        const [begin, finish] = [minutesOf(from), minutesOf(to)];
        const expected = begin < finish ? begin <= wall && wall < finish : wall >= begin || wall < finish;
        expect(isInMaintenance({ days: everyDay, from, to, zone: name }, new Date(at))).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('an instant is within a window exactly when one of its occurrences holds it', () => {
    fc.assert(
      fc.property(zone, clock, clock, fc.subarray(everyDay, { minLength: 1 }), instant, (name, from, to, days, at) => {
        const window = { days, from, to, zone: name };
        const opened = openZone(name);
        const today = Math.floor((at + opened.offsetAt(at)) / 86_400_000) * 86_400_000;
        const expected = [-3, -2, -1, 0, 1]
          .map(offset => today + offset * 86_400_000)
          .filter(date => days.includes(weekdays[new Date(date).getUTCDay()]!))
          .map(date => occurrence(window, date, opened))
          .some(({ start, end }) => start <= at && at < end);
        expect(isInMaintenance(window, new Date(at))).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('a wall time that exists resolves to an instant that shows it, the earlier one before the later one', () => {
    fc.assert(
      fc.property(zone, instant, (name, at) => {
        const opened = openZone(name);
        const wall = at + opened.offsetAt(at);
        const earlier = resolveLocal(wall, opened, 'earlier');
        const later = resolveLocal(wall, opened, 'later');
        expect(earlier).toBeLessThanOrEqual(later);
        expect([earlier, later]).toContain(at);
        for (const each of [earlier, later]) expect(each + opened.offsetAt(each)).toBe(wall);
      }),
      { numRuns: 3000 },
    );
  });
});

function minutesOf(text: string): number {
  const [hours, minutes] = text.split(':').map(Number);
  return hours! * 60 + minutes!;
}
