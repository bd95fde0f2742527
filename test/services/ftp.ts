import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { killAll, startDaemon } from './processes.ts';

export interface FtpServer {
  /** With user and password, percent-encoded; its folder is empty. */
  url: string;
  password: string;
  /** PEM of the server's own authority; only with `tls`. */
  ca: string | undefined;
  /** Where the server keeps the files, on this machine. */
  folder: string;
  /** Freezes the server as a network that swallows everything would; `false` thaws it. */
  freeze(frozen: boolean): void;
  /** The server dies at once; `stop` is still needed. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface FtpServerOptions {
  /** Explicit TLS, required on both connections. */
  tls?: boolean;
  /** Use this folder instead of a fresh one; it is not removed. */
  folder?: string;
  readOnly?: boolean;
}

/** The interpreter that Debian's packages are for; another `python3` may come first in PATH. */
export const systemPython = '/usr/bin/python3';

/** A real FTP server (pyftpdlib) on a free port of the loopback interface; needs no root. */
export async function startFtpServer(options: FtpServerOptions = {}): Promise<FtpServer> {
  const own = await mkdtemp(join(tmpdir(), 'ops-ftp-'));
  const folder = options.folder ?? join(own, 'files');
  await mkdir(folder, { recursive: true });
  // Characters that must be percent-encoded in the URL are part of every test.
  const user = 'back up@shop';
  const password = `p@ss/:%${randomUUID()}`;
  const daemon = startDaemon(systemPython, [fileURLToPath(new URL('ftp-server.py', import.meta.url))], {
    ...process.env,
    FTP_USER: user,
    FTP_PASSWORD: password,
    FTP_ROOT: folder,
    FTP_PERMISSIONS: options.readOnly ? 'elr' : 'elradfmwMT',
    FTP_CERTIFICATE: options.tls ? join(own, 'certificate.pem') : '',
  });
  const stop = async () => {
    await killAll([daemon]);
    await rm(own, { recursive: true, force: true });
  };
  let said = '';
  daemon.stderr?.on('data', chunk => {
    said = (said + chunk).slice(-2000);
  });
  const lines = createInterface({ input: daemon.stdout! });
  const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => [undefined])]);
  if (line === undefined) {
    await stop();
    throw new Error(`The FTP server did not start: ${said}`);
  }
  const { port, ca } = JSON.parse(line) as { port: number; ca: string | null };
  const scheme = options.tls ? 'ftps' : 'ftp';
  return {
    url: `${scheme}://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/`,
    password,
    ca: ca ?? undefined,
    folder,
    freeze: frozen => void daemon.kill(frozen ? 'SIGSTOP' : 'SIGCONT'),
    kill: () => killAll([daemon]),
    stop,
  };
}
