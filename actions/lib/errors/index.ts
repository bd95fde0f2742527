/**
 * The one error type a user meets: a stable code, one line, and what to do about it.
 * Everything else that is thrown is a defect and is reported as `INTERNAL`.
 */

/** Exit codes of every action and command (see README, "Exit codes"). */
export const ExitCode = {
  ok: 0,
  /** the work failed */
  failed: 1,
  /** wrong usage or configuration: nothing was started */
  usage: 2,
  /** the work is done, and a threshold is breached */
  breached: 3,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface OpsErrorOptions {
  /** What the reader should do next; one sentence. */
  hint?: string;
  cause?: unknown;
  /** `usage` for what the caller got wrong before any work began. Default `failed`. */
  exit?: 'failed' | 'usage';
}

/** A failure with a stable `code` (UPPER_SNAKE), a one-line `message` and a `hint`. */
export class OpsError extends Error {
  override readonly name = 'OpsError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, options: OpsErrorOptions = {}) {
    super(oneLine(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exit === 'usage' ? ExitCode.usage : ExitCode.failed;
  }
}

/** Any thrown value as an `OpsError`; what is not one already becomes `INTERNAL` (or `CANCELLED` for an abort). */
export function toOpsError(thrown: unknown): OpsError {
  if (thrown instanceof OpsError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') {
    return new OpsError('CANCELLED', 'The run was cancelled before it finished', {
      hint: 'Nothing half-made is listed; run it again.',
      cause: thrown,
    });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new OpsError('INTERNAL', message || 'Something failed without saying what', {
    hint: 'Run again with LOG_LEVEL=debug to see where it happened.',
    cause: thrown,
  });
}

function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').trim();
}
