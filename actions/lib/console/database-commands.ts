import { byteSize } from '../config/index.ts';
import { OpsError } from '../errors/index.ts';
import { runInTerminal } from '../run/index.ts';
import type { Command } from './command.ts';

const area = () => import('../database/index.ts');

/** What looks at the database and changes nothing. */
export const databaseCommands: readonly Command[] = [
  {
    name: 'database analyze',
    help: 'What is slow and why, and what is wrong with the database of DATABASE_URL; reads only, with pg_monitor',
    options: {},
    run: async (_args, terminal) => runInTerminal((await area()).analyzeOperation, {}, terminal),
  },
  {
    name: 'database advise',
    help: 'Indexes for the workload of DATABASE_URL, searched by cost and proved on a copy: built, timed, weighed',
    options: {
      on: {
        type: 'value',
        placeholder: '<postgres-url>',
        help: 'A copy to prove on; with a password better by ADVISE_COPY_URL. Default: the newest backup is restored',
      },
      set: { type: 'value', placeholder: '<id>', help: 'Another backup than the newest' },
      source: { type: 'value', placeholder: '<name>', help: 'Whose backup, when there are several' },
      budget: { type: 'value', placeholder: '<size>', help: 'Most bytes of all new indexes together, e.g. 500MB' },
      issue: { type: 'flag', help: 'Write the evidence into an issue (GITHUB_TOKEN, GITHUB_REPOSITORY)' },
    },
    async run(args, terminal) {
      const budget = args.value('budget');
      const budgetBytes = budget === undefined ? undefined : byteSize(budget);
      if (budget !== undefined && budgetBytes === undefined) {
        throw new OpsError('USAGE', `--budget '${budget}' is not a size`, {
          hint: 'For example: --budget 500MB.',
          exit: 'usage',
        });
      }
      return runInTerminal(
        (await area()).adviseOperation,
        {
          on: args.value('on') ?? (terminal.env.ADVISE_COPY_URL?.trim() || undefined),
          set: args.value('set') ?? 'latest',
          source: args.value('source'),
          budgetBytes,
          issue: args.flag('issue'),
        },
        terminal,
      );
    },
  },
  {
    name: 'database connections',
    help: 'Who is connected, how full the server and its PgBouncer (PGBOUNCER_ADMIN_URL) are, and when they will be full',
    options: {},
    run: async (_args, terminal) => runInTerminal((await area()).connectionsOperation, {}, terminal),
  },
];
