import { type Environment, loadConfig } from '../config/index.ts';
import type { OpsContext } from '../context/index.ts';
import { type Log, noProgress, type Progress, silentLog } from '../log/index.ts';
import { newReportId } from './report.ts';

/** Of the areas as a library (`backupService`, …): what the frame gives a run, with quiet defaults. */
export interface LibraryOptions {
  /** Default: `process.env`. */
  env?: Environment;
  /** Default: `.github/ops.yml` below `cwd`, when it is there. */
  configFile?: string;
  cwd?: string;
  log?: Log;
  progress?: Progress;
  signal?: AbortSignal;
}

/** Reads the configuration anew. Throws what `loadConfig` throws. */
export function libraryContext(options: LibraryOptions): OpsContext {
  const cwd = options.cwd ?? process.cwd();
  const { config, secrets } = loadConfig({ env: options.env ?? process.env, cwd, file: options.configFile });
  return {
    config,
    secrets,
    cwd,
    log: options.log ?? silentLog,
    progress: options.progress ?? noProgress,
    signal: options.signal ?? new AbortController().signal,
    now: () => new Date(),
    reportId: newReportId(new Date()),
  };
}
