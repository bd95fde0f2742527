import { z } from 'zod';
import type { GitHub } from '../../github/index.ts';
import type { FinishedRun } from './event.ts';

const pullSchema = z.object({
  number: z.int(),
  state: z.string(),
  head: z.object({ sha: z.string(), ref: z.string(), repo: z.object({ full_name: z.string() }).nullable() }),
});

/**
 * The open pull requests whose head is the very commit that a run was about, on the branch and in the repository that the
 * event names. (`workflow_run.pull_requests` is empty for forks, and commits of forks are not found by their hash.)
 */
export async function pullRequestsOf(github: GitHub, run: FinishedRun): Promise<number[]> {
  const { headRepository, headRef, headSha } = run;
  const [owner] = headRepository?.split('/') ?? [];
  if (!owner) return [];
  const found: number[] = [];
  const list = github.paginate('GET /repos/{owner}/{repo}/pulls', { state: 'open', head: `${owner}:${headRef}` });
  for await (const raw of list) {
    const { success, data: pull } = pullSchema.safeParse(raw);
    if (!success || pull.state !== 'open') continue;
    const { sha, ref, repo } = pull.head;
    if (sha === headSha && ref === headRef && repo?.full_name === headRepository) found.push(pull.number);
  }
  return found;
}
