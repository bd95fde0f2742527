import type { Config, SecretValues } from '../config/index.ts';
import type { Log, Progress } from '../log/index.ts';

/** Released versions differ from this only by a tag; `scripts/check.ts` holds it equal to package.json. */
export const toolVersion = '0.1.0';

/** What every piece of work is given: nothing below reads the environment, the clock or the terminal by itself. */
export interface OpsContext {
  readonly config: Config;
  readonly secrets: SecretValues;
  readonly log: Log;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** What relative paths of the configuration are relative to. */
  readonly cwd: string;
  /** Identity of this run: names its report and what it makes. */
  readonly reportId: string;
}
