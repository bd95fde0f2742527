import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Environment } from '../../config/index.ts';
import { OpsError } from '../../errors/index.ts';

/** The pull request that a run is about, from the payload that GitHub wrote. */
export interface PullRequest {
  number: number;
  headSha: string;
  headRef: string;
  /** From another repository: the token may only read, and its branch is not ours to write to. */
  isFork: boolean;
}

const sha = z.string().regex(/^[0-9a-f]{40}$/);
const name = z.string().min(1);
const pullRequestPayload = z.object({
  repository: z.object({ full_name: name }),
  pull_request: z.object({
    number: z.int().min(1),
    // Null when the fork was deleted.
    head: z.object({ sha, ref: name, repo: z.object({ full_name: name }).nullable() }),
  }),
});

/**
 * Undefined for a run that is about none.
 * @throws OpsError `USAGE` for `pull_request_target`, which gives a stranger's files the rights of the repository
 */
export function readPullRequest(env: Environment): PullRequest | undefined {
  if (env.GITHUB_EVENT_NAME === 'pull_request_target') {
    throw new OpsError('USAGE', 'Pull requests are not checked on pull_request_target', {
      hint: 'Use on: pull_request, and for forks the second workflow of the README.',
      exit: 'usage',
    });
  }
  if (env.GITHUB_EVENT_NAME !== 'pull_request') return undefined;
  const payload = pullRequestPayload.safeParse(readPayload(env)).data;
  if (!payload) throw unreadable('pull_request');
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
  attempt: number;
  /** Its page. */
  url: string;
  /** Of a pull request, the commit that was pushed to it. */
  headSha: string;
  headRef: string;
  /** `owner/name` of where it was pushed to; null when that was deleted. */
  headRepository: string | null;
}

const workflowRunPayload = z.object({
  workflow_run: z.object({
    id: z.int(),
    run_attempt: z.int().min(1),
    html_url: z.url(),
    event: name,
    head_sha: sha,
    head_branch: name,
    head_repository: z.object({ full_name: name }).nullable(),
  }),
});

/**
 * Undefined for a run that was not about a pull request.
 * @throws OpsError `USAGE` outside of `workflow_run`
 */
export function readFinishedRun(env: Environment): FinishedRun | undefined {
  if (env.GITHUB_EVENT_NAME !== 'workflow_run') {
    throw new OpsError('USAGE', `mode: comment runs on workflow_run, and this is ${env.GITHUB_EVENT_NAME}`, {
      hint: 'Use it in a workflow of its own, on: workflow_run of the check: see the README.',
      exit: 'usage',
    });
  }
  const run = workflowRunPayload.safeParse(readPayload(env)).data?.workflow_run;
  if (!run) throw unreadable('workflow_run');
  if (run.event !== 'pull_request') return undefined;
  return {
    id: run.id,
    attempt: run.run_attempt,
    url: run.html_url,
    headSha: run.head_sha,
    headRef: run.head_branch,
    headRepository: run.head_repository?.full_name ?? null,
  };
}

/** The run that this is; undefined outside of Actions. */
export function readThisRun(env: Environment): { id: number; attempt: number; url: string } | undefined {
  const { GITHUB_RUN_ID: id, GITHUB_RUN_ATTEMPT: attempt, GITHUB_REPOSITORY: repository } = env;
  if (!id || !repository) return undefined;
  const server = (env.GITHUB_SERVER_URL || 'https://github.com').replace(/\/+$/, '');
  return { id: Number(id), attempt: Number(attempt) || 1, url: `${server}/${repository}/actions/runs/${id}` };
}

function unreadable(event: string): OpsError {
  return new OpsError('USAGE', `The payload of the event ${event} cannot be read`, {
    hint: 'It is the file that GITHUB_EVENT_PATH names.',
    exit: 'usage',
  });
}

function readPayload(env: Environment): unknown {
  try {
    return JSON.parse(readFileSync(env.GITHUB_EVENT_PATH ?? '', 'utf8'));
  } catch {
    return undefined;
  }
}
