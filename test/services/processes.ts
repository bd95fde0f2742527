import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** Whether a program is installed; daemons are often in a folder that the PATH of a user leaves out. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter(folder => folder !== '');
  return folders.map(folder => join(folder, program)).find(isExecutable);
}

/** A daemon in the foreground that also dies when this process is killed. */
export function startDaemon(program: string, args: string[], env: NodeJS.ProcessEnv): ChildProcess {
  const tied = findProgram('setpriv') ? ['setpriv', '--pdeathsig', 'KILL', program, ...args] : [program, ...args];
  return spawn(tied[0]!, tied.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Kills at once (what the servers hold is thrown away) and waits until they are gone. */
export async function killAll(daemons: ChildProcess[]): Promise<void> {
  await Promise.all(
    daemons.map(async daemon => {
      if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      daemon.once('exit', () => resolve());
      daemon.kill('SIGKILL');
      await promise;
    }),
  );
}

/** Ports that nothing listens on right now, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

function listen(): Promise<ReturnType<typeof createServer>> {
  const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof createServer>>();
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => resolve(server));
  return promise;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
