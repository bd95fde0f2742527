import { alertListOperation, alertSyncOperation } from '../alerts/index.ts';
import { runInTerminal } from '../run/index.ts';
import { watchdogOperation } from '../watchdog/index.ts';
import { type Command, dryRun } from './command.ts';

/** Alerts and the watchdog. */
export const recordCommands: readonly Command[] = [
  {
    name: 'alerts list',
    help: 'The alerts that are open, gravest first (GITHUB_TOKEN, GITHUB_REPOSITORY)',
    options: {},
    run: (_args, terminal) => runInTerminal(alertListOperation, {}, terminal),
  },
  {
    name: 'alerts sync',
    help: 'Make issues and webhook agree with the latest reports',
    options: { 'dry-run': dryRun },
    run: (args, terminal) => runInTerminal(alertSyncOperation, { dryRun: args.flag('dry-run') }, terminal),
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
    run: (args, terminal) =>
      runInTerminal(
        watchdogOperation,
        { reports: args.value('reports') as 'github' | 'directory' | undefined },
        terminal,
      ),
  },
];
