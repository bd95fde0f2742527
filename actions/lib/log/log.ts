import type { Secrets } from './secrets.ts';

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  level: LogLevel;
  /** `text` for people, `json` (one object a line) for log collectors. */
  format: 'text' | 'json';
  secrets: Secrets;
  /** Receives each finished, redacted line without its newline. */
  write: (line: string, level: LogLevel) => void;
  now?: () => Date;
}

/** A log whose every line is redacted and then handed to `options.write`. */
export function createLog(options: LogOptions): Log {
  const threshold = logLevels.indexOf(options.level);
  const now = options.now ?? (() => new Date());
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    if (logLevels.indexOf(level) < threshold) return;
    const { secrets } = options;
    // JSON escapes quotes and backslashes, and a secret with one would not be found in the finished line.
    const line =
      options.format === 'json'
        ? JSON.stringify(secrets.redactJson({ time: now().toISOString(), level, message, ...fields }))
        : secrets.redact(textLine(level, message, fields));
    options.write(line, level);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function textLine(level: LogLevel, message: string, fields: LogFields | undefined): string {
  const tail = Object.entries(fields ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${value}`)
    .join('');
  const lead = { debug: 'debug  ', info: '', warn: 'warning: ', error: 'error: ' }[level];
  return `${lead}${message}${tail}`;
}
