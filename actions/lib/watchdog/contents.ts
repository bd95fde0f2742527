import { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import { type GitHub, GitHubError } from '../github/index.ts';

/** Files of the repository by the contents API: no checkout, and any branch. */

const entrySchema = z.looseObject({ name: z.string(), type: z.string() });
const fileSchema = z.looseObject({ type: z.literal('file'), encoding: z.string(), content: z.string() });

export type FolderEntry = z.infer<typeof entrySchema>;

/** @param ref a branch; undefined: the default one. @returns nothing for a folder, or a branch, that is not there */
export async function listFolder(github: GitHub, path: string, ref: string | undefined): Promise<FolderEntry[]> {
  const data = await contents(github, path, ref);
  if (data === undefined) return [];
  return checked(z.array(entrySchema), data, path);
}

/** The text of a file; undefined when there is none. Up to 1 MB, which is what the API hands out and a report may have. */
export async function readText(github: GitHub, path: string, ref: string | undefined): Promise<string | undefined> {
  const data = await contents(github, path, ref);
  if (data === undefined) return undefined;
  const { encoding, content } = checked(fileSchema, data, path);
  if (encoding !== 'base64') throw unexpected(path, `the content is encoded as '${encoding}'`);
  return Buffer.from(content, 'base64').toString('utf8');
}

async function contents(github: GitHub, path: string, ref: string | undefined): Promise<unknown> {
  try {
    const parameters = { path, ...(ref !== undefined && { ref }) };
    return (await github.request<unknown>('GET /repos/{owner}/{repo}/contents/{+path}', parameters)).data;
  } catch (error) {
    if (error instanceof GitHubError && error.code === 'GITHUB_NOT_FOUND') return undefined;
    throw error;
  }
}

function checked<T>(schema: z.ZodType<T>, data: unknown, path: string): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw unexpected(path, z.prettifyError(parsed.error).split('\n')[0]!);
}

function unexpected(path: string, what: string): OpsError {
  return new OpsError('GITHUB_FAILED', `GitHub's answer for ${path} is not as documented: ${what}`, {
    hint: 'Check GITHUB_API_URL, and https://www.githubstatus.com.',
  });
}
