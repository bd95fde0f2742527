import type { Environment } from '../config/index.ts';
import { nearest } from '../config/index.ts';
import { ExitCode, OpsError, toOpsError } from '../errors/index.ts';
import { Secrets } from '../log/index.ts';
import { addSecrets, printError, type TerminalOptions } from '../run/index.ts';
import { type Option, readArguments } from './arguments.ts';
import { type Command, globalOptions } from './command.ts';
import { commands } from './commands.ts';

export interface ConsoleOptions {
  env: Environment;
  cwd: string;
  stdout: TerminalOptions['stdout'];
  stderr: TerminalOptions['stderr'];
  signal: AbortSignal;
}

/**
 * `ops <group> <command> …`
 * @returns the exit code: 0 fine, 1 the work failed, 2 usage or configuration, 3 done and a threshold is breached
 */
export async function runConsole(argv: readonly string[], options: ConsoleOptions): Promise<ExitCode> {
  const secrets = new Secrets();
  addSecrets(secrets, options.env);
  // A URL on the command line may hold a password.
  for (const arg of argv) secrets.addUrl(arg.replace(/^--[^=]+=/, ''));
  try {
    const isHelp = argv.includes('--help') || argv.includes('-h');
    const { words, rest } = splitName(argv);
    if (isHelp && !findCommand(words)) {
      options.stdout.write(overview());
      return ExitCode.ok;
    }
    if (words.length === 0) {
      if (!argv.includes('--json')) options.stderr.write(overview());
      throw new OpsError('USAGE', 'No command was given', { hint: 'See them all with: ops --help.', exit: 'usage' });
    }
    const command = findCommand(words);
    if (!command) throw unknownCommand(words);
    if (isHelp) {
      options.stdout.write(helpOf(command));
      return ExitCode.ok;
    }
    const all = { ...command.options, ...globalOptions };
    const args = readArguments(rest, all, usageOf(command));
    if (!command.positionals && args.positionals.length > 0) {
      throw new OpsError('USAGE', `${command.name} takes no '${args.positionals[0]}'`, {
        hint: `Usage: ${usageOf(command)}`,
        exit: 'usage',
      });
    }
    return await command.run(args, { ...options, secrets, configFile: args.value('config'), json: args.flag('json') });
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (argv.includes('--json')) {
      const { code, message, hint } = error;
      options.stdout.write(`${JSON.stringify(secrets.redactJson({ error: { code, message, hint } }), null, 2)}\n`);
    }
    printError(options, secrets, error);
    return error.exitCode;
  }
}

function findCommand(words: readonly string[]): Command | undefined {
  return commands.find(command => command.name === words.join(' '));
}

/** The first two words, which name the command, and what is left; options may stand before, between and behind. */
function splitName(argv: readonly string[]): { words: string[]; rest: string[] } {
  const words: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (words.length < 2 && !arg.startsWith('-')) {
      words.push(arg);
      continue;
    }
    rest.push(arg);
    // `--config ops.yml backup list`: the file is not the command.
    if (words.length < 2 && takesValue(arg) && i + 1 < argv.length) rest.push(argv[++i]!);
  }
  return { words, rest };
}

function takesValue(arg: string): boolean {
  const name = /^--([^=]+)$/.exec(arg)?.[1];
  if (name === undefined) return false;
  const tables = [globalOptions, ...commands.map(command => command.options)];
  return tables.some(options => Object.hasOwn(options, name) && options[name]!.type !== 'flag');
}

function unknownCommand(words: readonly string[]): OpsError {
  const typed = words.join(' ');
  const inGroup = commands.filter(command => command.name.startsWith(`${words[0]} `)).map(command => command.name);
  const near = nearest(
    typed,
    commands.map(command => command.name),
  );
  return new OpsError('USAGE', `There is no command '${typed}'`, {
    hint: near
      ? `Did you mean '${near}'?`
      : `Commands: ${(inGroup.length > 0 ? inGroup : commands.map(c => c.name)).join(', ')}.`,
    exit: 'usage',
  });
}

function usageOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, option]) => {
    const text = `--${name}${option.placeholder ? ` ${option.placeholder}` : ''}`;
    return option.isRequired ? text : `[${text}]`;
  });
  return ['ops', command.name, ...(command.positionals ? [command.positionals] : []), ...options].join(' ');
}

function helpOf(command: Command): string {
  return `${command.help}\n\n  ${usageOf(command)}\n\n${optionLines({ ...command.options, ...globalOptions })}\n`;
}

function overview(): string {
  const width = Math.max(...commands.map(command => nameOf(command).length));
  const lines = commands.map(command => `  ${nameOf(command).padEnd(width)}  ${command.help}`);
  return `Production Ops\n\n${lines.join('\n')}\n\n${optionLines(globalOptions)}\n\nExit codes: 0 fine, 1 the work failed, 2 usage or configuration, 3 done and a threshold is breached.\n`;
}

function nameOf(command: Command): string {
  return command.positionals ? `${command.name} ${command.positionals}` : command.name;
}

function optionLines(options: Readonly<Record<string, Option>>): string {
  const rows = Object.entries(options).map(
    ([name, option]) => [`--${name}${option.placeholder ? ` ${option.placeholder}` : ''}`, option.help] as const,
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, help]) => `  ${name.padEnd(width)}  ${help}`).join('\n');
}
