import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessTree } from './process-tree.ts';

export interface Measured {
  seconds: number;
  /** Peak resident memory of the process itself, as the kernel counted it. */
  peakBytes: number;
  /** Most bytes that lay in the watched folder at one time. */
  mostTemporaryBytes: number;
  /** Of it and all that it started: what was resident at one time, and what they used. */
  tree: { peakBytes: number; cpuSeconds: number; idleSeconds: number };
  stdout: string;
}

export interface MeasureOptions {
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** TMPDIR of the child, watched while it runs. */
  temporaryFolder?: string;
  /** Default: only 0. */
  okExitCodes?: readonly number[];
}

/** Runs a program to its end and measures it. @throws Error for an exit code that is not one of `okExitCodes` */
export function measure(command: string, args: readonly string[], options: MeasureOptions = {}): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd,
      env: { ...process.env, ...options.env, ...(options.temporaryFolder && { TMPDIR: options.temporaryFolder }) },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk).slice(-4000);
    });
    let peakBytes = 0;
    let mostTemporaryBytes = 0;
    const tree = new ProcessTree(child.pid!);
    const watch = setInterval(() => {
      tree.look();
      peakBytes = Math.max(peakBytes, peakOf(child.pid!));
      if (options.temporaryFolder) mostTemporaryBytes = Math.max(mostTemporaryBytes, bytesIn(options.temporaryFolder));
    }, 100);
    child.on('error', reject);
    child.on('close', code => {
      clearInterval(watch);
      const seconds = (performance.now() - startedAt) / 1000;
      const { cpuSeconds, idleSeconds } = tree;
      const used = { peakBytes: tree.peakBytes, cpuSeconds, idleSeconds };
      if ((options.okExitCodes ?? [0]).includes(code ?? -1)) {
        resolve({ seconds, peakBytes, mostTemporaryBytes, tree: used, stdout });
      } else reject(new Error(`${command} ended with exit code ${code}: ${stderr.trim()}`));
    });
  });
}

/** The kernel's own high-water mark, so that what lies between two looks is counted as well. */
function peakOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function bytesIn(folder: string): number {
  let bytes = 0;
  try {
    for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const info = statSync(join(folder, entry), { throwIfNoEntry: false });
      if (info?.isFile()) bytes += info.size;
    }
  } catch {
    // It changes while it is read; the next look counts again.
  }
  return bytes;
}
