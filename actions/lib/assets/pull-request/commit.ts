import { commitFiles, type GitHub } from '../../github/index.ts';
import { gitBlobSha, type PatchedFile } from './patch.ts';

export interface CommittedFiles {
  sha: string | null;
  files: number;
  /** On the branch these are no longer what they were here. */
  skipped: string[];
}

/**
 * One commit with the smaller files, for those that are on the branch the very ones that they were made of; of a branch
 * that moves meanwhile, those that still are. Never forced. Throws what `commitFiles` throws.
 */
export async function commitSmaller(
  github: GitHub,
  {
    branch,
    files,
    message,
    signal,
  }: { branch: string; files: readonly PatchedFile[]; message: string; signal: AbortSignal },
): Promise<CommittedFiles> {
  let skipped: string[] = [];
  let count = 0;
  const committed = await commitFiles(github, {
    branch,
    message,
    signal,
    async files(head) {
      skipped = [];
      const changes = new Map<string, Uint8Array>();
      for (const { path, before, after } of files) {
        if ((await head.entry(path))?.sha === gitBlobSha(before)) changes.set(path, after);
        else skipped.push(path);
      }
      count = changes.size;
      return changes;
    },
  });
  return { sha: committed.isChanged ? committed.sha : null, files: committed.isChanged ? count : 0, skipped };
}
