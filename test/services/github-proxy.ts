import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { requestBodySchema } from './github-bodies.ts';

/** What goes wrong instead of, or after, the answer of the real service. */
export type Fault =
  /** Refused before the service hears of it. */
  | { kind: 'status'; status: number; body?: unknown; headers?: Record<string, string> }
  /** 403 with the words and the header of a secondary rate limit; without seconds, no header. */
  | { kind: 'secondary-limit'; retryAfterSeconds?: number }
  /** 403 with no requests left until the time (seconds since 1970). */
  | { kind: 'primary-limit'; resetAtSeconds: number }
  /** Never answered. `isDone`: the service has done it all the same. */
  | { kind: 'timeout'; isDone: boolean }
  /** The connection is cut. `isDone`: the service has done it all the same. */
  | { kind: 'cut'; isDone: boolean }
  /** Done, and half of the answer arrives as if it were all of it. */
  | { kind: 'truncated' }
  /** Done, and the answer is an HTML page with status 200, as from a captive proxy. */
  | { kind: 'html' };

export interface RecordedRequest {
  method: string;
  /** Without the query. */
  path: string;
  query: Record<string, string>;
  headers: IncomingHttpHeaders;
  body: unknown;
}

export interface GitHubProxy {
  url: string;
  requests: RecordedRequest[];
  /** What the real GitHub would not accept: each test ends with this empty. */
  violations: string[];
  /** The next `times` requests of this route go wrong. @param route `POST *issues`: a star matches anything */
  fail(route: string, fault: Fault, times?: number): void;
  /** Forgets the faults and what was recorded. */
  reset(): void;
  /** How many requests of this route came. */
  count(route: string): number;
  /** Called before a request of this route is passed on; for races. */
  before(route: string, action: () => Promise<void>): void;
  stop(): Promise<void>;
}

type Upstream = string | ((request: Request) => Promise<Response>);

/**
 * A fault proxy before a GitHub API: passes requests on, validates each body as GitHub's documentation describes it,
 * records all, and fails as it is told.
 *
 * @param upstream a base URL, or a handler in this process
 */
export async function startGitHubProxy(upstream: Upstream): Promise<GitHubProxy> {
  const requests: RecordedRequest[] = [];
  const violations: string[] = [];
  let faults: { route: string; fault: Fault; left: number }[] = [];
  let hooks: { route: string; action: () => Promise<void> }[] = [];
  const hanging = new Set<ServerResponse>();

  const server = createServer(async (incoming, outgoing) => {
    try {
      const text = await readAll(incoming);
      const recorded = record(incoming, text);
      requests.push(recorded);
      const wrong = violationOf(recorded);
      if (wrong) {
        violations.push(wrong);
        return send(outgoing, 422, { message: `Validation Failed: ${wrong}` });
      }
      const name = `${recorded.method} ${recorded.path}`;
      const planned = faults.find(({ route, left }) => left > 0 && matches(route, name));
      if (planned) planned.left--;
      const fault = planned?.fault;
      if (fault && !reachesService(fault)) return failAtOnce(fault, outgoing, hanging);

      const hook = hooks.find(({ route }) => matches(route, name));
      if (hook) {
        hooks = hooks.filter(other => other !== hook);
        await hook.action();
      }
      const answer = await passOn(upstream, incoming, text);
      const body = Buffer.from(await answer.arrayBuffer());
      if (fault) return failAfter(fault, { answer, body, outgoing, hanging });
      outgoing.writeHead(answer.status, Object.fromEntries(headersOf(answer))).end(body);
    } catch (error) {
      violations.push(`the proxy failed: ${(error as Error).stack}`);
      outgoing.destroy();
    }
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;

  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    requests,
    violations,
    fail: (route, fault, times = 1) => void faults.push({ route, fault, left: times }),
    before: (route, action) => void hooks.push({ route, action }),
    count: route => requests.filter(({ method, path }) => matches(route, `${method} ${path}`)).length,
    reset() {
      faults = [];
      hooks = [];
      requests.length = 0;
      violations.length = 0;
    },
    async stop() {
      for (const response of hanging) response.destroy();
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function record(incoming: IncomingMessage, text: string): RecordedRequest {
  const url = new URL(incoming.url ?? '/', 'http://localhost');
  return {
    method: incoming.method ?? 'GET',
    path: decodeURIComponent(url.pathname),
    query: Object.fromEntries(url.searchParams),
    headers: incoming.headers,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

function violationOf({ method, path, headers, body }: RecordedRequest): string | undefined {
  // RFC 9110 allows more; GitHub answers 403 without a user agent.
  if (!headers['user-agent']) return 'no user agent';
  if (!headers.authorization) return 'no authorization';
  if (headers['x-github-api-version'] !== '2022-11-28') return 'no API version';
  if (method === 'GET') return undefined;
  const schema = requestBodySchema(method, path);
  if (!schema) return `${method} ${path} is not a change that this project makes`;
  const parsed = schema.safeParse(body ?? {});
  return parsed.success
    ? undefined
    : `${method} ${path}: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`;
}

function reachesService(fault: Fault): boolean {
  return fault.kind === 'truncated' || fault.kind === 'html' || ('isDone' in fault && fault.isDone);
}

function failAtOnce(fault: Fault, outgoing: ServerResponse, hanging: Set<ServerResponse>): void {
  if (fault.kind === 'status') {
    send(outgoing, fault.status, fault.body ?? { message: `HTTP ${fault.status}` }, fault.headers);
  } else if (fault.kind === 'secondary-limit') {
    const { retryAfterSeconds: seconds } = fault;
    const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
    send(outgoing, 403, { message }, seconds === undefined ? {} : { 'retry-after': String(seconds) });
  } else if (fault.kind === 'primary-limit') {
    const reset = String(fault.resetAtSeconds);
    const headers = { 'x-ratelimit-limit': '1000', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset };
    send(outgoing, 403, { message: 'API rate limit exceeded for installation ID 1.' }, headers);
  } else if (fault.kind === 'timeout') {
    hanging.add(outgoing);
  } else {
    outgoing.destroy();
  }
}

function failAfter(
  fault: Fault,
  {
    answer,
    body,
    outgoing,
    hanging,
  }: { answer: Response; body: Buffer; outgoing: ServerResponse; hanging: Set<ServerResponse> },
): void {
  switch (fault.kind) {
    case 'truncated':
      return void outgoing
        .writeHead(answer.status, { 'content-type': 'application/json; charset=utf-8' })
        .end(body.subarray(0, Math.floor(body.length / 2)));
    case 'html':
      return void outgoing.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
    case 'timeout':
      return void hanging.add(outgoing);
    default:
      return void outgoing.destroy();
  }
}

function send(outgoing: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  outgoing
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}

async function passOn(upstream: Upstream, incoming: IncomingMessage, text: string): Promise<Response> {
  const base = typeof upstream === 'string' ? upstream : 'http://localhost';
  const headers = new Headers();
  for (const name of ['authorization', 'accept', 'content-type', 'user-agent']) {
    const value = incoming.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  const request = new Request(`${base}${incoming.url ?? '/'}`, {
    method: incoming.method ?? 'GET',
    headers,
    ...(text !== '' && { body: text }),
  });
  return typeof upstream === 'string' ? fetch(request) : upstream(request);
}

/** What belongs to the connection is left out: the body is sent anew, not compressed. */
function headersOf(answer: Response): [string, string][] {
  const ofConnection = ['connection', 'content-encoding', 'content-length', 'keep-alive', 'transfer-encoding'];
  return [...answer.headers].filter(([name]) => !ofConnection.includes(name));
}

function matches(route: string, name: string): boolean {
  const pattern = route.split('*').map(RegExp.escape).join('.*');
  return new RegExp(`^${pattern}$`).test(name);
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
