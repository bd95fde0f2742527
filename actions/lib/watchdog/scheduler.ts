import { z } from 'zod';
import { checkedAnswer, type GitHub } from '../github/index.ts';
import { workflowsFolder } from './workflows.ts';

/** What GitHub says of one workflow. */
export interface WorkflowFacts {
  readonly file: string;
  /** `active`, `disabled_manually`, `disabled_inactivity`, `disabled_fork`, `deleted` */
  readonly state: string;
  readonly createdAt: Date;
  /** The newest that its schedule started, newest first. Runs that a person started are not among them. */
  readonly scheduledRuns: readonly ScheduledRun[];
}

export interface ScheduledRun {
  readonly id: string;
  readonly createdAt: Date;
  /** `queued`, `in_progress`, `waiting`, `pending`, `completed` … */
  readonly status: string;
  /** Null until it is completed. */
  readonly conclusion: string | null;
  readonly url: string;
}

/**
 * @param files those to ask about; one that GitHub does not know is not in the answer
 * @throws GitHubError; `GITHUB_PERMISSION` without `actions: read`. OpsError `GITHUB_FAILED` for an answer that cannot be read
 */
export async function fetchWorkflowFacts(github: GitHub, files: readonly string[]): Promise<WorkflowFacts[]> {
  const facts: WorkflowFacts[] = [];
  for await (const item of github.paginate<unknown>('GET /repos/{owner}/{repo}/actions/workflows')) {
    const workflow = checkedAnswer(workflowSchema, item, 'workflows');
    // GitHub lists workflows of its own too, with paths such as dynamic/pages/pages-build-deployment.
    const file = files.find(name => workflow.path === `${workflowsFolder}/${name}`);
    if (file === undefined) continue;
    facts.push({
      file,
      state: workflow.state,
      createdAt: new Date(workflow.created_at),
      scheduledRuns: await fetchScheduledRuns(github, workflow.id),
    });
  }
  return facts;
}

// Enough to look past those that were skipped on purpose and those that still wait.
const runsLookedAt = 30;

async function fetchScheduledRuns(github: GitHub, workflowId: number): Promise<ScheduledRun[]> {
  const { data } = await github.request<unknown>('GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs', {
    workflow_id: workflowId,
    event: 'schedule',
    exclude_pull_requests: true,
    per_page: runsLookedAt,
  });
  return checkedAnswer(runsSchema, data, 'runs')
    .workflow_runs.map(run => ({
      id: String(run.id),
      createdAt: new Date(run.created_at),
      status: run.status ?? 'unknown',
      conclusion: run.conclusion,
      url: run.html_url,
    }))
    .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
}

// GitHub writes times with the offset of the server's zone in some of them.
const time = z.iso.datetime({ offset: true });
const workflowSchema = z.looseObject({ id: z.number(), path: z.string(), state: z.string(), created_at: time });
const runsSchema = z.looseObject({
  workflow_runs: z.array(
    z.looseObject({
      id: z.number(),
      created_at: time,
      status: z.string().nullable(),
      conclusion: z.string().nullable(),
      html_url: z.string(),
    }),
  ),
});
