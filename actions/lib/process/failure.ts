import { existsSync } from 'node:fs';
import { OpsError } from '../errors/index.ts';
import type { ChildSpec } from './child.ts';

/** A program that could not be started at all. */
export function spawnError(thrown: unknown, spec: ChildSpec): OpsError {
  const title = spec.name ?? spec.command;
  const code = (thrown as NodeJS.ErrnoException).code;
  // A missing working directory also arrives as ENOENT.
  if (code === 'ENOENT' && spec.cwd !== undefined && !existsSync(spec.cwd)) {
    return new OpsError(spec.errorCode, `${title} could not start: the folder ${spec.cwd} does not exist`, {
      cause: thrown,
    });
  }
  if (code === 'ENOENT') {
    return new OpsError(spec.errorCode, `The program ${spec.command} is missing on this machine`, {
      hint: spec.hint?.('') ?? `Install ${title}, or put it on the PATH.`,
      cause: thrown,
    });
  }
  const reason = code === 'EACCES' ? 'it may not be executed' : ((thrown as Error).message ?? String(thrown));
  return new OpsError(spec.errorCode, `${title} could not start: ${reason}`, { cause: thrown });
}

/** A program that ran and failed; its own words are part of the message. */
export function exitError(exitCode: number | null, signal: string | null, stderr: string, spec: ChildSpec): OpsError {
  const explained = spec.explain?.(stderr);
  if (explained) return explained;
  const end = signal ? `was ended by ${signal}` : `failed with exit code ${exitCode}`;
  const said = essence(stderr);
  const killed = signal === 'SIGKILL' ? 'Often the machine was out of memory.' : undefined;
  return new OpsError(spec.errorCode, `${spec.name ?? spec.command} ${end}${said ? `: ${said}` : ''}`, {
    hint: killed ?? spec.hint?.(stderr),
  });
}

const essenceLines = 3;
const essenceLength = 500;

/** The lines from the first that names an error, or else the last ones. */
function essence(stderr: string): string {
  const lines = stderr.split('\n').filter(line => line.trim() !== '');
  const first = lines.findIndex(line => /\b(error|fatal|panic)\b/i.test(line));
  const told = first >= 0 ? lines.slice(first, first + essenceLines) : lines.slice(-essenceLines);
  const text = told.map(line => line.trim()).join(' ');
  return text.length > essenceLength ? `${text.slice(0, essenceLength)}…` : text;
}
