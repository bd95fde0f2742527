import { z } from 'zod';

const rows = z.int().min(0);

export const ruleOutcomeSchema = z.strictObject({
  /** `schema.table`, as declared. */
  table: z.string(),
  column: z.string(),
  condition: z.string().nullable(),
  /** Rows older than this. */
  before: z.iso.datetime(),
  isArchived: z.boolean(),
  status: z.enum(['planned', 'done', 'limit', 'put off', 'failed']),
  /** Of the error of a rule that failed: `CLEANUP_KEPT`, `ARCHIVE_FAILED`, `PG_…`. */
  code: z.string().nullable(),
  message: z.string(),
  /** What the rule was about to do, counted before it began: up to `most`; null where counting took too long. */
  planned: z.strictObject({
    deletable: rows.nullable(),
    referenced: rows.nullable(),
    cascades: z.array(z.strictObject({ table: z.string(), rows: rows.nullable() })),
    changes: z.array(z.string()),
    most: rows,
  }),
  deletedRows: rows,
  /** Rows of other tables, or of the same one, that went along. */
  cascadedRows: rows,
  /** Old enough and still there when the rule had ended; null where counting took too long, or nothing was done. */
  left: z.strictObject({ deletable: rows.nullable(), referenced: rows.nullable() }).nullable(),
  batches: rows,
  archivedBytes: rows,
  seconds: z.number().min(0),
  pausedSeconds: z.number().min(0),
});
export type RuleOutcome = z.infer<typeof ruleOutcomeSchema>;

export const cleanupDataSchema = z.strictObject({
  isDryRun: z.boolean(),
  database: z.string(),
  /** In the order in which they were followed: what refers to others first. */
  rules: z.array(ruleOutcomeSchema),
  /** Where the archived rows of this run lie; null when nothing was archived. */
  archive: z
    .strictObject({
      folder: z.string(),
      destinations: z.array(z.string()),
      isEncrypted: z.boolean(),
      /** Null: until somebody removes it. */
      keptSeconds: z.number().nullable(),
    })
    .nullable(),
  /** What earlier runs archived and was older than it is kept, by destination. */
  pruned: z.array(z.strictObject({ destination: z.string(), runs: rows, bytes: rows, problem: z.string().nullable() })),
  vacuumed: z.array(
    z.strictObject({
      table: z.string(),
      removedRows: rows,
      status: z.enum(['done', 'not needed', 'failed']),
      message: z.string(),
    }),
  ),
  /** Indexes that would make this quicker. */
  warnings: z.array(z.strictObject({ table: z.string(), message: z.string(), statement: z.string() })),
  /** What could not be watched, and why. */
  notWatched: z.array(z.string()),
});
export type CleanupData = z.infer<typeof cleanupDataSchema>;
