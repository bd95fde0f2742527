import type { RestoreInput, SetKind, VerifyLevel } from '../backup/index.ts';
import { OpsError } from '../errors/index.ts';
import type { Operation } from '../reports/index.ts';
import { runInTerminal, type TerminalOptions } from '../run/index.ts';
import type { Arguments, Option } from './arguments.ts';
import { type Command, dryRun } from './command.ts';

const area = () => import('../backup/index.ts');

// By name, so that none is left out, and without loading the area for it.
const setKinds = Object.keys({ database: true, files: true } satisfies Record<SetKind, true>);
const verifyLevels = Object.keys({ stored: true, content: true, restore: true } satisfies Record<VerifyLevel, true>);
const kind: Option = { type: 'value', placeholder: '<kind>', choices: setKinds, help: 'database or files' };
const source: Option = {
  type: 'value',
  placeholder: '<name>',
  help: "Whose set 'latest' is, when there are several: the database name, or files",
};
const from: Option = {
  type: 'value',
  placeholder: '<kind>',
  choices: ['local', 's3', 'ftp'],
  help: 'Read from this kind of destination only; default: the first that has the set',
};

export const backupCommands: readonly Command[] = [
  backup('database', 'Back up the database of DATABASE_URL', 'backupDatabaseOperation'),
  backup('files', 'Back up the folders of BACKUP_FILES_PATHS', 'backupFilesOperation'),
  backup('all', 'Both', 'backupAllOperation'),
  {
    name: 'backup list',
    help: 'The sets at every destination, newest first, with the verdict of their last drill',
    options: { kind, source },
    run: async (args, terminal) =>
      runInTerminal((await area()).listOperation, { kind: kindOf(args), source: args.value('source') }, terminal),
  },
  {
    name: 'backup verify',
    positionals: '<id|latest>',
    help: 'Read a set and compare it with its manifest: as stored, opened, or by restoring it',
    options: {
      level: {
        type: 'value',
        placeholder: '<level>',
        choices: verifyLevels,
        isRequired: true,
        help: 'stored, content or restore',
      },
      kind,
      source,
      from,
    },
    run: async (args, terminal) =>
      runInTerminal(
        (await area()).verifyOperation,
        { ...chosenSet(args, 'backup verify'), level: args.value('level') as VerifyLevel },
        terminal,
      ),
  },
  {
    name: 'backup prune',
    help: 'Apply retention: remove what no policy keeps',
    options: { 'dry-run': dryRun },
    run: async (args, terminal) =>
      runInTerminal((await area()).pruneOperation, { dryRun: args.flag('dry-run') }, terminal),
  },
  restore('database', '<postgres-url>', 'Restore a database set into an empty database', 'restoreDatabaseOperation'),
  restore('files', '<folder>', 'Restore a files set into an empty folder', 'restoreFilesOperation'),
  {
    name: 'drill run',
    help: 'Restore the latest set into a throw-away server, judge it, and record the verdict',
    options: {
      set: { type: 'value', placeholder: '<id>', help: 'Another set than the latest' },
      kind,
      source,
      from,
    },
    run: async (args, terminal) =>
      runInTerminal((await area()).drillOperation, { ...rest(args), id: args.value('set') ?? 'latest' }, terminal),
  },
];

function backup(
  what: string,
  help: string,
  operation: 'backupDatabaseOperation' | 'backupFilesOperation' | 'backupAllOperation',
): Command {
  return {
    name: `backup ${what}`,
    help,
    options: { 'dry-run': dryRun },
    async run(args, terminal) {
      const { [operation]: chosen } = await area();
      return runInTerminal(
        chosen as Operation<{ dryRun: boolean }, unknown>,
        { dryRun: args.flag('dry-run') },
        terminal,
      );
    },
  };
}

function restore(
  what: 'database' | 'files',
  to: string,
  help: string,
  operation: 'restoreDatabaseOperation' | 'restoreFilesOperation',
): Command {
  return {
    name: `restore ${what}`,
    positionals: '<id|latest>',
    help,
    options: {
      to: {
        type: 'value',
        placeholder: to,
        isRequired: what === 'files',
        // A command line is seen by every user of the machine; the environment is not.
        help: what === 'database' ? 'Where to; with a password better by RESTORE_DATABASE_URL' : 'Where to',
      },
      source,
      from,
      ...(what === 'database' && {
        jobs: {
          type: 'value',
          placeholder: '<n>',
          help: 'Connections that load rows; default: backup.jobs',
        } satisfies Option,
        tables: {
          type: 'list',
          placeholder: '<a,b>',
          help: 'Rows of these tables only (schema.table, * and ?)',
        } satisfies Option,
        roles: { type: 'flag', help: 'Create the recorded roles that are missing, without passwords' } satisfies Option,
        'no-owner': { type: 'flag', help: 'Leave owners and grants out' } satisfies Option,
      }),
      force: {
        type: 'flag',
        help: what === 'database' ? 'Drop everything in that database first' : 'Also into a folder that is not empty',
      },
      'dry-run': dryRun,
    },
    async run(args, terminal) {
      const input: RestoreInput = {
        ...chosenSet(args, `restore ${what}`),
        to: args.value('to') ?? (what === 'database' ? databaseFrom(terminal) : ''),
        jobs: what === 'database' ? args.count('jobs') : undefined,
        tables: args.list('tables'),
        force: args.flag('force'),
        withRoles: args.flag('roles'),
        noOwner: args.flag('no-owner'),
        dryRun: args.flag('dry-run'),
      };
      const { [operation]: chosen } = await area();
      return runInTerminal(chosen as Operation<RestoreInput, unknown>, input, terminal);
    },
  };
}

function databaseFrom({ env }: TerminalOptions): string {
  const url = env.RESTORE_DATABASE_URL?.trim();
  if (url) return url;
  throw new OpsError('USAGE', '--to is missing', {
    hint: 'Give --to postgres://…, or RESTORE_DATABASE_URL in the environment: the empty database to restore into.',
    exit: 'usage',
  });
}

function chosenSet(args: Arguments, name: string) {
  const id = args.positionals[0];
  if (id !== undefined && args.positionals.length === 1) return { ...rest(args), id };
  throw new OpsError(
    'USAGE',
    id === undefined ? `${name} needs a set id, or 'latest'` : `${name} takes one set, not ${args.positionals.length}`,
    {
      hint: 'List the sets with: ops backup list.',
      exit: 'usage',
    },
  );
}

function rest(args: Arguments) {
  return {
    kind: kindOf(args),
    source: args.value('source'),
    from: args.value('from') as 'local' | 's3' | 'ftp' | undefined,
  };
}

function kindOf(args: Arguments): SetKind | undefined {
  return args.value('kind') as SetKind | undefined;
}
