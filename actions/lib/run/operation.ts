import type { LoadedConfig } from '../config/index.ts';
import { type OpsContext, toolVersion } from '../context/index.ts';
import { ExitCode, type OpsError, toOpsError } from '../errors/index.ts';
import type { Log, Progress, Secrets } from '../log/index.ts';
import {
  newReportId,
  type Operation,
  type Outcome,
  type Report,
  type ReportStore,
  reportSchemaName,
  worstStatus,
} from '../reports/index.ts';

/** What surrounds one run: from a terminal and from Actions these differ, and nothing else does. */
export interface Frame {
  loaded: LoadedConfig;
  secrets: Secrets;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
  now: () => Date;
  cwd: string;
  store: ReportStore;
  /** Turns a stored report into alerts. Runs from a terminal announce nothing: a person is looking. */
  announce?: (report: Report) => Promise<void>;
  trigger: Report['trigger'];
  run: Report['run'];
}

export interface Finished<Data> {
  report: Report<Data>;
  /** Where the report is kept; undefined when nothing was stored (dry run, wrong usage, a record that failed). */
  reportPath: string | undefined;
  /** The failure of the work, which is in the report as well, or that of its record. */
  error: OpsError | undefined;
  exitCode: ExitCode;
}

/**
 * One run of one operation: do, report, store, announce. A failure of the work is a report too, with status critical;
 * wrong usage (exit 2) is not stored, since nothing ran.
 */
export async function runOperation<Input, Data>(
  operation: Operation<Input, Data>,
  input: Input,
  frame: Frame,
): Promise<Finished<Data>> {
  const startedAt = frame.now();
  const id = newReportId(startedAt);
  const context: OpsContext = {
    config: frame.loaded.config,
    secrets: frame.loaded.secrets,
    log: frame.log,
    progress: frame.progress,
    signal: frame.signal,
    now: frame.now,
    cwd: frame.cwd,
    reportId: id,
  };
  let outcome: Outcome<Data> | undefined;
  let error: OpsError | undefined;
  try {
    outcome = await operation.execute(input, context);
    operation.dataSchema.parse(outcome.data);
  } catch (thrown) {
    error = frame.signal.aborted ? toOpsError(frame.signal.reason) : toOpsError(thrown);
    frame.log.debug(`${error.code}: ${causes(error)}`);
  }
  const report: Report<Data> = frame.secrets.redactJson({
    schema: reportSchemaName,
    kind: operation.kind,
    id,
    platform: context.config.platform,
    status: error ? 'critical' : worstStatus((outcome?.checks ?? []).map(check => check.status)),
    startedAt: startedAt.toISOString(),
    finishedAt: frame.now().toISOString(),
    trigger: frame.trigger,
    run: frame.run,
    tool: { version: toolVersion, node: process.versions.node },
    checks: outcome?.checks ?? [],
    error: error ? { code: error.code, message: error.message, ...(error.hint && { hint: error.hint }) } : null,
    data: outcome?.data ?? null,
  });
  const isStored = outcome?.isDryRun !== true && error?.exitCode !== ExitCode.usage;
  let reportPath: string | undefined;
  try {
    if (isStored) reportPath = await frame.store.save(report);
  } catch (thrown) {
    const unrecorded = toOpsError(thrown);
    frame.log.debug(`${unrecorded.code}: ${causes(unrecorded)}`);
    // Hours of work are not to be lost from sight because their record failed; and the first failure explains the most.
    if (error) frame.log.error(`${unrecorded.code}: ${unrecorded.message}. ${unrecorded.hint ?? ''}`);
    error ??= unrecorded;
    return { report, reportPath, error, exitCode: error.exitCode };
  }
  // Only what is recorded is announced; what cannot be announced now is by the next run.
  if (isStored) await frame.announce?.(report);
  if (outcome?.isDryRun !== true) await operation.announce?.(report, input, context);
  return { report, reportPath, error, exitCode: exitCodeOf(report, error) };
}

function exitCodeOf(report: Report, error: OpsError | undefined): ExitCode {
  if (error) return error.exitCode;
  return report.status === 'ok' ? ExitCode.ok : ExitCode.breached;
}

/** The chain of causes with their stacks, for LOG_LEVEL=debug. */
function causes(error: unknown): string {
  const stacks: string[] = [];
  for (let current = error; current instanceof Error; current = current.cause)
    stacks.push(current.stack ?? current.message);
  return stacks.join('\ncaused by: ');
}
