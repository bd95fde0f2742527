import { OpsError } from '../errors/index.ts';

/** How the clocks of one time zone turn wall time into instants. */
export interface Zone {
  /** Wall time − UTC, in milliseconds, at an instant (milliseconds since 1970). */
  offsetAt(instant: number): number;
}

export const utc: Zone = { offsetAt: () => 0 };

/** @throws OpsError `TIME_ZONE_UNKNOWN` */
export function openZone(name: string | undefined): Zone {
  if (name === undefined || /^(etc\/)?utc$/i.test(name)) return utc;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw new OpsError('TIME_ZONE_UNKNOWN', `'${name}' is not a time zone`, {
      hint: 'Use a name of the IANA list, for example Europe/Berlin.',
      exit: 'usage',
    });
  }
  return {
    offsetAt(instant) {
      const parts: Record<string, number> = {};
      for (const { type, value } of format.formatToParts(instant)) parts[type] = Number(value);
      const { year, month, day, hour, minute, second } = parts;
      const wall = Date.UTC(year!, month! - 1, day!, hour!, minute!, second!);
      return wall - Math.floor(instant / 1000) * 1000;
    },
  };
}

/**
 * The instant, between two with different offsets, at which the later offset begins; exact to the minute, which is what
 * cron and every change of clocks since 1972 are made of.
 */
export function transitionBetween(zone: Zone, before: number, after: number): number {
  const minute = 60_000;
  const old = zone.offsetAt(before);
  let low = Math.floor(before / minute);
  let high = Math.ceil(after / minute);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zone.offsetAt(middle * minute) === old) low = middle;
    else high = middle;
  }
  return high * minute;
}
