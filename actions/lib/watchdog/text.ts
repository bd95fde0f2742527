import { formatDuration } from '../log/index.ts';
import type { Check, Report } from '../reports/index.ts';
import type { WatchdogData } from './data.ts';

/** What a person reads in a terminal, verdict first. */
export function watchdogLines({ checks, data }: Report<WatchdogData>): string[] {
  if (!data) return [];
  const missing = checks.filter(check => check.status !== 'ok');
  return [
    missing.length === 0
      ? `Nothing is missing: ${counted(data)}`
      : `MISSING: ${missing.length} of ${checks.length} checks`,
    ...missing.map(check => `  ${check.status === 'unknown' ? 'NOT KNOWN' : check.status}: ${check.message}`),
    ...data.jobs.map(
      job => `  ${job.name} (${job.workflow}): ${ageText(job.ageSeconds)}, allowed ${ageText(job.allowanceSeconds)}`,
    ),
  ];
}

/** The step summary. */
export function watchdogSummary({ checks, data, error }: Report<WatchdogData>): string {
  if (!data) return `## Watchdog failed to run\n\n${error?.message ?? ''}\n\n${error?.hint ?? ''}\n`;
  const missing = checks.filter(check => check.status !== 'ok');
  return [
    missing.length === 0 ? '## Nothing is missing' : `## Missing: ${missing.length} of ${checks.length} checks`,
    '',
    ...missing.map(check => `- ${mark(check.status)} ${check.message}`),
    '',
    '| job | workflow | newest report | allowed | proved |',
    '|---|---|---|---|---|',
    ...data.jobs.map(
      job =>
        `| ${mark(job.status)} ${job.name} | ${job.workflow} | ${ageText(job.ageSeconds)} | ${ageText(job.allowanceSeconds)} | ${job.name.startsWith('drill') ? ageText(job.provedAgeSeconds) : ''} |`,
    ),
    '',
    '| schedule | state | last scheduled run | ended |',
    '|---|---|---|---|',
    ...data.schedules.map(
      schedule =>
        `| ${mark(schedule.status)} ${schedule.workflow} | ${schedule.state ?? 'unknown to GitHub'} | ${schedule.lastScheduledRunAt ?? 'never'} | ${schedule.lastConclusion ?? '–'} |`,
    ),
    '',
  ].join('\n');
}

function counted({ jobs, schedules }: WatchdogData): string {
  return `${jobs.length} jobs have recent reports, ${schedules.length} schedules run`;
}

function ageText(age: number | null): string {
  return age === null ? 'never' : formatDuration(age);
}

function mark(status: Check['status']): string {
  return { ok: '✅', warning: '⚠️', critical: '❌', unknown: '❔' }[status];
}
