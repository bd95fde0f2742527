import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { checkSchema } from '../../reports/index.ts';
import { assetsDataSchema } from '../data.ts';
import { checkNameSchema } from './comment.ts';

/**
 * What the check of a pull request hands to the workflow that may comment. It was made where a stranger's code may have run:
 * it is text from elsewhere, of this shape and size, and says nothing that GitHub can be asked. Which pull request and which
 * commit it is about, the event of the run tells.
 */
export const reviewFileName = 'assets-review.json';
export const mostReviewBytes = 4 * 1024 * 1024;

const reviewFileSchema = z.strictObject({
  schema: z.literal('production-ops/assets-review/1'),
  /** Tells pull requests of the same branch apart, and no others. */
  pullRequest: z.int().min(1).max(1e9),
  name: checkNameSchema.nullable(),
  fix: z.string().max(1000).nullable(),
  checks: z.array(checkSchema.extend({ message: z.string().max(2000) })).max(200),
  data: assetsDataSchema,
});
export type ReviewFile = z.infer<typeof reviewFileSchema>;

/** @throws OpsError `ASSETS_REVIEW` for what is not one */
export function parseReviewFile(bytes: Uint8Array): ReviewFile {
  const refuse = (what: string) =>
    new OpsError('ASSETS_REVIEW', `The result of the check ${what}`, {
      hint: 'Let both workflows use the same version of the action.',
    });
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw refuse('is no JSON');
  }
  const parsed = reviewFileSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw refuse(`is not one: ${issue.path.join('.').slice(0, 100)}: ${issue.message.slice(0, 200)}`);
}
