export { formatBytes, formatCount, formatDuration, formatRatio } from './format.ts';
export { createLog, type Log, type LogFields, type LogLevel, type LogOptions, logLevels, silentLog } from './log.ts';
export { createProgress, noProgress, type Progress, type ProgressTask } from './progress.ts';
export { Secrets } from './secrets.ts';
