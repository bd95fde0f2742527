import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Environment } from '../config/index.ts';
import type { Report } from '../reports/index.ts';
import { previousFiring } from '../schedule/index.ts';

/** What started a run in Actions, as far as the frame asks. */
export interface RunEvent {
  /** `schedule`, `workflow_dispatch`, `pull_request`, …; `unknown` outside Actions. */
  name: string;
  /** The cron line that fired. */
  cron: string | undefined;
  /** It is about what a pull request proposes, and not about what is in use. */
  isPullRequest: boolean;
  /** A push to a branch that is not the default one. */
  isOtherBranch: boolean;
}

/** @param env of the runner: `GITHUB_EVENT_NAME`, and `GITHUB_EVENT_PATH`, the payload as a file */
export function readEvent(env: Environment): RunEvent {
  const name = env.GITHUB_EVENT_NAME || 'unknown';
  const payload = readPayload(env.GITHUB_EVENT_PATH);
  return {
    name,
    cron: name === 'schedule' ? payload.schedule : undefined,
    // What runs after the run of a pull request (to comment on it with a token that may) is about that pull request.
    isPullRequest: isPullRequest(name) || (name === 'workflow_run' && isPullRequest(payload.workflow_run?.event)),
    isOtherBranch: name === 'push' && isOtherBranch(payload),
  };
}

/** A run may begin hours after the time in its cron line; `scheduledFor` is the last time that the line named. */
export function triggerOf({ name, cron }: RunEvent, now: Date): Report['trigger'] {
  const scheduledFor = cron === undefined ? undefined : lastFiring(cron, now);
  return { event: name, ...(scheduledFor && { scheduledFor: scheduledFor.toISOString() }) };
}

function isPullRequest(event: string | undefined): boolean {
  return event !== undefined && /^(pull_request(_target|_review|_review_comment)?|merge_group)$/.test(event);
}

function isOtherBranch({ ref, repository }: Payload): boolean {
  return (
    ref?.startsWith('refs/heads/') === true &&
    repository !== undefined &&
    ref !== `refs/heads/${repository.default_branch}`
  );
}

/** Fields that are not needed are not looked at; what cannot be read is as if it were empty. */
const payloadSchema = z.object({
  schedule: z.string().optional().catch(undefined),
  workflow_run: z.object({ event: z.string() }).optional().catch(undefined),
  ref: z.string().optional().catch(undefined),
  repository: z.object({ default_branch: z.string() }).optional().catch(undefined),
});
type Payload = z.output<typeof payloadSchema>;

function readPayload(path: string | undefined): Payload {
  if (!path) return {};
  try {
    return payloadSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}

/** A line that only GitHub understands costs the report a field, not the run. */
function lastFiring(cron: string, now: Date): Date | undefined {
  try {
    return previousFiring({ cron }, now);
  } catch {
    return undefined;
  }
}
