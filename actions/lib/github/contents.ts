import { z } from 'zod';
import { checkedAnswer } from './answer.ts';
import type { GitHub } from './client.ts';
import { GitHubError } from './failures.ts';

/** Files of the repository by the contents API: no checkout, and any branch. */

const entrySchema = z.looseObject({ name: z.string(), type: z.string() });
const fileSchema = z.looseObject({ type: z.literal('file'), encoding: z.literal('base64'), content: z.string() });

export type FolderEntry = z.infer<typeof entrySchema>;

/** @param ref a branch; undefined: the default one. @returns nothing for a folder, or a branch, that is not there */
export async function listFolder(github: GitHub, path: string, ref: string | undefined): Promise<FolderEntry[]> {
  const data = await contents(github, path, ref);
  if (data === undefined) return [];
  return checkedAnswer(z.array(entrySchema), data, path);
}

/** The text of a file; undefined when there is none. Up to 1 MB, which is what the API hands out and a report may have. */
export async function readText(github: GitHub, path: string, ref: string | undefined): Promise<string | undefined> {
  const data = await contents(github, path, ref);
  if (data === undefined) return undefined;
  return Buffer.from(checkedAnswer(fileSchema, data, path).content, 'base64').toString('utf8');
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
