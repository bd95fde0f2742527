import { z } from 'zod';
import type { Report } from '../reports/index.ts';
import { longestGapSeconds, parseCron, type Schedule } from '../schedule/index.ts';
import { evaluateCondition, evaluateText, type Lookup, type Value } from './expression.ts';
import type { Workflow, WorkflowStep } from './workflows.ts';

/** Work that some workflow does on a schedule, and of which there should therefore be a recent report. */
export interface ExpectedJob {
  /** `backup.database`, `database.analyze`, `assets.optimize`; for other actions the name of the action. */
  readonly name: string;
  /** The workflow whose schedule it is; the first one, when there are several. */
  readonly file: string;
  readonly schedules: readonly Schedule[];
}

/** A workflow with a schedule. */
export interface ExpectedSchedule {
  readonly file: string;
  /** The cron lines at which a job of it runs. */
  readonly schedules: readonly Schedule[];
  /** At other cron lines every job is skipped on purpose. */
  readonly maySkip: boolean;
}

export interface Expectations {
  jobs: ExpectedJob[];
  schedules: ExpectedSchedule[];
  /** Workflows whose cron lines mean nothing. */
  unreadable: { file: string; reason: string }[];
}

/**
 * What the workflows promise by their cron lines. `if:` and inputs are evaluated for each line, since one workflow may do
 * different things at different times; what cannot be known here counts as true.
 *
 * @param vars repository variables whose values are known
 */
export function expectationsOf(
  workflows: readonly Workflow[],
  vars: Readonly<Record<string, string>>,
  ignore: readonly string[] = [],
): Expectations {
  const found: Expectations = { jobs: [], schedules: [], unreadable: [] };
  for (const workflow of workflows) {
    if (workflow.schedules.length === 0 || ignore.includes(workflow.file)) continue;
    const active: Schedule[] = [];
    try {
      for (const schedule of workflow.schedules) {
        // Names a line that is wrong before anything is counted on.
        parseCron(schedule.cron);
        const lookup = contextOf(schedule, vars);
        const running = workflow.jobs.filter(job => isRun(job.condition, lookup));
        if (running.length > 0) active.push(schedule);
        const steps = running.flatMap(job => job.steps).filter(step => isRun(step.condition, lookup));
        for (const name of new Set(steps.flatMap(step => jobNames(step, lookup)))) {
          addJob(found.jobs, name, workflow.file, schedule);
        }
      }
    } catch (error) {
      found.unreadable.push({ file: workflow.file, reason: (error as Error).message });
    }
    if (active.length > 0) {
      found.schedules.push({
        file: workflow.file,
        schedules: active,
        maySkip: active.length < workflow.schedules.length,
      });
    }
  }
  return found;
}

export interface AllowancePolicy {
  readonly slack: number;
  /** Seconds. */
  readonly lateness: number;
  /** Seconds, by job or workflow file. */
  readonly allowances: Readonly<Record<string, number>>;
}

/**
 * How long silence may last, in seconds: what the configuration says for one of the names, else the longest gap of the
 * cron lines with slack. A daily job has 30 h at the least, since GitHub starts scheduled runs up to hours late.
 * Undefined when the lines never fire.
 */
export function allowanceOf(
  names: readonly string[],
  schedules: readonly Schedule[],
  policy: AllowancePolicy,
  now: Date,
): number | undefined {
  for (const name of names) {
    const given = policy.allowances[name];
    if (given !== undefined) return given;
  }
  const gap = longestGapSeconds(schedules, now);
  return gap === undefined ? undefined : Math.max(gap * policy.slack, gap + policy.lateness);
}

/** Of the kinds that have a report, those that can show that a job was done. */
export function reportKindsOf(job: string, kinds: readonly string[]): string[] {
  return kinds.filter(kind => {
    if (job.startsWith('drill')) return kind === 'drill.run';
    // What lists, checks and prunes backups is of this action too, and makes none.
    if (job === 'backup') return ['backup.database', 'backup.files', 'backup.all'].includes(kind);
    if (job.startsWith('backup.')) return kind === job || kind === 'backup.all';
    return kind === job || kind.startsWith(`${job}.`);
  });
}

/** Whether a report says that the job was done; what came of it is for its own checks to say. */
export function showsDone(job: string, report: Report): boolean {
  if (report.error !== null) return false;
  const setKind = /^drill\.(.+)$/.exec(job)?.[1];
  return setKind === undefined || drillData(report)?.set.kind === setKind;
}

/** Whether a report says that a set was restored and compared, and is right. */
export function showsProof(job: string, report: Report): boolean {
  return showsDone(job, report) && drillData(report)?.verdict === 'PROVED';
}

const drillSchema = z.looseObject({ verdict: z.string(), set: z.looseObject({ kind: z.string() }) });

function drillData(report: Report): z.infer<typeof drillSchema> | undefined {
  return drillSchema.safeParse(report.data).data;
}

function addJob(jobs: ExpectedJob[], name: string, file: string, schedule: Schedule): void {
  const index = jobs.findIndex(job => job.name === name);
  const known = jobs[index];
  if (known) jobs[index] = { ...known, schedules: [...known.schedules, schedule] };
  else jobs.push({ name, file, schedules: [schedule] });
}

/** What a run that this cron line started would see. */
function contextOf(schedule: Schedule, vars: Readonly<Record<string, string>>): Lookup {
  return (name): Value => {
    const path = name.toLowerCase();
    if (path === 'github.event_name') return 'schedule';
    if (path === 'github.event.schedule') return schedule.cron;
    // A scheduled run has no inputs.
    if (path.startsWith('inputs.') || path.startsWith('github.event.inputs.')) return null;
    const variable = /^vars\.(.+)$/i.exec(name)?.[1]?.toUpperCase();
    return variable === undefined ? undefined : vars[variable];
  };
}

function isRun(condition: string | undefined, lookup: Lookup): boolean {
  return condition === undefined || evaluateCondition(condition, lookup) !== false;
}

/** The watchdog does not wait for itself, and a restore is nobody's routine. */
const unexpected = new Set(['watchdog', 'restore']);

/** The input that says of which kind the report of an action is, and its default. */
const reportsBy: Readonly<Record<string, readonly [input: string, byDefault: string]>> = {
  assets: ['mode', 'check'],
  cdn: ['command', 'audit'],
  database: ['mode', 'analyze'],
  drill: ['kind', 'database'],
};

function jobNames(step: WorkflowStep, lookup: Lookup): string[] {
  // `./actions/backup` or `$/actions/backup` here, `owner/production-ops/actions/backup@v1` elsewhere.
  const action = /^(?:[.$]|[^/]+\/[^/]+)\/actions\/([a-z-]+)(?:@|$)/.exec(step.uses)?.[1];
  if (action === undefined || unexpected.has(action)) return [];
  const input = (name: string, byDefault: string) => {
    const value = evaluateText(step.with[name] ?? '', lookup);
    return value === undefined ? undefined : String(value ?? '') || byDefault;
  };
  // Of those that have the input; a dry run leaves no report.
  if (input('dry-run', 'false') === 'true') return [];
  if (action !== 'backup') {
    const [name, byDefault] = reportsBy[action] ?? [];
    const part = name && byDefault && input(name, byDefault);
    return [part ? `${action}.${part}` : action];
  }
  const what = input('what', 'database');
  if (what === 'all') return ['backup.database', 'backup.files'];
  return [what === undefined ? 'backup' : `backup.${what}`];
}
