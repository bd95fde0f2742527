import { failedRun, type Runbooks } from './runbook.ts';

/** What changes the database. */
export const databaseChangeRunbooks: Runbooks = {
  'database.indexes.leftover': () => ({
    title: 'An index is half made',
    meaning:
      'A build or a drop was cut off. Every write pays for such an index and no query uses it, and `CREATE INDEX IF NOT EXISTS` takes it for done.',
    steps: [
      'Ours are put right by the next apply, or at once by the command below.',
      'One that is not ours is never touched: see who made it, and drop it with the statement in the report when nobody is building it.',
      'The index of a partitioned table goes on where it was cut off when the same change is chosen again.',
    ],
    commands: ['npm run ops -- database apply --mend'],
  }),
  'database.apply.change': () => ({
    title: 'A chosen change of the indexes was not made',
    meaning:
      'Put off: the server was busy, and nothing was begun. Refused: it may not or must not be done. Failed: it was tried, and what it left was put away.',
    steps: [
      'Read the message: it names the session, the grant or the disk that stands in the way.',
      'Repair that and choose the same id again; what is done already is not done twice.',
    ],
    commands: ['npm run ops -- database apply --index <id> --dry-run'],
  }),
  'database.apply.used': () => ({
    title: 'A new index is not used',
    meaning: 'It is valid, and the planner takes another way for every statement that it was advised for.',
    steps: [
      'The data may have changed since the advice, or the statistics are old: ANALYZE the table and look again.',
      'When it stays unused, take it back with the statement in the report: every write pays for it.',
    ],
    commands: ['npm run ops -- database analyze'],
  }),
  'database.apply.run': () =>
    failedRun(
      'A change of the indexes',
      'npm run ops -- database apply --mend',
      'database.yml -f mode=mend -f dry-run=false',
    ),
  'database.cleanup.rule': () => ({
    title: 'A retention rule was not followed',
    meaning:
      'Put off: locks or load kept it from going on, and what it had deleted until then is gone and archived. Failed: a trigger, a right or the archive stands in the way, and nothing of that batch was deleted.',
    steps: [
      'Read the message: it names the lock, the load or the error.',
      'Repair it, or run the clean-up at another hour. Nothing has to be remembered: the next run goes on with what is still too old.',
    ],
    commands: ['npm run ops -- database cleanup --dry-run', 'npm run ops -- database cleanup'],
  }),
  'database.cleanup.archives': () => ({
    title: 'Old archives of deleted rows could not be removed',
    meaning:
      'They are older than `database.cleanup.keepArchives` keeps them, and still there: rows that should be gone for good are not.',
    steps: [
      'Read the message: most often the credentials may write and not delete, which object lock does on purpose.',
      'An archive without a manifest that can be read is known by its id alone: look at its folder, and remove it by hand.',
      'Remove them from elsewhere, below `archives/` of that destination, or leave `keepArchives` out to keep them for good.',
    ],
    commands: ['npm run ops -- database cleanup --dry-run'],
  }),
  'database.cleanup.vacuum': () => ({
    title: 'A table was not vacuumed after its rows were deleted',
    meaning: 'Its pages stay full of dead rows, and its statistics old, until autovacuum comes to it.',
    steps: [
      'Give the role the right that the message names (from 17 on: MAINTAIN), or let the owner run VACUUM (ANALYZE).',
    ],
    commands: ['npm run ops -- database maintain --dry-run'],
  }),
  'database.cleanup.indexes': () => ({
    title: 'Retention rules read whole tables',
    meaning:
      'Without an index on the column of a rule, or on a foreign key to its table, each run reads all of a table.',
    steps: ['Build the index with the statement in the message; CONCURRENTLY keeps nobody from working.'],
    commands: ['npm run ops -- database cleanup --dry-run'],
  }),
  'database.cleanup.run': () =>
    failedRun('The clean-up', 'npm run ops -- database cleanup --dry-run', 'database.yml -f mode=cleanup'),
  'database.maintain.statistics': () => ({
    title: 'Statistics could not be brought up to date',
    meaning: 'The planner goes by old counts of these tables, and may choose plans that are many times slower.',
    steps: [
      'Read the message: a lock that was not given is tried again by the next run; a right must be granted by the owner.',
    ],
    commands: ['npm run ops -- database maintain'],
  }),
  'database.maintain.autovacuum': () => ({
    title: 'Autovacuum is switched off',
    meaning:
      'Dead rows are never cleared away, statistics grow old, and in the end the server stops for want of transaction ids.',
    steps: ['Switch it on again with the statement in the message.'],
    commands: ['npm run ops -- database maintain --dry-run'],
  }),
  'database.maintain.run': () =>
    failedRun('Maintenance', 'npm run ops -- database maintain --dry-run', 'database.yml -f mode=maintain'),
};
