import type { ExitCode } from '../errors/index.ts';
import type { TerminalOptions } from '../run/index.ts';
import type { Arguments, Option } from './arguments.ts';

export interface Command {
  /** `backup database`: the words that name it. */
  name: string;
  /** Positional arguments as in the usage text. */
  positionals?: string;
  help: string;
  options: Readonly<Record<string, Option>>;
  run(args: Arguments, terminal: TerminalOptions): Promise<ExitCode>;
}

export const dryRun: Option = { type: 'flag', help: 'Say what would be done, and do nothing' };

/** The global options: every command takes them. */
export const globalOptions: Readonly<Record<string, Option>> = {
  config: {
    type: 'value',
    placeholder: '<file>',
    help: 'Default: .github/ops.yml when it is there; else the environment alone',
  },
  json: { type: 'flag', help: 'Print the report alone, as JSON, on stdout' },
  help: { type: 'flag', help: 'Show this' },
};
