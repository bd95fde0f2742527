import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** The `alerts:` part of `.github/ops.yml`. */

const pattern = z.string().min(1);
const checks = z.array(pattern).min(1).default(['*']).describe('Check ids; * and ? match, e.g. "backup.*"');
const targets = z.array(pattern).min(1).default(['*']).describe('What was measured on, e.g. a database; * and ? match');
const login = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]*(\[bot\])?$/, 'must be a login, without @');
const labels = z.array(z.string().min(1).max(50));

const zone = z
  .string()
  .refine(isZone, 'must be an IANA time zone such as Europe/Berlin')
  .describe('IANA time zone, e.g. Europe/Berlin');

const level = z
  .union([z.number(), z.strictObject({ enter: z.number(), exit: z.number() })])
  .describe('The value that enters this severity, and the one that leaves it; one number is both');

const timing = {
  for: durationSchema.optional().describe('Breached this long before it is announced'),
  recoveryHold: durationSchema.optional().describe('Well this long before it is closed'),
  repeat: durationSchema.optional().describe('Announced again after this long; 0s: never'),
};

const rule = z
  .strictObject({
    check: pattern.describe('Check id; * and ? match, e.g. "drill.*"'),
    target: pattern.default('*').describe('What was measured on; * and ? match'),
    enabled: z.boolean().optional().describe('false: these never become alerts'),
    breach: z.enum(['above', 'below']).optional().describe('Which side of the thresholds is bad. Default: above'),
    warning: level.optional(),
    critical: level.optional(),
    ...timing,
    assignees: z.array(login).max(10).optional().describe('Instead of alerts.assignees'),
    labels: labels.optional().describe('Instead of alerts.labels'),
  })
  .superRefine((value, context) => {
    for (const name of ['warning', 'critical'] as const) {
      const limit = value[name];
      if (limit === undefined || typeof limit === 'number') continue;
      const isApart = value.breach === 'below' ? limit.exit >= limit.enter : limit.exit <= limit.enter;
      if (isApart) continue;
      const side = value.breach === 'below' ? 'above' : 'below';
      context.addIssue({
        code: 'custom',
        path: [name, 'exit'],
        message: `must not be on the bad side of enter: ${side} it, or equal`,
      });
    }
  })
  .describe('Every rule that matches counts; of two that say the same thing the later one');

const inhibition = z.strictObject({
  source: pattern.describe('While this check is critical …'),
  silences: z.array(pattern).min(1).describe('… these are not announced'),
  sameTarget: z.boolean().default(true).describe('Only those measured on the same target'),
});

const localTime = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/,
    'must be a time such as 2026-12-24T18:00 (in the zone), 2026-12-24T17:00:00Z, or a day',
  )
  .refine(text => !Number.isNaN(Date.parse(text)), 'is no time of any calendar');

const silence = z.strictObject({
  checks,
  targets,
  from: localTime.optional().describe('Default: from now on'),
  until: localTime.describe('A silence ends, or it hides the next outage as well'),
  zone: zone.default('UTC'),
  reason: z.string().min(1).max(500),
});

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 02:30');

const maintenance = z
  .strictObject({
    name: z.string().min(1).max(200),
    checks,
    targets,
    days: z
      .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
      .min(1)
      .default(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])
      .describe('Days on which it begins'),
    from: clock.describe('Local time of the zone'),
    to: clock.describe('Local time; when not after "from": on the next day'),
    zone: zone.default('UTC'),
  })
  .describe('Lasts at least as long as its clock times say, also when clocks change within it');

export const alertsSchema = z.strictObject({
  issues: z.boolean().default(true).describe('Announce breaches as issues of this repository'),
  authors: z
    .array(login)
    .default([])
    .describe('Logins, beside those of bots, whose issues are taken for alerts; only for tokens of persons'),
  for: durationSchema.prefault('0s').describe('Breached this long before it is announced'),
  recoveryHold: durationSchema.prefault('0s').describe('Well this long before it is closed'),
  repeat: durationSchema.prefault('23h').describe('Announced again after this long; 0s: never'),
  reopenWindow: durationSchema.prefault('7d').describe('Breached again this soon: the same issue is reopened'),
  refresh: durationSchema
    .prefault('15m')
    .describe('The values in an open issue are brought up to date this often at most'),
  stormLimit: z.int().min(1).max(100).default(10).describe('More alerts at once than this become one issue'),
  assignees: z.array(login).max(10).default([]),
  labels: labels.max(20).default([]).describe('Beside the label ops-alert, which every alert has'),
  rules: z.array(rule).default([]),
  inhibitions: z
    .array(inhibition)
    .default([{ source: 'monitor.database.up', silences: ['monitor.database.*', 'database.*'], sameTarget: true }]),
  silences: z.array(silence).default([]),
  maintenance: z.array(maintenance).default([]),
});

export type AlertsConfig = z.output<typeof alertsSchema>;

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    // Offsets such as +02:00 are taken as well, and have no daylight saving.
    return !/^[+-]/.test(name);
  } catch {
    return false;
  }
}
