import type { Subject } from '../policy.ts';
import { failedRun, type Runbook, type Runbooks, sourceOf } from './runbook.ts';

export const backupRunbooks: Runbooks = {
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
};

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
