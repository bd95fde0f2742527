import { flat } from '../markdown/index.ts';
import { matchesPattern } from './patterns.ts';
import type { Subject } from './policy.ts';

/** What a check means to the person who is woken by it, and what to do first. */
export interface Runbook {
  /** Names the issue; what is wrong, without a value. */
  title: string;
  /** Markdown of our own. */
  meaning: string;
  steps: readonly string[];
  /** Exact commands, to be run in a checkout of this repository. */
  commands: readonly string[];
}

/** That of the check, or the one for whatever has none. */
export function runbookOf(subject: Subject): Runbook {
  const write = Object.entries(runbooks).find(([pattern]) => matchesPattern(pattern, subject.id))?.[1] ?? unknownCheck;
  return write(subject);
}

type Author = (subject: Subject) => Runbook;

/** The first pattern that matches counts. */
export const runbooks: Readonly<Record<string, Author>> = {
  'backup.database.destinations': subject => destinations('Database backup', 'database', subject),
  'backup.files.destinations': subject => destinations('Files backup', 'files', subject),
  'backup.verify': ({ target }) => ({
    title: 'A backup set is damaged or could not be read',
    meaning:
      'The set was read again and is not what its manifest says, or it could not be read to the end. A restore of it would fail, or would restore something else.',
    steps: [
      'See in the report which part it is. One part at one destination: the same set at another destination is likely to be whole.',
      'Make a new set. Sets share what did not change: with `backup.database.fullEveryDays: 1` in `.github/ops.yml` the next one sends all of it again.',
      'Look for the cause at the destination: a lifecycle rule, a disk, somebody who removed objects by hand.',
    ],
    commands: [
      `npm run ops -- backup list${sourceOf(target)}`,
      `npm run ops -- backup verify latest --level content${sourceOf(target)}`,
      'npm run ops -- backup all',
    ],
  }),
  'backup.prune': () => ({
    title: 'Old backups could not be removed',
    meaning:
      'Retention failed at one destination. Nothing that is needed was removed; the destination keeps growing until it is repaired.',
    steps: [
      'Read the message: most often the credentials may write and list, and not delete.',
      'See what would be removed before you let it remove anything.',
    ],
    commands: ['npm run ops -- backup prune --dry-run', 'npm run ops -- backup prune'],
  }),
  'drill.verdict': ({ target }) => ({
    title: 'The last backup could not be proved by a drill',
    meaning:
      'FAILED: the set was restored and differs from what was backed up, or did not restore. COULD NOT VERIFY: nobody knows. Until a drill says PROVED, count on the newest set that was proved, and no other.',
    steps: [
      'Find the newest set that was proved, and do not let it be removed: it is what a recovery would use today.',
      'Read the findings in the report. Restore the same set from another destination to tell a bad copy from a bad backup.',
      'Make a new set and drill that one.',
    ],
    commands: [
      `npm run ops -- backup list${sourceOf(target)}`,
      `npm run ops -- drill run${sourceOf(target)}`,
      'npm run ops -- backup all',
    ],
  }),
  'drill.rto': ({ target }) => ({
    title: 'A recovery would take longer than the objective allows',
    meaning:
      'The drill fetched, opened, restored and verified the set, and that took longer than `drill.objectives.rtoSeconds`. In an outage the platform would be down for at least that long.',
    steps: [
      'See in the report which part takes the time: fetching, restoring, or comparing.',
      'More connections (`backup.jobs`), a larger runner, or a destination that is nearer make it faster. Otherwise change the objective, and tell those who rely on it.',
    ],
    commands: [`npm run ops -- drill run${sourceOf(target)}`],
  }),
  'drill.rpo': ({ target }) => ({
    title: 'The newest backup is older than the objective allows',
    meaning:
      'What the last set holds is older than `drill.objectives.rpoSeconds`. Had the database been lost at the time of the drill, everything since then would be gone.',
    steps: [
      'Make a backup now.',
      'Find out why the scheduled one did not run: GitHub delays and drops schedules, and switches them off after 60 days without activity.',
    ],
    commands: [
      'npm run ops -- backup database',
      `npm run ops -- backup list${sourceOf(target)}`,
      'gh run list --workflow backup.yml --limit 10',
      'gh workflow enable backup.yml',
    ],
  }),
  'drill.run': () => failedRun('The drill', 'npm run ops -- drill run', 'drill.yml'),
  'backup.database.run': () => failedRun('The database backup', 'npm run ops -- backup database', 'backup.yml'),
  'backup.files.run': () => failedRun('The files backup', 'npm run ops -- backup files', 'backup.yml'),
  'backup.all.run': () => failedRun('The backup', 'npm run ops -- backup all', 'backup.yml'),
  'backup.prune.run': () => failedRun('Retention', 'npm run ops -- backup prune --dry-run', 'backup.yml'),
  'backup.verify.run': () =>
    failedRun('Verification', 'npm run ops -- backup verify latest --level stored', 'drill.yml'),
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
  '*.run': ({ id }) => failedRun(`'${id.replace(/\.run$/, '')}'`, undefined, undefined),
};

const unknownCheck: Author = ({ id }) => ({
  title: `${flat(id)} is breached`,
  meaning: 'A value is beyond its threshold, or a check found what it looks for.',
  steps: [
    'Read the message above and the report, and repair the cause. The issue closes by itself when the check is well.',
  ],
  commands: [],
});

function destinations(what: string, kind: 'database' | 'files', { target }: Subject): Runbook {
  return {
    title: `${what} is missing at a destination`,
    meaning:
      'The set was made, and at least one destination does not have it whole. The next disaster may take the one that does.',
    steps: [
      'Read in the message which destination it is, and why: credentials, space, network.',
      'Repair that, and make the backup again; it sends only what is missing there.',
    ],
    commands: [`npm run ops -- backup ${kind}`, `npm run ops -- backup list --kind ${kind}${sourceOf(target)}`],
  };
}

function failedRun(what: string, command: string | undefined, workflow: string | undefined): Runbook {
  return {
    title: `${what} failed to run`,
    meaning: 'The work did not come to its end, so it has proved and changed nothing that counts.',
    steps: [
      'The message names the error and what to do about it; the log of the run has the rest.',
      'Repair the cause and run it again. The issue closes by itself when a run has come to its end.',
    ],
    commands: [...(command ? [command] : []), ...(workflow ? [`gh workflow run ${workflow}`] : [])],
  };
}

/** ` --source shop`, fit for a shell. */
function sourceOf(target: string | null): string {
  if (target === null) return '';
  const plain = flat(target);
  return ` --source ${/^[\w.@%+:,/][\w.@%+:,/-]*$/.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`}`;
}
