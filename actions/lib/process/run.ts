import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpsError } from '../errors/index.ts';
import { type Child, type ChildSpec, startChild } from './child.ts';

export type RunSpec = ChildSpec & { input?: string | Uint8Array | Readable };

export interface RunResult {
  stdout: string;
  /** The last 8 KiB. */
  stderr: string;
  exitCode: number;
}

/** More output than this is a stream and belongs to `startChild`. */
export const maxCollectedBytes = 64 * 1024 * 1024;

/**
 * Runs a program to its end and returns what it printed, as UTF-8.
 * A program that ends well without reading all of `input` (as `head` does) is fine.
 * Codes: as `startChild`; `spec.errorCode` too when it prints more than 64 MiB.
 */
export async function runChild(spec: RunSpec): Promise<RunResult> {
  const child = startChild(spec);
  try {
    const [stdout, outcome] = await Promise.all([collect(child, spec), child.done, feed(child, spec.input)]);
    return { stdout, ...outcome };
  } finally {
    await child.done.catch(() => {});
  }
}

async function collect(child: Child, spec: RunSpec): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxCollectedBytes) {
      throw new OpsError(spec.errorCode, `${spec.name ?? spec.command} printed more than 64 MiB`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function feed(child: Child, input: RunSpec['input']): Promise<void> {
  if (!(input instanceof Readable)) {
    child.stdin.end(input ?? '');
    return;
  }
  try {
    await pipeline(input, child.stdin);
  } catch {
    // The child's end judges: a source that failed has killed the child, and `done` carries the source's reason.
    await child.done;
  }
}
