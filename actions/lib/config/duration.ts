import { z } from 'zod';

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** Seconds of `15m`, `30h`, `1h30m`, `7d`, `0s`; undefined when it is not a duration. */
export function durationSeconds(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?[smhdw])+$/.test(text)) return undefined;
  let seconds = 0;
  for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g))
    seconds += Number(count) * unitSeconds[unit as keyof typeof unitSeconds];
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** A duration in the configuration: written `15m`, read as seconds. */
export const durationSchema = z
  .string()
  .refine(text => durationSeconds(text) !== undefined, 'must be a duration such as 15m, 30h or 7d')
  .transform(text => durationSeconds(text)!);
