import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConsole } from '../../actions/lib/console/index.ts';
import type { Report } from '../../actions/lib/reports/index.ts';

export interface Ran {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** The CLI in this process, in a folder of its own with nothing but the environment that is given. */
export async function ops(argv: readonly string[], env: Record<string, string>, cwd?: string): Promise<Ran> {
  const out = { stdout: '', stderr: '' };
  const collect = (name: keyof typeof out) => ({
    write(text: string) {
      out[name] += text;
      return true;
    },
  });
  const exitCode = await runConsole(argv, {
    env,
    cwd: cwd ?? (await mkdtemp(join(tmpdir(), 'ops-cdn-'))),
    stdout: collect('stdout') as never,
    stderr: collect('stderr') as never,
    signal: new AbortController().signal,
  });
  return { exitCode, ...out };
}

export async function report<Data>(
  argv: readonly string[],
  env: Record<string, string>,
  cwd?: string,
): Promise<Report<Data> & { ran: Ran }> {
  const ran = await ops([...argv, '--json'], env, cwd);
  return { ...(JSON.parse(ran.stdout) as Report<Data>), ran };
}

/** A folder with this as its `.github/ops.yml`. */
export async function folderWith(yaml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-cdn-'));
  await mkdir(join(folder, '.github'));
  await writeFile(join(folder, '.github/ops.yml'), yaml);
  return folder;
}
