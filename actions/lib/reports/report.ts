import { randomBytes } from 'node:crypto';
import { z } from 'zod';

/** One run, one report, never rewritten. Times are UTC ISO 8601; units are in the names. */
export const reportSchemaName = 'production-ops/report/1';

export const statuses = ['ok', 'warning', 'critical', 'unknown'] as const;
export const statusSchema = z.enum(statuses);
export type Status = z.infer<typeof statusSchema>;

export const checkSchema = z.strictObject({
  /** Stable, e.g. `drill.rto`. */
  id: z.string(),
  /** What it was measured on, e.g. the name of a database. */
  target: z.string().optional(),
  status: statusSchema,
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  unit: z.string(),
  message: z.string(),
});
export type Check = z.infer<typeof checkSchema>;

export const sampleSchema = z.strictObject({
  at: z.iso.datetime(),
  /** What was measured, e.g. the name of a site. */
  target: z.string().min(1).optional(),
  /** By metric, its unit in the name: `monitor.http.totalSeconds`. */
  values: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9._-]*$/), z.number()),
});
export type Sample = z.infer<typeof sampleSchema>;

export const reportSchema = z.strictObject({
  schema: z.literal(reportSchemaName),
  kind: z.string().regex(/^[a-z]+(\.[a-z-]+)*$/),
  id: z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/),
  platform: z.string(),
  status: statusSchema,
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  trigger: z.strictObject({ event: z.string(), scheduledFor: z.iso.datetime().optional() }),
  run: z
    .strictObject({ url: z.string(), id: z.string(), attempt: z.int(), sha: z.string() })
    .nullable()
    .describe('The Actions run; null for a run from a terminal'),
  tool: z.strictObject({ version: z.string(), node: z.string() }),
  checks: z.array(checkSchema),
  /** Measured values with their own times. The store moves them to `metrics/`; a stored report has none. */
  samples: z.array(sampleSchema).optional(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }).nullable(),
  /** The body; each kind has its own schema. Null when the work failed. */
  data: z.unknown(),
});
export type Report<Data = unknown> = Omit<z.infer<typeof reportSchema>, 'data'> & { data: Data | null };

/**
 * `20261123T020000Z-7f3c`: sorts by time. The four digits are the millisecond (10 bits) and chance (6 bits): of two runs
 * in one second the later one is the later id, and two in one millisecond hardly ever share one.
 */
export function newReportId(at: Date): string {
  const tail = (at.getUTCMilliseconds() << 6) | (randomBytes(1)[0]! & 0b11_1111);
  const second = at.toISOString().replace(/[-:]/g, '').replace(/\.\d+/, '');
  return `${second}-${tail.toString(16).padStart(4, '0')}`;
}

/** The time inside an id. */
export function idTime(id: string): Date {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(id);
  return m ? new Date(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}Z`) : new Date(Number.NaN);
}

/** The gravest status of several; `unknown` is graver than a warning, since nothing speaks for it. */
export function worstStatus(list: readonly Status[]): Status {
  const gravity: Status[] = ['critical', 'unknown', 'warning', 'ok'];
  return gravity.find(status => list.includes(status)) ?? 'ok';
}
