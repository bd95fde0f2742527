import { nearest } from '../config/index.ts';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { type GitHub, githubOf } from '../github/index.ts';
import { type Check, createReportReader, type Operation, type ReportReader, worstStatus } from '../reports/index.ts';
import { type WatchdogData, watchdogDataSchema } from './data.ts';
import {
  allowanceOf,
  type Expectations,
  expectationsOf,
  reportKindsOf,
  showsDone,
  showsProof,
} from './expectations.ts';
import { sendHeartbeat } from './heartbeat.ts';
import { type JobFacts, judgeJob, judgeRun, judgeSchedule, lastEnded, type ScheduleFacts } from './judge.ts';
import { newestThat } from './newest.ts';
import { runsThatSaidWhy } from './reported-runs.ts';
import { fetchWorkflowFacts, type WorkflowFacts } from './scheduler.ts';
import { watchdogLines, watchdogSummary } from './text.ts';
import { type FoundWorkflows, fetchWorkflows, readWorkflows, workflowsFolder } from './workflows.ts';

export interface WatchdogInput {
  /** Where reports are read. Default: from GitHub when there is a token, which sees those of every run; else the folder. */
  reports?: 'github' | 'directory' | undefined;
  /** `vars.ASSETS_PROPOSE` of the repository: whether `assets.yml` runs on its schedule. Default: that it does not. */
  assetsPropose?: string | undefined;
}

/**
 * Finds what did not happen: jobs without a recent report, schedules that are off, runs that ended without a word.
 * Throws `WATCHDOG_NO_WORKFLOWS` (exit 2); what GitHub refuses is a check with status unknown, not a failure.
 */
export const watchdogOperation: Operation<WatchdogInput, WatchdogData> = {
  kind: 'watchdog.run',
  dataSchema: watchdogDataSchema,
  async execute(input, context) {
    const github = githubOf(context);
    const expectations = expect(await findWorkflows(context, github), input, context);
    const data: WatchdogData = { jobs: [], schedules: [], heartbeat: null };
    const checks: Check[] = expectations.unreadable.map(({ file, reason }) => unreadable(file, reason));

    const facts = await attempt(context, async () => {
      if (!github) throw noToken();
      return fetchWorkflowFacts(
        github,
        expectations.schedules.map(schedule => schedule.file),
      );
    });
    checks.push(access('watchdog.github', 'Workflows', 'were asked about', facts));

    const reader = createReportReader(input.reports === 'directory' ? undefined : github, context);
    const reports = await attempt(context, () => judgeReports(reader, expectations, facts.value ?? [], context, data));
    checks.push(access('watchdog.reports', `Reports in ${reader.place}`, 'were read', reports));
    checks.push(...(reports.value?.checks ?? []));

    if (facts.value) {
      checks.push(...judgeSchedules(expectations, facts.value, reports.value?.runs ?? new Set(), context, data));
    }
    checks.push(...(await beat(checks, context, data)));
    return { data, checks };
  },
  lines: watchdogLines,
  summary: watchdogSummary,
};

async function findWorkflows({ cwd }: OpsContext, github: GitHub | undefined): Promise<FoundWorkflows> {
  const found = (await readWorkflows(cwd)) ?? (github && (await fetchWorkflows(github)));
  if (found) return found;
  throw new OpsError('WATCHDOG_NO_WORKFLOWS', `There is no ${workflowsFolder} here, and no token to ask GitHub`, {
    hint: 'Run it in a checkout, or set GITHUB_TOKEN and GITHUB_REPOSITORY.',
    exit: 'usage',
  });
}

function expect(
  { workflows, unreadable }: FoundWorkflows,
  { assetsPropose = '' }: WatchdogInput,
  { config, log }: OpsContext,
): Expectations {
  const vars = {
    BACKUP_FILES_PATHS: config.backup.files.paths.join(','),
    CDN_URL: Object.values(config.cdn.zones)[0]?.url ?? '',
    ASSETS_PROPOSE: assetsPropose,
  };
  const found = expectationsOf(workflows, vars, config.watchdog.ignore);
  const files = workflows.map(workflow => workflow.file);
  const known = [...found.jobs.map(job => job.name), ...files];
  for (const name of [...Object.keys(config.watchdog.allowances), ...config.watchdog.ignore]) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    log.warn(`watchdog: the configuration names '${name}', which nothing here is${near ? `; '${near}' is` : ''}`);
  }
  return { ...found, unreadable: [...unreadable, ...found.unreadable] };
}

interface Attempt<T> {
  value: T | undefined;
  error: OpsError | undefined;
}

/** One part of the picture may be missing: the others still say what they show. */
async function attempt<T>({ signal }: OpsContext, work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work(), error: undefined };
  } catch (error) {
    if (signal.aborted || !(error instanceof OpsError)) throw error;
    return { value: undefined, error };
  }
}

/** What could not be looked at is unknown, and never green. */
function access(id: string, what: string, verb: string, { error }: Attempt<unknown>): Check {
  const message = error
    ? `${what} could not be looked at: ${error.message}. ${error.hint ?? ''}`.trim()
    : `${what} ${verb}`;
  return { id, status: error ? 'unknown' : 'ok', value: null, threshold: null, unit: 'seconds', message };
}

function noToken(): OpsError {
  return new OpsError('GITHUB_AUTH', 'there is no token', {
    hint: 'Set GITHUB_TOKEN (actions: read) and GITHUB_REPOSITORY.',
  });
}

function unreadable(file: string, reason: string): Check {
  const message = `${file} promises nothing that can be held against it: ${reason}. Correct .github/workflows/${file}`;
  return {
    id: 'watchdog.schedule',
    target: file,
    status: 'unknown',
    value: null,
    threshold: null,
    unit: 'seconds',
    message,
  };
}

async function judgeReports(
  reader: ReportReader,
  { jobs, schedules: expected }: Expectations,
  workflows: readonly WorkflowFacts[],
  context: OpsContext,
  data: WatchdogData,
): Promise<{ checks: Check[]; runs: Set<string> }> {
  const now = context.now();
  const kinds = await reader.kinds();
  const checks: Check[] = [];
  for (const { name, file, schedules } of jobs) {
    const allowance = allowanceOf([name, file], schedules, context.config.watchdog, now);
    // Cron lines that never fire are told of below the schedule.
    if (allowance === undefined) continue;
    const jobKinds = reportKindsOf(name, kinds);
    const isDrill = name.startsWith('drill');
    const facts: JobFacts = {
      name,
      file,
      allowance,
      newest: await newestThat(reader, jobKinds, {
        shows: report => showsDone(name, report),
        // Which set a drill is of, its report alone says.
        quietCounts: !isDrill,
      }),
      workflowCreatedAt: workflows.find(workflow => workflow.file === file)?.createdAt,
      place: reader.place,
    };
    const done = judgeJob('watchdog.report', facts, now);
    const newestProved = isDrill
      ? await newestThat(reader, jobKinds, { shows: report => showsProof(name, report), quietCounts: false })
      : undefined;
    const proved = isDrill ? judgeJob('watchdog.proof', { ...facts, newest: newestProved }, now) : undefined;
    checks.push(done, ...(proved ? [proved] : []));
    data.jobs.push({
      name,
      workflow: file,
      status: worstStatus([done.status, proved?.status ?? 'ok']),
      allowanceSeconds: allowance,
      reportId: facts.newest?.reportId ?? null,
      ageSeconds: done.value,
      provedReportId: newestProved?.reportId ?? null,
      provedAgeSeconds: proved?.value ?? null,
    });
  }
  const failed = expected
    .flatMap(({ file, maySkip }) => lastEnded({ workflow: workflows.find(each => each.file === file), maySkip }) ?? [])
    .filter(run => run.conclusion === 'failure');
  return { checks, runs: await runsThatSaidWhy(reader, kinds, failed) };
}

function judgeSchedules(
  { schedules }: Expectations,
  workflows: readonly WorkflowFacts[],
  reportedRuns: ReadonlySet<string>,
  context: OpsContext,
  data: WatchdogData,
): Check[] {
  const now = context.now();
  const checks: Check[] = [];
  for (const { file, schedules: lines, maySkip } of schedules) {
    const allowance = allowanceOf([file], lines, context.config.watchdog, now);
    if (allowance === undefined) {
      checks.push(unreadable(file, 'its cron lines name no day that exists'));
      continue;
    }
    const workflow = workflows.find(each => each.file === file);
    const facts: ScheduleFacts = { file, allowance, maySkip, workflow };
    const alive = judgeSchedule(facts, now);
    const ended = judgeRun(facts, reportedRuns, now);
    checks.push(alive, ...(ended ? [ended] : []));
    data.schedules.push({
      workflow: file,
      status: worstStatus([alive.status, ended?.status ?? 'ok']),
      state: workflow?.state ?? null,
      allowanceSeconds: allowance,
      lastScheduledRunAt: workflow?.scheduledRuns[0]?.createdAt.toISOString() ?? null,
      lastConclusion: workflow?.scheduledRuns.find(run => run.conclusion !== null)?.conclusion ?? null,
    });
  }
  return checks;
}

async function beat(checks: readonly Check[], context: OpsContext, data: WatchdogData): Promise<Check[]> {
  const url = context.secrets.heartbeatUrl;
  if (!url) return [];
  const missing = checks.filter(check => check.status !== 'ok');
  const failure = await sendHeartbeat({
    url,
    ...context.config.watchdog.heartbeat,
    failSuffix: context.config.watchdog.heartbeat.failSuffix,
    isBreached: missing.length > 0,
    text: missing.length > 0 ? missing.map(check => check.message).join('\n') : 'nothing is missing',
    signal: context.signal,
  });
  data.heartbeat = { failure: failure ?? null };
  return [
    {
      id: 'watchdog.heartbeat',
      status: failure === undefined ? 'ok' : 'warning',
      value: null,
      threshold: null,
      unit: 'seconds',
      message:
        failure === undefined
          ? 'The heartbeat was received'
          : `The heartbeat was not received: ${failure}. When this lasts, the service outside raises its alarm; check WATCHDOG_HEARTBEAT_URL`,
    },
  ];
}
