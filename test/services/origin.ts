import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Page {
  status?: number;
  headers?: Record<string, string | string[]>;
  body: string | Buffer;
}

export interface Origin {
  url: string;
  /** By path with its query; a function is asked for each request. */
  pages: Map<string, Page | ((headers: IncomingHttpHeaders) => Page)>;
  /** Paths in the order they were asked for. */
  asked: string[];
  stop(): Promise<void>;
}

/** A small real HTTP server whose files a test changes. */
export async function startOrigin(
  pages: Record<string, Page | ((headers: IncomingHttpHeaders) => Page)> = {},
  port = 0,
): Promise<Origin> {
  const kept = new Map(Object.entries(pages));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const page = kept.get(request.url ?? '');
    send(response, typeof page === 'function' ? page(request.headers) : (page ?? { status: 404, body: 'not here' }));
  });
  await listening(server, port);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pages: kept,
    asked,
    stop: () => closed(server),
  };
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: Page): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.statusCode = status;
  response.end(body);
}

export function listening(server: Server, port = 0): Promise<void> {
  return new Promise(resolve => server.listen(port, '127.0.0.1', resolve));
}

export function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise(resolve => server.close(() => resolve()));
}
