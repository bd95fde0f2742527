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
    failedRun('A change of the indexes', 'npm run ops -- database apply --mend', 'database.yml'),
};
