import { z } from 'zod';
import { checkedAnswer } from './answer.ts';
import type { GitHub } from './client.ts';
import { GitHubError } from './failures.ts';

/** Files of the repository by the contents API: no checkout, and any branch. */

const entrySchema = z.looseObject({ name: z.string(), type: z.string() });
const blobSchema = z.looseObject({ encoding: z.literal('base64'), content: z.string() });
/** From 1 MB on the content is left out, and `encoding` is `none`. */
const fileSchema = z.looseObject({
  type: z.literal('file'),
  sha: z.string(),
  encoding: z.string(),
  content: z.string(),
});

export type FolderEntry = z.infer<typeof entrySchema>;

/** @param ref a branch; undefined: the default one. @returns nothing for a folder, or a branch, that is not there */
export async function listFolder(github: GitHub, path: string, ref: string | undefined): Promise<FolderEntry[]> {
  const data = await contents(github, path, ref);
  if (data === undefined) return [];
  return checkedAnswer(z.array(entrySchema), data, path);
}

/** The text of a file, of up to 100 MB; undefined when there is none. */
export async function readText(github: GitHub, path: string, ref: string | undefined): Promise<string | undefined> {
  const data = await contents(github, path, ref);
  if (data === undefined) return undefined;
  const file = checkedAnswer(fileSchema, data, path);
  if (file.encoding === 'base64') return Buffer.from(file.content, 'base64').toString('utf8');
  const blob = await github.request<unknown>('GET /repos/{owner}/{repo}/git/blobs/{sha}', { sha: file.sha });
  return Buffer.from(checkedAnswer(blobSchema, blob.data, path).content, 'base64').toString('utf8');
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
