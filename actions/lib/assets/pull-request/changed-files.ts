import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import type { GitHub } from '../../github/index.ts';
import { treePathSchema } from '../result.ts';

/** GitHub lists no more (REST, "List pull requests files"). */
const mostListed = 3000;

const fileSchema = z.object({ filename: treePathSchema, status: z.string() });

/**
 * The files that a pull request adds or changes. What GitHub does not say is an error, and never means "all files".
 *
 * @throws OpsError `ASSETS_PULL_REQUEST` when the list is not whole, and what `request` throws
 */
export async function changedFiles(github: GitHub, number: number): Promise<Set<string>> {
  const { data } = await github.request<{ changed_files: number }>('GET /repos/{owner}/{repo}/pulls/{number}', {
    number,
  });
  if (data.changed_files > mostListed) {
    throw new OpsError(
      'ASSETS_PULL_REQUEST',
      `The pull request changes ${data.changed_files} files, and GitHub lists ${mostListed}`,
      {
        hint: 'Check the tree instead: use the action on push, where it looks at all files.',
      },
    );
  }
  const files = new Set<string>();
  let listed = 0;
  for await (const raw of github.paginate('GET /repos/{owner}/{repo}/pulls/{number}/files', { number })) {
    listed++;
    const file = fileSchema.safeParse(raw).data;
    if (file && file.status !== 'removed') files.add(file.filename);
  }
  if (listed < data.changed_files) {
    throw new OpsError('ASSETS_PULL_REQUEST', `GitHub listed ${listed} of ${data.changed_files} changed files`, {
      hint: 'A commit came while they were listed, or the list was cut; run it again.',
    });
  }
  return files;
}
