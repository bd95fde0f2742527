import { runInTerminal } from '../run/index.ts';
import { type Command, dryRun } from './command.ts';

const alerts = () => import('../alerts/index.ts');
const watchdog = () => import('../watchdog/index.ts');

/** Alerts and the watchdog. */
export const recordCommands: readonly Command[] = [
  {
    name: 'alerts list',
    help: 'The alerts that are open, gravest first (GITHUB_TOKEN, GITHUB_REPOSITORY)',
    options: {},
    run: async (_args, terminal) => runInTerminal((await alerts()).alertListOperation, {}, terminal),
  },
  {
    name: 'alerts sync',
    help: 'Make issues and webhook agree with the latest reports',
    options: { 'dry-run': dryRun },
    run: async (args, terminal) =>
      runInTerminal((await alerts()).alertSyncOperation, { dryRun: args.flag('dry-run') }, terminal),
  },
  {
    name: 'watchdog',
    help: 'Find what did not happen: overdue backups and drills, schedules that are off',
    options: {
      reports: {
        type: 'value',
        placeholder: '<where>',
        choices: ['github', 'directory'],
        help: 'Read reports from there; default: GitHub when there is a token',
      },
    },
    run: async (args, terminal) =>
      runInTerminal(
        (await watchdog()).watchdogOperation,
        { reports: args.value('reports') as 'github' | 'directory' | undefined },
        terminal,
      ),
  },
];
