import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** The tools of the repository, run on this very Node: the one on the PATH may be older than what they need. */

/** Format, lint and order of imports. By folder: biome ends at a name that is not UTF-8, and the demo leaves some in .ops. */
export async function lint(root: string): Promise<boolean> {
  return (
    (await runNode(root, [
      bin('@biomejs/biome/bin/biome'),
      'check',
      '--error-on-warnings',
      'actions',
      'scripts',
      'test',
    ])) === 0
  );
}

export async function typeCheck(root: string): Promise<boolean> {
  return (await runNode(root, [bin('typescript/bin/tsc'), '-p', '.'])) === 0;
}

export function bin(path: string): string {
  return join('node_modules', path);
}

/** @returns the exit code; 1 when a signal ended it */
export async function runNode(root: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
