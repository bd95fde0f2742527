import { z } from 'zod';

export const maintainDataSchema = z.strictObject({
  isDryRun: z.boolean(),
  database: z.string(),
  /** The stalest first. */
  analyzed: z.array(
    z.strictObject({
      table: z.string(),
      status: z.enum(['planned', 'done', 'failed']),
      message: z.string(),
      seconds: z.number().min(0),
    }),
  ),
  /** Stale, and left for the next run. */
  leftTables: z.int().min(0),
  autovacuum: z.array(
    z.strictObject({
      table: z.string(),
      reason: z.string(),
      statement: z.string(),
      rollback: z.string(),
      isSwitchedOff: z.boolean(),
    }),
  ),
  tuning: z.array(
    z.strictObject({
      setting: z.string(),
      current: z.string(),
      statement: z.string(),
      needsRestart: z.boolean(),
      reason: z.string(),
    }),
  ),
  /** What was not judged, and why. */
  notJudged: z.array(z.string()),
});
export type MaintainData = z.infer<typeof maintainDataSchema>;
