import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** `watchdog:` in the configuration: how long silence may last. Durations are written `30h` and read as seconds. */
export const watchdogSchema = z.strictObject({
  slack: z
    .number()
    .min(1)
    .max(10)
    .default(1.5)
    .describe('A job may be silent for the longest gap between two times of its cron lines, times this'),
  lateness: durationSchema
    .prefault('6h')
    .describe('And for at least that gap plus this: GitHub starts scheduled runs hours late'),
  allowances: z
    .record(z.string().min(1), durationSchema)
    .default({})
    .describe(
      'Instead of what follows from the cron lines, by job or workflow, e.g. backup.database: 30h, drill.yml: 9d',
    ),
  ignore: z.array(z.string().min(1)).default([]).describe('Workflow files that are not watched, e.g. stale.yml'),
  heartbeat: z
    .strictObject({
      method: z.enum(['GET', 'POST']).default('GET').describe('How WATCHDOG_HEARTBEAT_URL is called after each run'),
      failSuffix: z
        .string()
        .regex(/^\/[\w./-]+$/, 'must be a path such as /fail')
        .optional()
        .describe('Put behind the path of the URL when something is missing, e.g. /fail for Healthchecks'),
    })
    .prefault({}),
});
