import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { childEnvironment } from '../process/index.ts';
import type { ServerFolder } from './throwaway-folder.ts';

export interface Supervisor {
  isOver(): boolean;
  /** The last 8 KiB of the server's log. */
  logTail(): string;
  /** Ends the server at once; returns when it is gone. */
  stop(): Promise<void>;
}

const logTailBytes = 8 * 1024;
const stopWithinMs = 15_000;

/**
 * Runs the server below a shell that waits for the end of its own stdin, a pipe whose other end only this process
 * holds. The kernel closes it however this process ends, SIGKILL included, and the shell then ends the server and
 * removes the folders. A session of its own keeps Ctrl-C from reaching the server before us.
 */
export function supervise(postgres: string, folder: ServerFolder, port: number): Supervisor {
  const { base, socketDir, dataDir, logFile } = folder;
  const shell = spawn('/bin/sh', ['-c', script, 'sh', postgres, dataDir, String(port), logFile, base, socketDir], {
    ...folder.user,
    cwd: base,
    env: childEnvironment({ uid: folder.user.uid, env: { TZ: 'UTC' } }),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  let isOver = false;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const end = () => {
    isOver = true;
    resolve();
  };
  shell.once('exit', end);
  shell.once('error', end);
  shell.stdin.on('error', () => {});
  // A forgotten server must not keep this process alive: its end is what stops the server.
  shell.unref();
  unrefPipe(shell.stdin);

  return {
    isOver: () => isOver,
    logTail: () => readTail(logFile),
    async stop() {
      shell.ref();
      shell.stdin.end();
      const timer = setTimeout(() => killGroup(shell.pid), stopWithinMs);
      await over;
      clearTimeout(timer);
    },
  };
}

// `&` gives a background job /dev/null as stdin, hence fd 3. Immediate shutdown (QUIT): the data is thrown away anyway.
// When the server ends by itself the folder stays, for its log.
const script = `
exec 3<&0 </dev/null
"$1" -D "$2" -p "$3" >>"$4" 2>&1 3<&- &
server=$!
{
  while read -r _ <&3; do :; done
  : >"$5/stopping"
  kill -QUIT "$server"
} 2>/dev/null &
watcher=$!
trap 'kill -QUIT "$server"' HUP INT TERM
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
if [ -e "$5/stopping" ]; then
  cd /
  rm -rf "$5" "$6"
else
  kill "$watcher"
fi
`;

/** The pipe to a child is a socket, and a socket of its own keeps the event loop alive. */
function unrefPipe(pipe: NodeJS.WritableStream): void {
  (pipe as NodeJS.WritableStream & { unref?: () => void }).unref?.();
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

function readTail(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const buffer = Buffer.alloc(Math.min(size, logTailBytes));
      readSync(file, buffer, 0, buffer.length, size - buffer.length);
      return buffer.toString('utf8').trimEnd();
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
