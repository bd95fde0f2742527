import { parseArgs } from 'node:util';
import { nearest } from '../config/index.ts';
import { OpsError } from '../errors/index.ts';

/** One option of a command. */
export interface Option {
  /** `value` takes a word after it, `flag` does not, `list` takes words separated by commas and may be repeated. */
  type: 'flag' | 'value' | 'list';
  /** For the usage text: `<url>`. */
  placeholder?: string;
  choices?: readonly string[];
  isRequired?: boolean;
  help: string;
}

export interface Arguments {
  positionals: string[];
  flag(name: string): boolean;
  value(name: string): string | undefined;
  list(name: string): string[];
  /** A whole number of at least 1. @throws OpsError `USAGE` */
  count(name: string): number | undefined;
}

/**
 * Reads what follows the name of a command.
 * @throws OpsError `USAGE` (exit 2): unknown option with the nearest known one, missing or wrong value
 */
export function readArguments(
  args: readonly string[],
  options: Readonly<Record<string, Option>>,
  usage: string,
): Arguments {
  const fail = (message: string, hint?: string) =>
    new OpsError('USAGE', message, { hint: hint ?? `Usage: ${usage}`, exit: 'usage' });
  for (const arg of args) {
    const name = /^--([^=]+)/.exec(arg)?.[1];
    if (name === undefined || Object.hasOwn(options, name)) continue;
    const near = nearest(name, Object.keys(options));
    throw fail(`There is no option --${name} here`, near ? `Did you mean --${near}? Usage: ${usage}` : undefined);
  }
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args, options);
  } catch (error) {
    throw fail((error as Error).message.split('\n')[0]!);
  }
  const { values } = parsed;
  for (const [name, option] of Object.entries(options)) {
    const given = values[name];
    if (given === undefined && option.isRequired) throw fail(`--${name} is missing`);
    if (typeof given === 'string' && option.choices && !option.choices.includes(given)) {
      throw fail(`--${name} ${given} is not one of: ${option.choices.join(', ')}`);
    }
  }
  return {
    positionals: parsed.positionals,
    flag: name => values[name] === true,
    value: name => (typeof values[name] === 'string' ? values[name] : undefined),
    list: name =>
      (Array.isArray(values[name]) ? (values[name] as string[]) : [])
        .flatMap(text => text.split(','))
        .map(text => text.trim())
        .filter(text => text !== ''),
    count(name) {
      const text = values[name];
      if (text === undefined) return undefined;
      if (typeof text === 'string' && /^[1-9]\d{0,3}$/.test(text)) return Number(text);
      throw fail(`--${name} takes a whole number of at least 1, not '${String(text)}'`);
    },
  };
}

function parse(args: readonly string[], options: Readonly<Record<string, Option>>) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    strict: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, option]) => [
        name,
        option.type === 'flag'
          ? { type: 'boolean' as const }
          : { type: 'string' as const, multiple: option.type === 'list' },
      ]),
    ),
  });
}
