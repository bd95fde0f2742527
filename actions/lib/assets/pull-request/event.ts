import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Environment } from '../../config/index.ts';

/** The pull request that a run is about, from the payload that GitHub wrote. */
export interface PullRequest {
  number: number;
  headSha: string;
  headRef: string;
  /** From another repository: the token may only read, and its branch is not ours to write to. */
  isFork: boolean;
}

const sha = z.string().regex(/^[0-9a-f]{40}$/);
const pullRequestPayload = z.object({
  repository: z.object({ full_name: z.string() }),
  pull_request: z.object({
    number: z.int().min(1),
    head: z.object({ sha, ref: z.string(), repo: z.object({ full_name: z.string() }).nullable() }),
  }),
});

/** Undefined for a run that is about none. */
export function readPullRequest(env: Environment): PullRequest | undefined {
  const payload = pullRequestPayload.safeParse(readPayload(env)).data;
  if (!payload) return undefined;
  const { number, head } = payload.pull_request;
  return {
    number,
    headSha: head.sha,
    headRef: head.ref,
    isFork: head.repo?.full_name !== payload.repository.full_name,
  };
}

/** The run that a `workflow_run` comes after. */
export interface FinishedRun {
  id: number;
  headSha: string;
}

const workflowRunPayload = z.object({
  workflow_run: z.object({ id: z.int(), head_sha: sha, event: z.literal('pull_request') }),
});

export function readFinishedRun(env: Environment): FinishedRun | undefined {
  const run = workflowRunPayload.safeParse(readPayload(env)).data?.workflow_run;
  return run && { id: run.id, headSha: run.head_sha };
}

function readPayload(env: Environment): unknown {
  try {
    return JSON.parse(readFileSync(env.GITHUB_EVENT_PATH ?? '', 'utf8'));
  } catch {
    return undefined;
  }
}
