import { z } from 'zod';
import { offeredChangeSchema } from '../apply/index.ts';

/** The body of the report `database.advise`. Milliseconds of the workload are production's, of the window that was read. */

const verdict = z.enum(['offered', 'not offered', 'unproved']);
const ms = z.number().min(0);
const writeTimes = z.strictObject({ withoutMs: ms, withMs: ms });

const advisedIndex = z.strictObject({
  /** What `database apply --index` takes; null: it is not offered. */
  id: z.string().nullable(),
  schema: z.string(),
  table: z.string(),
  name: z.string(),
  sql: z.string(),
  verdict,
  why: z.string(),
  /** Why the search chose it. */
  reason: z.string(),
  estimatedBytes: z.number().nullable(),
  bytes: z.number().nullable(),
  buildSeconds: z.number().nullable(),
  savedMs: ms,
  /** Fingerprints of the statements that are faster by it. */
  users: z.array(z.string()),
  /** Per 1,000 rows. */
  write: z
    .strictObject({
      rows: z.int(),
      insert: writeTimes.nullable(),
      update: writeTimes.extend({ hotShareWithout: z.number(), hotShareWith: z.number() }).nullable(),
      why: z.string().nullable(),
    })
    .nullable(),
});
export type AdvisedIndex = z.infer<typeof advisedIndex>;

const advisedRemoval = z.strictObject({
  id: z.string().nullable(),
  kind: z.enum(['duplicate', 'prefix', 'unused']),
  schema: z.string(),
  table: z.string(),
  name: z.string(),
  sql: z.string(),
  bytes: z.number(),
  scans: z.number(),
  coveredBy: z.string().nullable(),
  verdict,
  /** From the catalog and the counters of production. */
  reason: z.string(),
  /** From the copy. */
  why: z.string(),
});
export type AdvisedRemoval = z.infer<typeof advisedRemoval>;

const advisedStatement = z.strictObject({
  fingerprint: z.string(),
  text: z.string(),
  calls: z.number(),
  totalMs: ms,
  parameters: z.enum(['real', 'sampled', 'none']),
  samples: z.int(),
  outcome: z.enum(['faster', 'same', 'slower', 'unproved']),
  why: z.string().nullable(),
  /** Measured on the copy; null where it was not executed. */
  beforeMs: ms.nullable(),
  afterMs: ms.nullable(),
  /** It did not end: the time is the limit. */
  isBeforeLimit: z.boolean(),
  beforeBuffers: z.number().nullable(),
  afterBuffers: z.number().nullable(),
  reads: z.array(z.string()),
});
export type AdvisedStatementData = z.infer<typeof advisedStatement>;

export const adviseDataSchema = z.strictObject({
  database: z.string(),
  target: z.string(),
  copy: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('restored'),
      setId: z.string(),
      snapshotAt: z.string(),
      storage: z.string(),
      verdict: z.string().nullable(),
    }),
    z.strictObject({ kind: z.literal('given'), display: z.string() }),
    z.strictObject({ kind: z.literal('none'), why: z.string() }),
  ]),
  workload: z.strictObject({ statements: z.int(), totalMs: ms, windowSeconds: z.number().nullable() }),
  search: z.strictObject({
    evaluator: z.string(),
    whatIfCalls: z.int(),
    candidates: z.int(),
    usefulCandidates: z.int(),
    budgetBytes: z.number(),
  }),
  /** With all that is offered, as measured; null: nothing was proved. */
  totalMsAfter: z.number().nullable(),
  proofSeconds: z.number().nullable(),
  indexes: z.array(advisedIndex),
  removals: z.array(advisedRemoval),
  statements: z.array(advisedStatement),
  drift: z.array(
    z.strictObject({
      kind: z.enum(['missing', 'different', 'invalid', 'undeclared', 'no table']),
      schema: z.string(),
      table: z.string(),
      name: z.string(),
      why: z.string(),
      sql: z.array(z.string()),
    }),
  ),
  /** What `database apply` can carry out: nothing that is not proved. */
  changes: z.array(offeredChangeSchema),
  notes: z.array(z.string()),
});
export type AdviseData = z.infer<typeof adviseDataSchema>;
