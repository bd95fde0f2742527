import { isAbsolute, relative } from 'node:path';
import * as core from '@actions/core';
import type { z } from 'zod';
import { type Environment, loadConfig, secretVariables } from '../config/index.ts';
import { ExitCode, type OpsError, toOpsError } from '../errors/index.ts';
import { createLog, createProgress, type LogLevel, noProgress, Secrets } from '../log/index.ts';
import { type Annotation, type Operation, type Report, reportUrl, type Status, worstStatus } from '../reports/index.ts';
import { readEvent, triggerOf } from './event.ts';
import { type InputSchema, loadInputs } from './inputs.ts';
import { type Finished, type Frame, runOperation } from './operation.ts';
import { publishing } from './publishing.ts';
import { addSecrets } from './terminal.ts';

// The face of lib/run for actions, apart from index.ts: @actions/core takes a fifth of the CLI's start to load.
export * from './inputs.ts';

/** One operation of an action: what it is given, and the outputs that come of its report. */
export interface Step {
  run(frame: Frame): Promise<Finished<unknown>>;
  lines(report: Report): string[];
  summary(report: Report): string;
  annotations(report: Report): Annotation[];
  outputs(report: Report): Readonly<Record<string, string>>;
}

/** @param outputs what a next step needs, beside `status`, `report-path` and `exit-code` */
export function step<Input, Data>(
  operation: Operation<Input, Data>,
  input: Input,
  outputs: (data: Data) => Readonly<Record<string, string>> = () => ({}),
): Step {
  const typed = (report: Report) => report as Report<Data>;
  return {
    run: frame => runOperation(operation, input, frame),
    lines: report => operation.lines(typed(report)),
    summary: report => operation.summary(typed(report)),
    annotations: report => operation.annotations?.(typed(report)) ?? [],
    outputs: report => (report.data === null ? {} : outputs(report.data as Data)),
  };
}

/**
 * The frame of a run in Actions: inputs, configuration, work, report, summary, outputs, in that order. The steps run one
 * after the other, and none after one that was not green. Sets `process.exitCode`.
 */
export async function runAction<Schema extends InputSchema>(
  schema: Schema,
  stepsFor: (inputs: Readonly<z.output<Schema>>, env: Environment) => readonly Step[],
): Promise<void> {
  const { env } = process;
  // Before anything else can print.
  const secrets = new Secrets(core.setSecret);
  addSecrets(secrets, env);
  // An annotation is public where a terminal is not: URLs are hidden whole, with their hosts.
  for (const name of secretVariables) secrets.add(env[name]?.trim() || undefined);

  const done: { step: Step; finished: Finished<unknown> }[] = [];
  let failure: OpsError | undefined;
  let isBreachFailure = true;
  let workspace = process.cwd();
  let branch: string | undefined;
  try {
    const inputs = loadInputs(schema);
    isBreachFailure = !('fail-on-breach' in inputs) || inputs['fail-on-breach'] !== false;
    const frame = actionFrame(env, inputs.config as string | undefined, secrets);
    workspace = frame.cwd;
    branch = frame.loaded.config.reports.branch;
    for (const next of stepsFor(inputs, env)) {
      const finished = await next.run(frame);
      done.push({ step: next, finished });
      announce(next, finished, secrets, isBreachFailure);
      failure = finished.error;
      if (finished.exitCode !== ExitCode.ok) break;
    }
  } catch (thrown) {
    failure = toOpsError(thrown);
  }
  if (failure) core.error(secrets.redact(withHint(failure)), { title: failure.code });

  const exitCode = failure?.exitCode ?? done.at(-1)?.finished.exitCode ?? ExitCode.ok;
  const status = failure ? 'critical' : worstStatus(done.map(({ finished }) => finished.report.status));
  await writeSummary(secrets.redact(summaryOf(done, failure)), env);
  setOutputs(done, { status, exitCode, workspace, branch, secrets });
  process.exitCode = exitCode === ExitCode.breached && !isBreachFailure ? ExitCode.ok : exitCode;
}

function actionFrame(env: Environment, configFile: string | undefined, secrets: Secrets): Frame {
  const cwd = env.GITHUB_WORKSPACE || process.cwd();
  // "Re-run with debug logging" is meant for every step of the job.
  const isDebug = core.isDebug();
  const loaded = loadConfig({ env: isDebug ? { ...env, LOG_LEVEL: 'debug' } : env, cwd, file: configFile });
  const { config } = loaded;
  const now = () => new Date();
  const signal = cancellation();
  const event = readEvent(env);
  const log = createLog({ ...config.log, secrets, write: (line, level) => writeLine(line, level, isDebug) });
  return {
    loaded,
    secrets,
    log,
    progress:
      config.log.format === 'json'
        ? noProgress
        : createProgress({ stream: { write: text => process.stdout.write(inert(secrets.redact(text))) } }),
    signal,
    now,
    cwd,
    ...publishing({ loaded, event, env, cwd, log, signal, now }),
    trigger: triggerOf(event, now()),
    run: runOf(env),
  };
}

/** Warnings and errors become annotations, which say their level themselves; a step shows ten of each. */
function writeLine(line: string, level: LogLevel, isDebug: boolean): void {
  const withoutLevel = line.replace(/^(?:warning|error): /, '');
  if (level === 'error') core.error(withoutLevel);
  else if (level === 'warn') core.warning(withoutLevel);
  // The runner hides ::debug:: unless debug logging is on for the run: LOG_LEVEL=debug alone must show too.
  else if (level === 'debug' && isDebug) core.debug(line);
  else core.info(inert(line));
}

/**
 * What was read from a database or a disk must not command the runner: it obeys lines that begin with `::`, and `##[`
 * anywhere in a line, and a table or a file may be called that.
 */
function inert(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, '$1: ').replaceAll('##[', '## [');
}

function announce(of: Step, { report }: Finished<unknown>, secrets: Secrets, isBreachFailure: boolean): void {
  if (report.error) return;
  for (const line of of.lines(report)) core.info(inert(secrets.redact(line)));
  for (const check of report.checks) {
    if (check.status === 'ok') continue;
    const say = isBreachFailure ? core.error : core.warning;
    say(secrets.redact(check.message), { title: check.id });
  }
  for (const { level, file, line, title, message } of of.annotations(report)) {
    const say = level === 'notice' ? core.notice : level === 'error' && isBreachFailure ? core.error : core.warning;
    say(secrets.redact(message), { title, file, ...(line !== undefined && { startLine: line }) });
  }
}

/**
 * A cancelled run is sent SIGINT, SIGTERM 7.5 s later and SIGKILL 2.5 s after that: the first ends the work in order, and
 * the second must not cut that short.
 */
function cancellation(): AbortSignal {
  const cancelled = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => cancelled.abort());
  return cancelled.signal;
}

function runOf(env: Environment): Report['run'] {
  const id = env.GITHUB_RUN_ID;
  if (!id) return null;
  const attempt = Number(env.GITHUB_RUN_ATTEMPT) || 1;
  return { url: runUrl(env), id, attempt, sha: env.GITHUB_SHA ?? '' };
}

function runUrl(env: Environment): string {
  const server = env.GITHUB_SERVER_URL || 'https://github.com';
  const attempt = Number(env.GITHUB_RUN_ATTEMPT) || 1;
  return `${server}/${env.GITHUB_REPOSITORY ?? ''}/actions/runs/${env.GITHUB_RUN_ID ?? ''}/attempts/${attempt}`;
}

function summaryOf(
  done: readonly { step: Step; finished: Finished<unknown> }[],
  failure: OpsError | undefined,
): string {
  const sections = done.map(({ step: of, finished }) => of.summary(finished.report));
  // A failure that is in no report: wrong inputs or configuration, or the report could not be stored.
  if (failure && !done.at(-1)?.finished.report.error)
    sections.push(`## Failed: ${failure.code}\n\n${withHint(failure)}\n`);
  return sections.join('\n');
}

// The runner refuses a summary above 1 MiB whole, it does not cut it.
const maxSummaryBytes = 900_000;

async function writeSummary(markdown: string, env: Environment): Promise<void> {
  if (!env.GITHUB_STEP_SUMMARY) return;
  try {
    await core.summary.addRaw(fitSummary(markdown, runUrl(env))).write();
  } catch (error) {
    core.warning(`The step summary could not be written: ${(error as Error).message}`);
  }
}

/** The text, or as many of its first lines as fit, with a link to the run. */
export function fitSummary(markdown: string, url: string): string {
  const bytes = Buffer.from(markdown);
  if (bytes.length <= maxSummaryBytes) return markdown;
  const link = `\n\nThis summary was cut; the whole is in the report and the log of [the run](${url}).\n`;
  const room = bytes.subarray(0, maxSummaryBytes - Buffer.byteLength(link));
  const end = room.lastIndexOf('\n');
  // One line without an end: a character cut in half would be a replacement character.
  const kept = end > 0 ? room.subarray(0, end).toString() : room.toString().replace(/\ufffd+$/, '');
  return `${kept}${link}`;
}

function setOutputs(
  done: readonly { step: Step; finished: Finished<unknown> }[],
  of: { status: Status; exitCode: ExitCode; workspace: string; branch: string | undefined; secrets: Secrets },
): void {
  const path = done[0]?.finished.reportPath;
  const outputs: Record<string, string> = {
    status: of.status,
    'exit-code': String(of.exitCode),
    'report-path': path === undefined ? '' : fromWorkspace(path, of.workspace),
    'report-url': path === undefined || isAbsolute(path) ? '' : pageOf(path, of.branch),
  };
  for (const { step: each, finished } of done) Object.assign(outputs, each.outputs(finished.report));
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, of.secrets.redact(value));
}

/** Relative to the workspace; absolute for what is not in it. */
function fromWorkspace(path: string, workspace: string): string {
  const inside = isAbsolute(path) ? relative(workspace, path) : path;
  return inside.startsWith('..') ? path : inside;
}

/** The page of a report that was committed; HEAD is the default branch, whatever it is called. */
function pageOf(path: string, branch = 'HEAD'): string {
  const { GITHUB_SERVER_URL: server = 'https://github.com', GITHUB_REPOSITORY: repository = '' } = process.env;
  return reportUrl(server, repository, branch, path);
}

function withHint(error: OpsError): string {
  return error.hint ? `${error.message}. ${error.hint}` : error.message;
}
