import { codeSpan } from '../../markdown/index.ts';
import { failedRun, type Runbooks } from './runbook.ts';

/** The record and the alarm themselves: announcing, storms, and what did not happen. */
export const recordRunbooks: Runbooks = {
  'alerts.announced': () => ({
    title: 'Alerts could not be announced',
    meaning: 'GitHub or the webhook refused. What could not be announced is announced by the next run, if that may.',
    steps: [
      'Read the message. The job that announces needs `permissions: issues: write`, and issues must be switched on in the settings of the repository.',
    ],
    commands: ['npm run ops -- alerts list', 'npm run ops -- alerts sync'],
  }),
  'ops.storm': () => ({
    title: 'Many alerts at once',
    meaning:
      'More alerts began than `alerts.stormLimit` allows to be announced one by one. So many at once mostly have one cause: a database, a network, a destination, or a secret that has expired.',
    steps: [
      'Begin with what the others depend on. Each line leaves the list when it is well, and the issue closes with the last one.',
    ],
    commands: ['npm run ops -- alerts list'],
  }),
  'watchdog.report': ({ target }) => ({
    title: 'A scheduled job left no report',
    meaning:
      'The job should have run by now, and its newest report that is not a failure is older than its allowance. Whatever it guards has not been looked after since then.',
    steps: [
      'See in the message how old the newest report is, and in the list of runs whether the job was started at all.',
      'Not started: the schedule is late, off or dropped by GitHub; start it by hand now. Started and failed: there is an alert of the job itself that says why.',
      `Started and well, without a report: the job may not commit (\`contents: write\`, \`GITHUB_TOKEN\`), or its reports are on another branch than \`reports.branch\` says.${jobWord(target)}`,
    ],
    commands: [
      `gh run list --workflow ${workflowOf(target)} --limit 10`,
      `gh workflow run ${workflowOf(target)}`,
      'npm run ops -- watchdog',
    ],
  }),
  'watchdog.proof': () => ({
    title: 'No backup has been proved lately',
    meaning:
      'No drill has said PROVED within the allowance. Backups may be made every day and still not restore: until one is proved again, count on the last set that was, and no newer one.',
    steps: [
      'See in the last report of the drill whether it ran and what its verdict was: FAILED is a bad set, COULD NOT VERIFY is a drill that could not judge.',
      'Repair what it names, and run a drill by hand; the issue closes with the first PROVED.',
    ],
    commands: ['gh run list --workflow drill.yml --limit 10', 'gh workflow run drill.yml', 'npm run ops -- drill run'],
  }),
  'watchdog.schedule': ({ target }) => ({
    title: 'A schedule is off, or starts nothing',
    meaning:
      'GitHub starts nothing for this workflow by itself, and will not say so. Runs that a person starts do not count: they would hide it.',
    steps: [
      'Disabled: enable it. GitHub disables schedules of public repositories after 60 days without activity, and those of a fork.',
      'Enabled and silent: schedules run on the default branch only, and stop when the person who last changed the cron line leaves the organisation. A commit that changes that line starts them again.',
      'Meant to be off: name the workflow in `watchdog.ignore` of `.github/ops.yml`.',
    ],
    commands: [
      `gh workflow view ${fileOf(target)}`,
      `gh workflow enable ${fileOf(target)}`,
      `gh run list --workflow ${fileOf(target)} --event schedule --limit 5`,
    ],
  }),
  'watchdog.run': ({ target }) =>
    target === null
      ? failedRun('The watchdog', 'npm run ops -- watchdog', 'watchdog.yml')
      : {
          title: 'The last scheduled run ended without doing its work',
          meaning:
            'It was cancelled, skipped, ran out of time, could not start, waits for an approval, or failed before it could leave a report. No alert of the job itself will say so.',
          steps: [
            'Open the run that the message names; it says how it ended and what to do about that.',
            'Run it again. The issue closes when a scheduled run has come to its end.',
          ],
          commands: [
            `gh run list --workflow ${fileOf(target)} --event schedule --limit 5`,
            `gh workflow run ${fileOf(target)}`,
          ],
        },
  'watchdog.github': () => ({
    title: 'The watchdog could not ask GitHub about the workflows',
    meaning: 'Whether the schedules are alive is not known now, and what is not known is never green.',
    steps: [
      'The message names what GitHub refused. The job needs `permissions: actions: read` and `GITHUB_TOKEN` in its `env`.',
      'A failure of GitHub itself passes; the next run looks again.',
    ],
    commands: ['npm run ops -- watchdog'],
  }),
  'watchdog.reports': () => ({
    title: 'The watchdog could not read the reports',
    meaning: 'Whether backups and drills were made is not known now, and what is not known is never green.',
    steps: [
      'The message names the file or the refusal. The job needs `permissions: contents: read`, and `reports.branch` must name the branch that holds the reports.',
      'A damaged file can be had back from git: `git log -- reports`.',
    ],
    commands: ['npm run ops -- watchdog'],
  }),
  'watchdog.heartbeat': () => ({
    title: 'The heartbeat was not received outside',
    meaning:
      'The watchdog is well and could not say so to the service that watches it. While this lasts, that service may raise its alarm, or would not notice that everything here has fallen silent.',
    steps: [
      'Look whether the service is up, and whether the check there still exists.',
      'Compare its address with the secret `WATCHDOG_HEARTBEAT_URL`; redirects are not followed.',
    ],
    commands: ['npm run ops -- watchdog'],
  }),
};

/** `backup.yml`, fit for a shell: of a file, and of a job such as `backup.database`. */
function fileOf(target: string | null): string {
  return target !== null && /^[\w.-]+\.ya?ml$/.test(target) && !target.startsWith('-') ? target : '<workflow>.yml';
}

function workflowOf(job: string | null): string {
  const action = /^[a-z][a-z-]*/.exec(job ?? '')?.[0];
  return action === undefined ? '<workflow>.yml' : `${action}.yml`;
}

function jobWord(job: string | null): string {
  return job === null ? '' : ` The job is ${codeSpan(job)}.`;
}
