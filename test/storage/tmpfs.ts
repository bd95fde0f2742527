import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'vitest';

/** A small disk of its own for one test, which is skipped where mounting is not permitted (it needs root). */
export async function mountTmpfs(context: TestContext, options: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ops-disk-'));
  context.onTestFinished(() => rm(path, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path], { stdio: 'pipe' });
  } catch {
    context.skip('mounting a small disk needs root');
  }
  context.onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}
