import { z } from 'zod';
import { statusSchema } from '../reports/index.ts';

const seconds = z.number().min(0).nullable();
/** The body of the report. */
export const watchdogDataSchema = z.strictObject({
  /** What the workflows promise, and the newest report that shows it. */
  jobs: z.array(
    z.strictObject({
      name: z.string(),
      workflow: z.string(),
      status: statusSchema,
      allowanceSeconds: seconds,
      reportId: z.string().nullable(),
      ageSeconds: seconds,
      /** Only for drills: the newest that proved its set. */
      provedReportId: z.string().nullable(),
      provedAgeSeconds: seconds,
    }),
  ),
  /** Empty when GitHub could not be asked. */
  schedules: z.array(
    z.strictObject({
      workflow: z.string(),
      status: statusSchema,
      state: z.string().nullable(),
      allowanceSeconds: seconds,
      lastScheduledRunAt: z.iso.datetime().nullable(),
      lastConclusion: z.string().nullable(),
    }),
  ),
  /** Null when no URL is set. */
  heartbeat: z.strictObject({ failure: z.string().nullable() }).nullable(),
});
export type WatchdogData = z.infer<typeof watchdogDataSchema>;
