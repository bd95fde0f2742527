import {
  backupAllOperation,
  backupDatabaseOperation,
  backupFilesOperation,
  pruneOperation,
} from '../lib/backup/index.ts';
import { backupInputs, runAction, step } from '../lib/run/action.ts';

const operations = {
  database: backupDatabaseOperation,
  files: backupFilesOperation,
  all: backupAllOperation,
};

await runAction(backupInputs, inputs => {
  const dryRun = inputs['dry-run'];
  return [
    step(operations[inputs.what], { dryRun }, data => ({ 'set-ids': JSON.stringify(data.sets.map(set => set.id)) })),
    // A step runs only after a green one: nothing is removed after a backup that failed, or is missing somewhere.
    ...(inputs.prune ? [step(pruneOperation, { dryRun })] : []),
  ];
});
