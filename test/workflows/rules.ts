import { parse } from 'yaml';
import { evaluateCondition } from '../../actions/lib/watchdog/expression.ts';

/** What a workflow of this repository must keep to. One line for each breach, with the job and the step. */
export function breaches(text: string): string[] {
  const workflow = parse(text) as Workflow;
  const lines = text.split('\n');
  return [
    ...triggerBreaches(workflow),
    ...permissionBreaches(workflow, lines),
    ...pinBreaches(workflow, lines),
    ...runBreaches(workflow),
    ...secretBreaches(workflow, text),
    ...reviewBreaches(workflow),
    ...timeBreaches(workflow),
    ...concurrencyBreaches(workflow),
    ...credentialBreaches(workflow),
    ...webhookBreaches(workflow),
  ];
}

interface Workflow {
  on: unknown;
  permissions?: unknown;
  concurrency?: Concurrency;
  env?: Record<string, string>;
  jobs: Record<string, Job>;
}

interface Job {
  if?: string;
  permissions?: Record<string, string>;
  concurrency?: Concurrency;
  environment?: string | { name: string };
  env?: Record<string, string>;
  'timeout-minutes'?: number;
  steps?: Step[];
}

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, string>;
}

interface Concurrency {
  group?: string;
  queue?: string;
  'cancel-in-progress'?: boolean;
}

/** It runs with the rights of this repository on what a stranger proposes: a `workflow_run` after an unprivileged job instead. */
function triggerBreaches({ on }: Workflow): string[] {
  return JSON.stringify(on ?? '').includes('"pull_request_target"') ? ['runs on pull_request_target'] : [];
}

function permissionBreaches(workflow: Workflow, lines: readonly string[]): string[] {
  const found: string[] = [];
  const top = workflow.permissions;
  if (typeof top !== 'object' || top === null || Object.keys(top).length > 0) {
    found.push('permissions on top must be {}');
  }
  for (const [name, job] of Object.entries(workflow.jobs)) {
    if (typeof job.permissions !== 'object' || job.permissions === null) {
      found.push(`${name}: a job must grant its own permissions, one by one`);
      continue;
    }
    for (const [scope, level] of Object.entries(job.permissions)) {
      const grant = lines.filter(line => line.trim().startsWith(`${scope}: ${level}`));
      if (grant.length === 0 || !grant.every(line => /#\s*\S+/.test(line)))
        found.push(`${name}: the grant ${scope}: ${level} gives no reason`);
    }
  }
  return found;
}

function pinBreaches(workflow: Workflow, lines: readonly string[]): string[] {
  const uses = lines.filter(line => /^\s*(- )?uses:/.test(line));
  // What stands inside braces has no line of its own, and no room for its version.
  const isSeen = uses.length === steps(workflow).filter(({ step }) => step.uses !== undefined).length;
  return [
    ...(isSeen ? [] : ['a uses: that has no line of its own']),
    ...uses
      .filter(line => !/uses: \.\/\S+$/.test(line))
      .filter(line => !/uses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))
      .map(line => `not pinned by a full SHA with its version beside it: ${line.trim()}`),
  ];
}

/** An action that keeps alerts as issues tells the webhook of them as well, where there is one. */
function webhookBreaches(workflow: Workflow): string[] {
  return steps(workflow)
    .filter(({ job, step }) => step.uses?.startsWith('./actions/') && job.permissions?.issues === 'write')
    .filter(({ step: { env = {} } }) => 'GITHUB_TOKEN' in env)
    .filter(({ step: { env = {} } }) => !('ALERTS_WEBHOOK_URL' in env && 'ALERTS_WEBHOOK_SECRET' in env))
    .map(({ at }) => `${at}: alerts without the webhook`);
}

/** An expression is put into the script before the shell (or github-script) reads it: what a person typed would be run. */
function runBreaches(workflow: Workflow): string[] {
  return steps(workflow)
    .filter(({ step }) => step.run?.includes('${{') || String(step.with?.script ?? '').includes('${{'))
    .map(({ at }) => `${at}: an expression inside run`);
}

/** What decrypts backups or overwrites a database is only for jobs of a protected environment. */
const guardedSecrets = new Map([
  ['BACKUP_AGE_IDENTITY', ['recovery', 'restore']],
  ['RESTORE_DATABASE_URL', ['restore']],
]);

function secretBreaches(workflow: Workflow, text: string): string[] {
  const found: string[] = [];
  if (/toJSON\s*\(\s*secrets\b/i.test(text) || /\bsecrets:\s*inherit\b/.test(text)) found.push('all secrets at once');
  if (/secrets\s*\[/.test(text)) found.push('a secret by a computed name');
  // Only below env, of a step: a whole job or workflow would give it to actions that do not need it.
  const outside = JSON.stringify({
    ...workflow,
    jobs: Object.values(workflow.jobs).map(({ steps: _, ...job }) => job),
  });
  if (/secrets\./.test(outside)) found.push('a secret outside the env of a step');
  for (const { at, job, step } of steps(workflow)) {
    const { env = {}, ...rest } = step;
    if (/secrets\./.test(JSON.stringify(rest))) found.push(`${at}: a secret outside env`);
    for (const [variable, value] of Object.entries(env)) {
      const text = String(value);
      if (!text.includes('secrets.')) continue;
      if (text !== `\${{ secrets.${variable} }}`) found.push(`${at}: ${variable} is not the secret of that name`);
      const guarding = guardedSecrets.get(variable);
      if (guarding && !guarding.includes(environmentOf(job) ?? '')) {
        found.push(`${at}: ${variable} outside the environment ${guarding.join(' or ')}`);
      }
    }
  }
  return found;
}

/** Environments whose jobs wait for a person. */
export const reviewed: readonly string[] = ['restore', 'production-database'];

/** A scheduled run that waits for a reviewer waits each time, and is given up after 30 days. */
function reviewBreaches({ on, jobs }: Workflow): string[] {
  const { schedule } = (typeof on === 'object' && on !== null ? on : {}) as { schedule?: { cron: string }[] };
  return Object.entries(jobs).flatMap(([name, job]) => {
    const environment = environmentOf(job);
    if (environment === undefined || !reviewed.includes(environment)) return [];
    return (schedule ?? [])
      .filter(({ cron }) => job.if === undefined || evaluateCondition(job.if, scheduledBy(cron)) !== false)
      .map(({ cron }) => `${name}: the schedule '${cron}' waits for the reviewers of ${environment}`);
  });
}

function scheduledBy(cron: string) {
  return (name: string) => {
    if (name === 'github.event_name') return 'schedule';
    if (name === 'github.event.schedule') return cron;
    return name.startsWith('inputs.') ? null : undefined;
  };
}

export function environmentOf({ environment }: Pick<Job, 'environment'>): string | undefined {
  return typeof environment === 'object' ? environment.name : environment;
}

function timeBreaches(workflow: Workflow): string[] {
  return Object.entries(workflow.jobs)
    .filter(([, job]) => typeof job['timeout-minutes'] !== 'number')
    .map(([name]) => `${name}: no timeout-minutes`);
}

/** Without `queue: max` a run that waits is dropped when a third one comes; a cancelled one leaves its work half done. */
function concurrencyBreaches(workflow: Workflow): string[] {
  const holdsSecrets = JSON.stringify(workflow.jobs).includes('secrets.');
  return Object.entries(workflow.jobs).flatMap(([name, job]) => {
    const concurrency = job.concurrency ?? workflow.concurrency;
    if (!concurrency?.group) return [`${name}: no concurrency group`];
    const writes = Object.values(job.permissions ?? {}).includes('write');
    if (!holdsSecrets && !writes) return [];
    return [
      ...(concurrency.queue === 'max' ? [] : [`${name}: no queue: max`]),
      ...(concurrency['cancel-in-progress'] ? [`${name}: cancels a run in progress`] : []),
    ];
  });
}

function credentialBreaches(workflow: Workflow): string[] {
  return steps(workflow)
    .filter(({ step }) => step.uses?.startsWith('actions/checkout@'))
    .filter(({ step }) => step.with?.['persist-credentials'] !== false)
    .map(({ at }) => `${at}: the checkout keeps the token in .git/config`);
}

function steps(workflow: Workflow): { at: string; job: Job; step: Step }[] {
  return Object.entries(workflow.jobs).flatMap(([name, job]) =>
    (job.steps ?? []).map((step, index) => ({ at: `${name}, step ${index + 1}`, job, step })),
  );
}
