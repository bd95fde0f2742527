import { z } from 'zod';

export const outcomeStatuses = ['done', 'planned', 'nothing to do', 'deferred', 'refused', 'failed'] as const;

export const changeOutcomeSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(['create', 'merge', 'drop', 'reindex']),
  status: z
    .enum(outcomeStatuses)
    .describe('deferred: nothing is wrong, the server was busy; refused: it may not or must not be done'),
  table: z.string(),
  index: z.string(),
  message: z.string(),
  /** What ran, in order; for a plan what would run. */
  statements: z.array(z.string()),
  rollback: z.array(z.string()),
  attempts: z.int().min(0),
  seconds: z.number().min(0),
  /** Of the index afterwards; null where there is none. */
  sizeBytes: z.number().nullable(),
  /** Of a rebuilt index. */
  sizeBeforeBytes: z.number().nullable(),
  /** Null: the planner was not asked. */
  planner: z
    .strictObject({
      used: z.int().min(0),
      asked: z.int().min(0),
      notUsedBy: z.array(z.string()).describe('Fingerprints of statements whose plan is without the index'),
      notAsked: z.array(z.string()).describe('Statements that could not be explained, and why'),
    })
    .nullable(),
});
export type ChangeOutcome = z.infer<typeof changeOutcomeSchema>;

/** What one step came to: the part of an outcome that the step knows. */
export interface StepResult {
  status: ChangeOutcome['status'];
  message: string;
  statements: string[];
  attempts: number;
  sizeBytes: number | null;
  sizeBeforeBytes?: number | null;
  /** Names under which the planner will know the index: its own, or those of its partitions. */
  plannerNames?: string[];
  rollback?: string[];
}

/** The server is busy: nothing was begun, and the next run tries again. */
export class Deferred extends Error {}

/** It may not or must not be done: nothing was begun. */
export class Refused extends Error {}
