import { OpsError } from '../errors/index.ts';

/** What an answer, or that there was none, means. `isTransient`: the same call may succeed later. */
export class CdnError extends OpsError {
  readonly isTransient: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: string,
    message: string,
    options: { hint?: string; cause?: unknown; isTransient?: boolean; retryAfterSeconds?: number | undefined },
  ) {
    super(code, message, options);
    this.isTransient = options.isTransient ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
