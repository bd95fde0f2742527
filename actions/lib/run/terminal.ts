import { resolve } from 'node:path';
import { type Environment, loadConfig, secretVariables } from '../config/index.ts';
import { type ExitCode, type OpsError, toOpsError } from '../errors/index.ts';
import { createLog, createProgress, noProgress, type Secrets } from '../log/index.ts';
import { createDirectoryStore, type Operation, type Report } from '../reports/index.ts';
import { type Finished, type Frame, runOperation } from './operation.ts';

export interface TerminalOptions {
  env: Environment;
  cwd: string;
  configFile: string | undefined;
  /** Those of the command line; the ones of the environment are added. */
  secrets: Secrets;
  /** Print the report alone on stdout. */
  json: boolean;
  stdout: { write(text: string): unknown };
  stderr: { write(text: string): unknown; isTTY?: boolean; columns?: number };
  signal: AbortSignal;
}

/**
 * Runs one operation from a terminal: bars and lines on stderr and stdout, or one JSON document on stdout.
 * @returns the exit code
 */
export async function runInTerminal<Input, Data>(
  operation: Operation<Input, Data>,
  input: Input,
  options: TerminalOptions,
): Promise<ExitCode> {
  const { secrets } = options;
  addSecrets(secrets, options.env);
  let finished: Finished<Data>;
  try {
    finished = await runOperation(operation, input, terminalFrame(options, secrets));
  } catch (thrown) {
    const error = toOpsError(thrown);
    if (options.json)
      printJson(options, secrets, { error: { code: error.code, message: error.message, hint: error.hint } });
    printError(options, secrets, error);
    return error.exitCode;
  }
  const { report, reportPath, error, exitCode } = finished;
  if (options.json) printJson(options, secrets, report);
  else if (!report.error) for (const line of operation.lines(report)) options.stdout.write(`${secrets.redact(line)}\n`);
  if (!options.json && reportPath !== undefined) options.stdout.write(`Report: ${reportPath}\n`);
  if (error) printError(options, secrets, error);
  return exitCode;
}

/** Of these the password is secret, and the rest helps a person; every other secret variable is one as a whole. */
const urlVariables: ReadonlySet<string> = new Set([
  'DATABASE_URL',
  'BACKUP_FTP_URL',
  'RESTORE_DATABASE_URL',
  'ADVISE_COPY_URL',
  'PGBOUNCER_ADMIN_URL',
]);

/** Every secret variable of the product is known to the redaction before anything else happens. */
export function addSecrets(secrets: Secrets, env: Environment): void {
  for (const name of urlVariables) secrets.addUrl(env[name]);
  for (const url of (env.DATABASE_REPLICA_URLS ?? '').split(/[,\n]/)) secrets.addUrl(url.trim());
  for (const name of secretVariables) if (!urlVariables.has(name)) secrets.add(env[name]?.trim() || undefined);
  for (const [, key] of (env.BACKUP_AGE_IDENTITY ?? '').matchAll(/(AGE-SECRET-KEY-1[A-Z0-9]+)/gi)) secrets.add(key);
}

function terminalFrame(options: TerminalOptions, secrets: Secrets): Frame {
  const { env, cwd, stderr } = options;
  const loaded = loadConfig({ env, cwd, file: options.configFile });
  const { config } = loaded;
  const log = createLog({ ...config.log, secrets, write: line => stderr.write(`${line}\n`) });
  return {
    loaded,
    secrets,
    log,
    progress:
      config.log.format === 'json' || (options.json && !stderr.isTTY) ? noProgress : createProgress({ stream: stderr }),
    signal: options.signal,
    now: () => new Date(),
    cwd,
    store: createDirectoryStore(resolve(cwd, config.reports.path), text => log.warn(text)),
    trigger: { event: 'terminal' },
    run: null,
  };
}

function printJson(options: TerminalOptions, secrets: Secrets, document: Report<unknown> | object): void {
  options.stdout.write(`${JSON.stringify(secrets.redactJson(document), null, 2)}\n`);
}

export function printError(options: Pick<TerminalOptions, 'stderr'>, secrets: Secrets, error: OpsError): void {
  const { stderr } = options;
  const red = stderr.isTTY ? '\u001b[31m' : '';
  const plain = stderr.isTTY ? '\u001b[0m' : '';
  stderr.write(`${red}${error.code}${plain} ${secrets.redact(error.message)}\n`);
  if (error.hint) stderr.write(`  → ${secrets.redact(error.hint)}\n`);
}
