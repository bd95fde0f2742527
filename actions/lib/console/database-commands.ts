import { analyzeOperation, connectionsOperation } from '../database/index.ts';
import { runInTerminal } from '../run/index.ts';
import type { Command } from './command.ts';

/** What looks at the database and changes nothing. */
export const databaseCommands: readonly Command[] = [
  {
    name: 'database analyze',
    help: 'What is slow and why, and what is wrong with the database of DATABASE_URL; reads only, with pg_monitor',
    options: {},
    run: (_args, terminal) => runInTerminal(analyzeOperation, {}, terminal),
  },
  {
    name: 'database connections',
    help: 'Who is connected, how full the server and its PgBouncer (PGBOUNCER_ADMIN_URL) are, and when they will be full',
    options: {},
    run: (_args, terminal) => runInTerminal(connectionsOperation, {}, terminal),
  },
];
