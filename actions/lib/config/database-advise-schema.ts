import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** `database.advise` of `.github/ops.yml`: how far the search for indexes and their proof go. */

const moreThanNothing = (seconds: number) => seconds > 0;

export const databaseAdviseSchema = z.strictObject({
  statements: z.int().min(1).max(10_000).default(200).describe('The costliest statements of the workload'),
  budgetBytes: z
    .int()
    .min(0)
    .optional()
    .describe('Most bytes of all new indexes together. Default: by the size of the tables'),
  proofTime: durationSchema
    .refine(moreThanNothing, 'must be more than 0s')
    .prefault('30m')
    .describe('What is not proved within this time is not offered'),
  statementTimeout: durationSchema
    .refine(moreThanNothing, 'must be more than 0s')
    .prefault('30s')
    .describe('Of one execution of one statement on the copy'),
});
