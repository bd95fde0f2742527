import { createHmac, timingSafeEqual } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDirectoryMemory } from '../../actions/lib/alerts/memory.ts';
import { type AlertSyncOptions, syncAlerts } from '../../actions/lib/alerts/sync.ts';
import { type Notification, sendNotification, signature } from '../../actions/lib/alerts/webhook.ts';
import { silentLog } from '../../actions/lib/log/index.ts';
import {
  type Check,
  newReportId,
  type Report,
  reportSchemaName,
  worstStatus,
} from '../../actions/lib/reports/index.ts';
import { configOf, type GitHubWorld, openGitHubWorld } from './github-world.ts';
import type { AlertsInput } from './model.ts';

const secret = 'a-secret-of-the-webhook';

interface Received {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver that checks what it is told as its documentation says, and answers as the test wants. */
interface Receiver {
  url: string;
  received: Received[];
  /** What it answers next, in order; 200 when there is nothing left. */
  answers: ((response: ServerResponse) => void)[];
  events(): string[];
  stop(): Promise<void>;
}

async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const answers: Receiver['answers'] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ headers: request.headers, body });
    const answer = answers.shift() ?? ((each: ServerResponse) => void each.writeHead(200).end('ok'));
    answer(response);
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', () => listening.resolve());
  await listening.promise;
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}/services/T0/B0/very-secret-path`,
    received,
    answers,
    events: () => received.map(({ body }) => (JSON.parse(body) as Notification).event),
    async stop() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

let receiver: Receiver;
let folder: string;
let now: Date;

beforeEach(async () => {
  receiver = await startReceiver();
  folder = await mkdtemp(join(tmpdir(), 'alerts-'));
  now = new Date();
});
afterEach(async () => {
  await receiver.stop();
  await rm(folder, { recursive: true });
});

const answer =
  (status: number, headers = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, headers).end('no');

const notification: Notification = {
  version: 1,
  event: 'opened',
  idempotencyKey: 'k1',
  text: 'Grüße <&>',
  platform: 'shop',
  alert: {
    key: 'backup shop',
    id: 'backup',
    target: 'shop',
    severity: 'critical',
    since: '2026-11-23T02:14:00.000Z',
    recoveredAt: null,
    value: null,
    threshold: null,
    unit: '',
    message: 'x',
    measuredAt: '2026-11-23T02:14:00.000Z',
    members: null,
  },
  links: { issue: null, report: null, run: null },
};

describe('one notification', () => {
  const waits: number[] = [];
  const send = (change: Partial<Parameters<typeof sendNotification>[1]> = {}) =>
    sendNotification(notification, {
      url: receiver.url,
      secret,
      log: silentLog,
      signal: new AbortController().signal,
      sleep: async milliseconds => void waits.push(milliseconds),
      random: () => 0,
      ...change,
    });
  beforeEach(() => {
    waits.length = 0;
  });

  it('is JSON that a receiver can verify over its exact bytes', async () => {
    await send();
    const [{ headers, body }] = receiver.received as [Received];
    expect(headers['content-type']).toContain('application/json');
    expect(headers['x-ops-event']).toBe('opened');
    expect(headers['idempotency-key']).toBe('k1');
    const expected = `sha256=${createHmac('sha256', secret).update(Buffer.from(body)).digest('hex')}`;
    expect(timingSafeEqual(Buffer.from(String(headers['x-ops-signature-256'])), Buffer.from(expected))).toBe(true);
    expect(JSON.parse(body)).toEqual(notification);
    expect(signature(`${body} `, secret)).not.toBe(expected);
  });

  it('is not signed without a secret', async () => {
    await send({ secret: undefined });
    expect(receiver.received[0]?.headers['x-ops-signature-256']).toBeUndefined();
  });

  it.each([500, 502, 503, 429, 408])('%i is tried again, with the same key and signature', async status => {
    receiver.answers.push(answer(status), answer(status));
    await send();
    expect(receiver.received).toHaveLength(3);
    expect(new Set(receiver.received.map(({ headers }) => headers['idempotency-key']))).toEqual(new Set(['k1']));
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
  });

  it('is tried three times, and then it is an error', async () => {
    receiver.answers.push(answer(500), answer(500), answer(500));
    await expect(send()).rejects.toMatchObject({ code: 'WEBHOOK_UNREACHABLE' });
    expect(receiver.received).toHaveLength(3);
  });

  it.each([400, 401, 403, 404, 410])('%i is not tried again', async status => {
    receiver.answers.push(answer(status));
    await expect(send()).rejects.toMatchObject({
      code: 'WEBHOOK_REFUSED',
      message: `The webhook answered HTTP ${status}`,
    });
    expect(receiver.received).toHaveLength(1);
  });

  it('a redirect is not followed: it could lead the signed message anywhere', async () => {
    receiver.answers.push(answer(307, { location: receiver.url }));
    await expect(send()).rejects.toMatchObject({ code: 'WEBHOOK_REFUSED' });
    expect(receiver.received).toHaveLength(1);
  });

  it('waits as long as it is told, and not longer than half a minute', async () => {
    receiver.answers.push(answer(429, { 'retry-after': '7' }), answer(429, { 'retry-after': '3600' }));
    await send();
    expect(waits).toEqual([7000, 30_000]);
  });

  it('an answer that never comes ends', async () => {
    receiver.answers.push(
      () => {},
      () => {},
      () => {},
    );
    await expect(send({ timeoutMs: 100 })).rejects.toThrow('no answer in time');
    expect(receiver.received).toHaveLength(3);
  });

  it('a connection that is cut is tried again', async () => {
    receiver.answers.push(response => void response.destroy());
    await send();
    expect(receiver.received).toHaveLength(2);
  });

  it.each(['http://example.com/hook', 'ftp://example.com', 'not a url', 'http://127.0.0.1.example.com/'])(
    '%s is not taken',
    async url => {
      await expect(send({ url })).rejects.toMatchObject({ code: 'WEBHOOK_INVALID' });
    },
  );

  it('the address is in no error', async () => {
    receiver.answers.push(answer(404));
    const refused = await send().catch(String);
    await receiver.stop();
    const unreachable = await send().catch(String);
    expect(`${refused} ${unreachable}`).toMatch(/HTTP 404.*ECONNREFUSED/);
    expect(`${refused} ${unreachable}`).not.toContain('very-secret-path');
    receiver = await startReceiver();
  });

  it('a cancelled run ends at once', async () => {
    const abort = new AbortController();
    receiver.answers.push(() => abort.abort());
    await expect(send({ signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(receiver.received).toHaveLength(1);
  });
});

describe('the webhook follows the same rules as issues', () => {
  const later = (minutes: number) => {
    now = new Date(now.getTime() + minutes * 60_000);
  };
  const report = (checks: Partial<Check>[], kind = 'drill.run'): Report => {
    const all = checks.map(check => ({
      id: 'drill.rpo',
      target: 'shop',
      status: 'critical' as const,
      value: 111_600,
      threshold: 108_000,
      unit: 'seconds',
      message: 'RPO 31 h <!channel> @here',
      ...check,
    }));
    return {
      schema: reportSchemaName,
      kind,
      id: newReportId(now),
      platform: 'shop',
      status: worstStatus(all.map(({ status }) => status)),
      startedAt: now.toISOString(),
      finishedAt: now.toISOString(),
      trigger: { event: 'schedule' },
      run: { url: 'https://github.com/acme/ops/actions/runs/1/attempts/1', id: '1', attempt: 1, sha: 'abc' },
      tool: { version: '0.1.0', node: '24.21.0' },
      checks: all,
      error: null,
      data: null,
    };
  };
  const sync = (
    reports: Report[],
    { alerts = {}, ...rest }: { alerts?: AlertsInput } & Partial<AlertSyncOptions> = {},
  ) =>
    syncAlerts({
      reports,
      config: configOf(alerts),
      github: undefined,
      webhook: { url: receiver.url, secret },
      memory: createDirectoryMemory(folder, silentLog),
      reportUrl: () => 'https://github.com/acme/ops/blob/HEAD/reports/x.json',
      log: silentLog,
      signal: new AbortController().signal,
      now,
      ...rest,
    });

  it('opened, graver, repeated, recovered, reopened: each is told once', async () => {
    const step = async (minutes: number, ...checks: Partial<Check>[]) => {
      later(minutes);
      await sync([report(checks)]);
      await sync([report(checks)]);
    };
    await step(0, { status: 'warning' });
    await step(5, {});
    await step(23 * 60, {});
    await step(5, { status: 'ok' });
    await step(5, {});
    expect(receiver.events()).toEqual(['opened', 'severity', 'repeated', 'recovered', 'reopened']);
    expect(new Set(receiver.received.map(({ headers }) => headers['idempotency-key'])).size).toBe(5);
  });

  it('says what a chat can show, with the value, and without commands', async () => {
    await sync([report([{}])]);
    const { text, alert, links } = JSON.parse(receiver.received[0]!.body) as Notification;
    expect(text).toBe(
      '[shop] CRITICAL: The newest backup is older than the objective allows (shop)\nRPO 31 h &lt;!channel&gt; @\u200bhere\n31 h, threshold 30 h\nhttps://github.com/acme/ops/actions/runs/1/attempts/1',
    );
    expect(alert).toMatchObject({ key: 'drill.rpo shop', severity: 'critical', value: 111_600, threshold: 108_000 });
    expect(links).toEqual({
      issue: null,
      report: 'https://github.com/acme/ops/blob/HEAD/reports/x.json',
      run: 'https://github.com/acme/ops/actions/runs/1/attempts/1',
    });
  });

  it('what could not be told is told by the next run, whatever that is about, with the same key', async () => {
    receiver.answers.push(answer(404));
    const { failures } = await sync([report([{}])]);
    expect(failures).toEqual([expect.objectContaining({ channel: 'webhook', code: 'WEBHOOK_REFUSED' })]);
    later(60);
    expect((await sync([report([], 'monitor.run')])).failures).toEqual([]);
    const [first, second] = receiver.received.map(({ headers }) => headers['idempotency-key']);
    expect(second).toBe(first);
    later(60);
    await sync([report([], 'monitor.run')]);
    expect(receiver.received).toHaveLength(2);
  });

  it('a recovery that could not be told is told by the next run', async () => {
    await sync([report([{}])]);
    receiver.answers.push(answer(404));
    later(5);
    await sync([report([{ status: 'ok' }])]);
    later(5);
    await sync([report([], 'monitor.run')]);
    expect(receiver.events()).toEqual(['opened', 'recovered', 'recovered']);
  });

  it('without issues, for and silences hold as well', async () => {
    const alerts = { for: '15m', silences: [{ checks: ['drill.rto'], until: '2099-01-01', reason: 'x' }] };
    await sync([report([{}, { id: 'drill.rto' }])], { alerts });
    expect(receiver.received).toEqual([]);
    later(15);
    await sync([report([{}, { id: 'drill.rto' }])], { alerts });
    expect(receiver.received.map(({ body }) => (JSON.parse(body) as Notification).alert.id)).toEqual(['drill.rpo']);
  });

  it('a storm is one message', async () => {
    await sync([report(Array.from({ length: 15 }, (_, index) => ({ id: `check.n${index}` })))]);
    expect(receiver.events()).toEqual(['opened']);
    expect((JSON.parse(receiver.received[0]!.body) as Notification).alert.members).toHaveLength(15);
  });

  it('and one more when others join it', async () => {
    const storm = (count: number) => report(Array.from({ length: count }, (_, index) => ({ id: `check.n${index}` })));
    await sync([storm(15)]);
    later(5);
    await sync([storm(18)]);
    await sync([storm(18)]);
    expect(receiver.events()).toEqual(['opened', 'joined']);
    const { text, alert } = JSON.parse(receiver.received[1]!.body) as Notification;
    expect(text).toContain('CRITICAL, and more');
    expect(alert.members).toHaveLength(18);
  });

  it('a memory that cannot be read tells nothing rather than everything again', async () => {
    await sync([report([{}])]);
    later(5);
    const memory = {
      ...createDirectoryMemory(folder, silentLog),
      read: async () => {
        throw new Error('the disk is gone');
      },
    };
    const { failures } = await sync([report([{}])], { memory });
    expect(failures).toEqual([expect.objectContaining({ channel: 'memory' })]);
    expect(receiver.received).toHaveLength(1);
  });

  describe('beside issues', () => {
    let world: GitHubWorld;
    beforeAll(async () => {
      world = await openGitHubWorld();
    });
    beforeEach(() => world.reset());
    afterAll(() => world?.[Symbol.asyncDispose]());

    it('it links to the issue, and is quiet on what a person has closed', async () => {
      const alerts = { repeat: '1h' };
      const github = world.client();
      await sync([report([{}])], { github, alerts });
      const { links, text } = JSON.parse(receiver.received[0]!.body) as Notification;
      expect(links.issue).toMatch(/\/acme\/ops\/issues\/1$/);
      expect(text).toContain(links.issue);
      await world.ask('PATCH', '/issues/1', { state: 'closed' });
      later(120);
      await sync([report([{}])], { github, alerts });
      expect(receiver.received).toHaveLength(1);
    });

    it('when GitHub fails the webhook is told all the same, once', async () => {
      world.proxy.fail('GET *issues', { kind: 'status', status: 403 }, 2);
      const github = world.client();
      await sync([report([{}])], { github });
      later(5);
      await sync([report([{}])], { github });
      later(5);
      await sync([report([{}])], { github });
      expect(receiver.events()).toEqual(['opened']);
      expect(await world.issues()).toHaveLength(1);
    });
  });
});
