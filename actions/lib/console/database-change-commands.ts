import { runInTerminal } from '../run/index.ts';
import { type Command, dryRun } from './command.ts';

const area = () => import('../database/index.ts');

/** What changes the database. */
export const databaseChangeCommands: readonly Command[] = [
  {
    name: 'database apply',
    help: 'Build, drop or rebuild the indexes that you choose of an advice or declare, keeping nobody from working',
    options: {
      index: { type: 'list', placeholder: '<id,…>', help: 'Ids of the changes, as the advice shows them' },
      report: { type: 'value', placeholder: '<path>', help: 'Report of the advice; default: the latest one' },
      reindex: { type: 'list', placeholder: '<schema.index,…>', help: 'Rebuild these, without an advice' },
      declared: { type: 'flag', help: 'Build what database.indexes declares and is not there' },
      mend: { type: 'flag', help: 'Only put right what an earlier run was cut off in' },
      'dry-run': dryRun,
    },
    run: async (args, terminal) =>
      runInTerminal(
        (await area()).applyOperation,
        {
          report: args.value('report') ?? 'latest',
          ids: args.list('index'),
          reindex: args.list('reindex'),
          declared: args.flag('declared'),
          mend: args.flag('mend'),
          dryRun: args.flag('dry-run'),
        },
        terminal,
      ),
  },
  {
    name: 'database cleanup',
    help: 'Delete rows that are older than database.cleanup.rules keep them, archived first, in small batches',
    options: { 'dry-run': dryRun },
    run: async (args, terminal) =>
      runInTerminal((await area()).cleanupOperation, { dryRun: args.flag('dry-run') }, terminal),
  },
  {
    name: 'database maintain',
    help: 'ANALYZE where statistics are stale; advice on autovacuum and on settings for the size of the machine',
    options: { 'dry-run': dryRun },
    run: async (args, terminal) =>
      runInTerminal((await area()).maintainOperation, { dryRun: args.flag('dry-run') }, terminal),
  },
];
