import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface GitServer {
  /** Of the repository, to clone and push. */
  url: string;
  stop(): Promise<void>;
}

/** Serves a bare repository over HTTP by git's own `git http-backend`, for clones and pushes. */
export async function startGitServer(folder: string): Promise<GitServer> {
  const server = createServer((incoming, outgoing) => void answer(folder, incoming, outgoing));
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`,
    async stop() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

/** CGI (RFC 3875): the request by the environment and stdin, the answer by stdout, headers first. */
function answer(folder: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  const backend = spawn('git', ['-c', 'http.receivepack=true', 'http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: incoming.method,
      CONTENT_TYPE: incoming.headers['content-type'] ?? '',
      ...(incoming.headers['content-encoding'] && { HTTP_CONTENT_ENCODING: incoming.headers['content-encoding'] }),
      GIT_PROTOCOL: String(incoming.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  backend.stdin.on('error', () => {});
  incoming.pipe(backend.stdin);
  const chunks: Buffer[] = [];
  backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  backend.once('close', () => {
    const whole = Buffer.concat(chunks);
    const end = whole.indexOf('\r\n\r\n');
    const headers = whole
      .toString('latin1', 0, Math.max(0, end))
      .split('\r\n')
      .map(line => line.split(/:\s*/, 2) as [string, string]);
    const status = Number(headers.find(([name]) => name.toLowerCase() === 'status')?.[1]?.slice(0, 3) ?? 200);
    const sent = Object.fromEntries(headers.filter(([name]) => name && name.toLowerCase() !== 'status'));
    outgoing.writeHead(end < 0 ? 500 : status, sent).end(whole.subarray(end + 4));
  });
}
