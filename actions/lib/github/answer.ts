import { z } from 'zod';
import { OpsError } from '../errors/index.ts';

/** What GitHub answered, typed. @throws OpsError `GITHUB_FAILED` when it is not what its documentation says */
export function checkedAnswer<T>(schema: z.ZodType<T>, data: unknown, about: string): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const what = z.prettifyError(parsed.error).split('\n').join(' ');
  throw new OpsError('GITHUB_FAILED', `GitHub's answer about ${about} is not as documented: ${what}`, {
    hint: 'Check GITHUB_API_URL, and https://www.githubstatus.com.',
  });
}
