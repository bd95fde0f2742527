/**
 * Progress of long work. On a terminal: a bar that redraws in place. Elsewhere: a plain line every ten seconds, so
 * that a CI log shows life without drowning in it.
 */
export interface Progress {
  /** @param total in the unit of `advance`; undefined when it is not known */
  start(label: string, total?: number, format?: (value: number) => string): ProgressTask;
}

export interface ProgressTask {
  advance(by: number): void;
  /** Ends the task; `summary` replaces the bar as one line. */
  done(summary?: string): void;
}

export const noProgress: Progress = { start: () => ({ advance() {}, done() {} }) };

export interface ProgressOptions {
  stream: { isTTY?: boolean; columns?: number; write(text: string): unknown };
  now?: () => number;
}

const redrawMs = 100;
const plainLineMs = 10_000;

export function createProgress(options: ProgressOptions): Progress {
  const now = options.now ?? Date.now;
  const { stream } = options;
  return {
    start(label, total, format = String) {
      let value = 0;
      let shownAt = now();
      const draw = () => {
        const text = describe(label, value, total, format);
        stream.write(stream.isTTY ? `\r\u001b[2K${clip(text, stream.columns)}` : `${text}\n`);
      };
      if (stream.isTTY) draw();
      return {
        advance(by) {
          value += by;
          if (now() - shownAt < (stream.isTTY ? redrawMs : plainLineMs)) return;
          shownAt = now();
          draw();
        },
        done(summary) {
          if (stream.isTTY) stream.write('\r\u001b[2K');
          if (summary !== undefined) stream.write(`${summary}\n`);
        },
      };
    },
  };
}

const barWidth = 24;

function describe(label: string, value: number, total: number | undefined, format: (value: number) => string): string {
  if (total === undefined || total <= 0) return value > 0 ? `${label}  ${format(value)}` : `${label} …`;
  const ratio = Math.min(1, value / total);
  const filled = Math.round(ratio * barWidth);
  const bar = '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  return `${label}  ${bar} ${String(Math.floor(ratio * 100)).padStart(3)} %  ${format(value)} of ${format(total)}`;
}

function clip(text: string, columns: number | undefined): string {
  return columns && text.length > columns ? text.slice(0, columns - 1) : text;
}
