import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Heartbeat, sendHeartbeat } from '../../actions/lib/watchdog/heartbeat.ts';

let server: ReturnType<typeof createServer>;
let answers: ((response: ServerResponse) => void)[];
let requests: { method: string; url: string; body: string }[];
let waits: number[];
let base: string;

beforeEach(async () => {
  [answers, requests, waits] = [[], [], []];
  server = createServer(async (request, response) => {
    requests.push({ method: request.method!, url: request.url!, body: await readAll(request) });
    const answer = answers.shift();
    if (answer) answer(response);
    else response.end('OK');
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

const beat = (given: Partial<Heartbeat> = {}) =>
  sendHeartbeat({
    url: `${base}/ping/5ecret?k=1`,
    method: 'GET',
    isBreached: false,
    failSuffix: undefined,
    text: 'backup.database is overdue',
    signal: new AbortController().signal,
    sleep: async milliseconds => void waits.push(milliseconds),
    ...given,
  });
const status =
  (code: number, headers = {}) =>
  (response: ServerResponse) =>
    response.writeHead(code, headers).end();

test('a heartbeat is one call', async () => {
  expect(await beat()).toBeUndefined();
  expect(requests).toEqual([{ method: 'GET', url: '/ping/5ecret?k=1', body: '' }]);
});

test('something missing is told by the suffix, when there is one; a POST says what', async () => {
  expect(await beat({ isBreached: true, failSuffix: '/fail', method: 'POST' })).toBeUndefined();
  expect(await beat({ isBreached: true })).toBeUndefined();
  expect(await beat({ failSuffix: '/fail' })).toBeUndefined();
  expect(requests).toEqual([
    { method: 'POST', url: '/ping/5ecret/fail?k=1', body: 'backup.database is overdue' },
    { method: 'GET', url: '/ping/5ecret?k=1', body: '' },
    { method: 'GET', url: '/ping/5ecret?k=1', body: '' },
  ]);
});

test('a service that stumbles is asked again, three times at the most', async () => {
  answers = [status(503), response => response.destroy()];
  expect(await beat()).toBeUndefined();
  expect(waits).toHaveLength(2);
  answers = [status(503), status(429), status(502)];
  expect(await beat()).toBe(`${new URL(base).host} answered HTTP 502`);
  expect(requests).toHaveLength(6);
});

test('a service that refuses is not', async () => {
  answers = [status(404)];
  expect(await beat()).toMatch(/answered HTTP 404$/);
  expect(requests).toHaveLength(1);
});

test('a redirect is not followed: the secret would go to another host', async () => {
  answers = [status(302, { location: '/elsewhere' })];
  expect(await beat()).toMatch(/HTTP 302$/);
  expect(requests).toHaveLength(1);
});

test('silence has an end', async () => {
  answers = [() => {}, () => {}, () => {}];
  expect(await beat({ timeoutMs: 50 })).toMatch(/did not answer within 0\.05 s$/);
});

test('no failure shows the URL', async () => {
  const closed = base.replace(/\d+$/, '1');
  for (const failure of [
    await beat({ url: 'hc-ping.example/5ecret' }),
    await beat({ url: 'http://hc-ping.example/5ecret' }),
    await beat({ url: 'file:///5ecret' }),
    await beat({ url: `${closed}/5ecret` }),
  ]) {
    expect(failure).toMatch(/WATCHDOG_HEARTBEAT_URL|could not be reached/);
    expect(failure).not.toContain('5ecret');
  }
  expect(requests).toEqual([]);
});

test('a cancelled run stops waiting', async () => {
  const cancelled = new AbortController();
  answers = [() => cancelled.abort()];
  await expect(beat({ signal: cancelled.signal })).rejects.toThrow('aborted');
});

async function readAll(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}
