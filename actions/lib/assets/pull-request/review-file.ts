import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { checkSchema } from '../../reports/index.ts';
import { assetsDataSchema } from '../data.ts';

/**
 * What the check of a pull request hands to the workflow that may comment. It was made by code that a stranger could have
 * changed: it is text from elsewhere, of this shape and size, and nothing in it is believed that GitHub can be asked.
 */
const text = (most: number) => z.string().max(most);
export const reviewFileSchema = z.strictObject({
  schema: z.literal('production-ops/assets-review/1'),
  pullRequest: z.int().min(1).max(1e9),
  headSha: z.string().regex(/^[0-9a-f]{40}$/),
  runUrl: text(500).nullable(),
  fix: text(1000).nullable(),
  checks: z.array(checkSchema.extend({ message: text(2000) })).max(200),
  data: assetsDataSchema,
});
export type ReviewFile = z.infer<typeof reviewFileSchema>;

const mostBytes = 4 * 1024 * 1024;

/** @throws OpsError `ASSETS_REVIEW` for a file that is not there, too large, or not one */
export async function readReviewFile(path: string): Promise<ReviewFile> {
  const refuse = (what: string) =>
    new OpsError('ASSETS_REVIEW', `The result of the check ${what}`, {
      hint: 'It is the file that mode: check wrote (input results), uploaded as an artifact.',
    });
  const size = (await stat(path).catch(() => undefined))?.size;
  if (size === undefined) throw refuse('is not there');
  if (size > mostBytes) throw refuse(`has ${size} bytes, and more than ${mostBytes} are not read`);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw refuse('is no JSON');
  }
  const parsed = reviewFileSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw refuse(`is not one: ${issue.path.join('.').slice(0, 100)}: ${issue.message.slice(0, 200)}`);
}
