import { formatDuration } from '../log/index.ts';
import type { Check } from '../reports/index.ts';
import type { ScheduledRun, WorkflowFacts } from './scheduler.ts';

/** The newest report that shows something, and when that was. */
export interface Sighting {
  readonly reportId: string;
  readonly at: Date;
}

/** What is known of one job whose report is expected. */
export interface JobFacts {
  readonly name: string;
  readonly file: string;
  /** Seconds that silence may last. */
  readonly allowance: number;
  readonly newest: Sighting | undefined;
  /** When its workflow came to be; undefined without the API. */
  readonly workflowCreatedAt: Date | undefined;
  /** Where reports were looked for. */
  readonly place: string;
}

/**
 * Whether a job was done lately enough: `ok`, or `critical` when its newest report is too old or when there is none although
 * the workflow has existed for longer than the allowance; `unknown` when there is none and nobody knows since when.
 *
 * @param id `watchdog.report`, or `watchdog.proof` for the drills that proved a set
 */
export function judgeJob(id: 'watchdog.report' | 'watchdog.proof', job: JobFacts, now: Date): Check {
  const check = { id, target: job.name, threshold: job.allowance, unit: 'seconds' };
  const what = id === 'watchdog.proof' ? `proved backup (${job.name})` : `report of ${job.name}`;
  const remedy = `See gh run list --workflow ${job.file}, and start it with gh workflow run ${job.file}`;
  if (job.newest) {
    const age = secondsBetween(job.newest.at, now);
    const isStale = age > job.allowance;
    const lead = `The newest ${what} is ${formatDuration(age)} old (${job.newest.reportId})`;
    const message = isStale ? `${lead}; one is due every ${formatDuration(job.allowance)}. ${remedy}` : lead;
    return { ...check, status: isStale ? 'critical' : 'ok', value: age, message };
  }
  const never = `There has never been a ${what} in ${job.place}`;
  if (!job.workflowCreatedAt) {
    return { ...check, status: 'unknown', value: null, message: `${never}, and since when to expect one is not known` };
  }
  const existed = secondsBetween(job.workflowCreatedAt, now);
  if (existed <= job.allowance) {
    return { ...check, status: 'ok', value: null, message: `${job.file} is new; its first ${what} is not due yet` };
  }
  return {
    ...check,
    status: 'critical',
    value: null,
    message: `${never}, and ${job.file} has existed for ${formatDuration(existed)}. ${remedy}`,
  };
}

/** What is known of one schedule. */
export interface ScheduleFacts {
  readonly file: string;
  readonly allowance: number;
  /** Some of its cron lines skip every job on purpose. */
  readonly maySkip: boolean;
  /** Undefined when GitHub does not know the workflow. */
  readonly workflow: WorkflowFacts | undefined;
}

/**
 * Whether the schedule is alive: enabled, and its newest run is not older than the allowance. Only what the schedule itself
 * started counts: a run that a person started would hide a dead schedule.
 */
export function judgeSchedule(schedule: ScheduleFacts, now: Date): Check {
  const { file, workflow, allowance } = schedule;
  const check = { id: 'watchdog.schedule', target: file, threshold: allowance, unit: 'seconds' };
  if (!workflow) {
    return {
      ...check,
      status: 'critical',
      value: null,
      message: `GitHub does not know the workflow ${file}, so its schedule never runs. Put it on the default branch: git log origin/HEAD -- .github/workflows/${file}`,
    };
  }
  const newest = countedRuns(schedule)[0];
  const age = newest ? secondsBetween(newest.createdAt, now) : null;
  if (workflow.state !== 'active') {
    return { ...check, status: 'critical', value: age, message: disabledMessage(file, workflow.state) };
  }
  const remedy = `Look at gh workflow view ${file}: a schedule runs on the default branch only, and stops when whoever last changed its cron line leaves. Changing the cron line starts it anew`;
  if (newest && age !== null) {
    const isStale = age > allowance;
    const lead = `The schedule of ${file} last started a run ${formatDuration(age)} ago`;
    const message = isStale ? `${lead}; it is due every ${formatDuration(allowance)}. ${remedy}` : lead;
    return { ...check, status: isStale ? 'critical' : 'ok', value: age, message };
  }
  const existed = secondsBetween(workflow.createdAt, now);
  if (existed <= allowance) {
    return { ...check, status: 'ok', value: null, message: `${file} is new; its first scheduled run is not due yet` };
  }
  return {
    ...check,
    status: 'critical',
    value: null,
    message: `The schedule of ${file} has never started a run, and the workflow has existed for ${formatDuration(existed)}. ${remedy}`,
  };
}

/**
 * How the newest scheduled run ended; nothing when there is none to judge. A failure that left a report is told by that
 * report, and by its alerts; one that left none is told here.
 *
 * @param reportedRuns ids of the runs of which a report says what went wrong
 */
export function judgeRun(schedule: ScheduleFacts, reportedRuns: ReadonlySet<string>, now: Date): Check | undefined {
  const { file, allowance } = schedule;
  const runs = countedRuns(schedule);
  const ended = lastEnded(schedule);
  const waiting = runs.slice(0, ended ? runs.indexOf(ended) : runs.length).at(-1);
  const check = { id: 'watchdog.run', target: file, threshold: allowance, unit: 'seconds' };

  if (waiting && secondsBetween(waiting.createdAt, now) > allowance) {
    const age = secondsBetween(waiting.createdAt, now);
    const message = `A scheduled run of ${file} has been '${waiting.status}' for ${formatDuration(age)}: ${waiting.url}. ${waitRemedy(waiting)}`;
    return { ...check, status: 'critical', value: age, message };
  }
  if (!ended) return undefined;
  const age = secondsBetween(ended.createdAt, now);
  const { conclusion } = ended;
  if (conclusion === 'success' || conclusion === 'neutral') {
    return { ...check, status: 'ok', value: age, message: `The last scheduled run of ${file} succeeded` };
  }
  if (conclusion === 'failure' && reportedRuns.has(ended.id)) {
    return {
      ...check,
      status: 'ok',
      value: age,
      message: `The last scheduled run of ${file} failed, and its report says why`,
    };
  }
  const message = `The last scheduled run of ${file} ${ending(conclusion)}: ${ended.url}. ${runRemedy(file, ended)}`;
  return { ...check, status: 'critical', value: age, message };
}

/** The newest run that is over; undefined when none is. */
export function lastEnded(schedule: Pick<ScheduleFacts, 'workflow' | 'maySkip'>): ScheduledRun | undefined {
  return countedRuns(schedule).find(run => run.status === 'completed');
}

/** Where skipping is meant, runs that were skipped show nothing, neither good nor bad. */
function countedRuns({ workflow, maySkip }: Pick<ScheduleFacts, 'workflow' | 'maySkip'>): ScheduledRun[] {
  const runs = workflow?.scheduledRuns ?? [];
  return runs.filter(run => !(maySkip && run.conclusion === 'skipped'));
}

function disabledMessage(file: string, state: string): string {
  const enable = `gh workflow enable ${file}`;
  switch (state) {
    case 'disabled_inactivity':
      return `GitHub disabled the schedule of ${file} after 60 days without activity in the repository. Enable it: ${enable}`;
    case 'disabled_manually':
      return `Somebody disabled ${file}. Enable it: ${enable}; or, if that is meant, name it in watchdog.ignore`;
    case 'disabled_fork':
      return `GitHub disables schedules in a fork until somebody enables them. Enable ${file}: ${enable}`;
    case 'deleted':
      return `${file} was deleted from the default branch, and its schedule with it. Restore the file there`;
    default:
      return `GitHub says that ${file} is '${state}', so its schedule does not run. Enable it: ${enable}`;
  }
}

function ending(conclusion: string | null): string {
  switch (conclusion) {
    case 'startup_failure':
      return 'could not start';
    case 'timed_out':
      return 'ran out of time';
    case 'action_required':
      return 'waits for an approval';
    case 'failure':
      return 'failed and left no report';
    case 'cancelled':
    case 'skipped':
      return `was ${conclusion}`;
    default:
      return `ended as '${conclusion}'`;
  }
}

function runRemedy(file: string, { id, conclusion }: ScheduledRun): string {
  switch (conclusion) {
    case 'startup_failure':
      return `GitHub refuses the file: look at .github/workflows/${file} and at what Settings → Actions allows`;
    case 'skipped':
      return `An 'if:' in .github/workflows/${file} is false for it`;
    case 'action_required':
      return `Approve it there`;
    case 'timed_out':
      return `See how far it came: gh run view ${id} --log; raise timeout-minutes if it only needs longer`;
    default:
      return `See why: gh run view ${id} --log-failed; run it again: gh run rerun ${id}`;
  }
}

function waitRemedy({ id, status }: ScheduledRun): string {
  switch (status) {
    case 'waiting':
      return 'Its environment asks for an approval: give it there, or take the required reviewers away';
    case 'in_progress':
      return `It hangs: gh run cancel ${id}`;
    default:
      return `No runner takes it, or a run before it does not end: gh run list --status in_progress; gh run cancel ${id}`;
  }
}

/** A clock that is a little ahead on one side must not make an age negative. */
function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, (to.getTime() - from.getTime()) / 1000);
}
