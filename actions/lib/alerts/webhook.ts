import { createHash, createHmac } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { OpsError } from '../errors/index.ts';
import type { Log } from '../log/index.ts';
import { flat } from '../markdown/index.ts';
import type { AlertAction } from './actions.ts';
import { quantity } from './issue-body.ts';
import { runbookOf } from './runbooks.ts';
import type { AlertState } from './state.ts';

export interface WebhookOptions {
  /** Secret as a whole. */
  url: string;
  /** Without one nothing is signed: chats do not check it. */
  secret: string | undefined;
  log: Log;
  signal: AbortSignal;
  timeoutMs?: number;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  random?: () => number;
}

/** What is sent; `text` is what chats show, and the rest is for programs. */
export interface Notification {
  version: 1;
  event: 'opened' | 'reopened' | 'severity' | 'repeated' | 'joined' | 'recovered';
  /** The same for one event however often it is sent. */
  idempotencyKey: string;
  text: string;
  platform: string;
  alert: {
    key: string;
    id: string;
    target: string | null;
    severity: 'warning' | 'critical';
    since: string;
    recoveredAt: string | null;
    value: number | null;
    threshold: number | null;
    unit: string;
    message: string;
    measuredAt: string;
    /** Of a storm: the keys of its members. */
    members: string[] | null;
  };
  links: { issue: string | null; report: string | null; run: string | null };
}

/** Undefined for what is not announced. */
export function notificationOf(
  action: AlertAction,
  of: { platform: string; before: AlertState | undefined; issueUrl: string | null; reportUrl: string | null },
): Notification | undefined {
  const event = eventOf(action);
  if (event === undefined || !('state' in action)) return undefined;
  const { state } = action;
  const { reading } = state;
  const identity = [event, state.key, state.since, of.before?.notifiedAt ?? null, state.severity, state.episodes];
  return {
    version: 1,
    event,
    idempotencyKey: createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32),
    text: textOf(event, state, of),
    platform: of.platform,
    alert: {
      key: state.key,
      id: state.id,
      target: state.target,
      severity: state.severity,
      since: state.since,
      recoveredAt: state.clearSince,
      value: reading.value,
      threshold: reading.threshold,
      unit: reading.unit,
      message: reading.message,
      measuredAt: reading.at,
      members: state.members?.map(({ id, target }) => (target === null ? id : `${id} ${target}`)) ?? null,
    },
    links: { issue: of.issueUrl, report: of.reportUrl, run: reading.runUrl },
  };
}

/**
 * Sends one notification: JSON by POST, signed over its exact bytes (`X-Ops-Signature-256: sha256=<hex>`, as GitHub signs
 * its own), repeated with the same `Idempotency-Key` while that may help.
 *
 * @throws OpsError `WEBHOOK_INVALID` for an address that is not https (loopback may be http), `WEBHOOK_REFUSED` for an
 * answer that a repetition would not change, `WEBHOOK_UNREACHABLE` after the last try. The address is in none of them.
 */
export async function sendNotification(notification: Notification, options: WebhookOptions): Promise<void> {
  const url = webhookUrl(options.url);
  const body = JSON.stringify(notification);
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'user-agent': 'production-ops',
    'x-ops-event': notification.event,
    'idempotency-key': notification.idempotencyKey,
    ...(options.secret !== undefined && { 'x-ops-signature-256': signature(body, options.secret) }),
  };
  const { signal, log, timeoutMs = 10_000, sleep = pause, random = Math.random } = options;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const failure = await post(url, {
      body,
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    if (failure === undefined) return;
    signal.throwIfAborted();
    if (!failure.isPassing) {
      throw new OpsError('WEBHOOK_REFUSED', `The webhook answered ${failure.reason}`, {
        hint: 'Check ALERTS_WEBHOOK_URL: it may have been revoked, or expect another kind of message.',
      });
    }
    if (attempt === mostAttempts) {
      throw new OpsError('WEBHOOK_UNREACHABLE', `The webhook could not be reached: ${failure.reason}`, {
        hint: 'The next run says it again. Check ALERTS_WEBHOOK_URL when this lasts.',
      });
    }
    const backoffMs = random() * 1000 * 2 ** attempt;
    const delayMs = Math.min(longestDelayMs, Math.max(failure.waitMs, backoffMs));
    log.debug(`The webhook: ${failure.reason}; trying again in ${Math.ceil(delayMs / 1000)} s`);
    await sleep(delayMs, signal);
  }
}

/** `sha256=<hex>`: what a receiver computes over the bytes of the body with the shared secret, and compares. */
export function signature(body: string, secret: string): string {
  return `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
}

const mostAttempts = 3;
const longestDelayMs = 30_000;

function webhookUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLoopback = url !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback))) return url;
  throw new OpsError('WEBHOOK_INVALID', 'ALERTS_WEBHOOK_URL is not an https address', {
    hint: 'What is sent names your platform and its faults: it may not travel in the open.',
  });
}

interface Failure {
  reason: string;
  /** It may be otherwise next time. */
  isPassing: boolean;
  waitMs: number;
}

async function post(url: URL, init: { body: string; headers: Record<string, string>; signal: AbortSignal }) {
  try {
    // A redirect could lead the signed message anywhere, over anything.
    const answer = await fetch(url, { ...init, method: 'POST', redirect: 'manual' });
    await answer.body?.cancel();
    return answer.ok ? undefined : failureOf(answer);
  } catch (error) {
    const { name, cause } = error as Error & { cause?: { code?: string } };
    const reason = name === 'TimeoutError' ? 'no answer in time' : (cause?.code ?? 'the connection failed');
    return { reason, isPassing: true, waitMs: 0 } satisfies Failure;
  }
}

function failureOf({ status, headers }: Response): Failure {
  const after = Number(headers.get('retry-after'));
  const waitMs = Number.isFinite(after) && after > 0 ? after * 1000 : 0;
  return { reason: `HTTP ${status}`, isPassing: status === 429 || status === 408 || status >= 500, waitMs };
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal });
}

function eventOf(action: AlertAction): Notification['event'] | undefined {
  switch (action.kind) {
    case 'open':
      return 'opened';
    case 'reopen':
      return 'reopened';
    case 'close':
      return action.isQuiet ? undefined : 'recovered';
    case 'comment':
      return action.reason === 'repeat' ? 'repeated' : action.reason === 'merged' ? undefined : action.reason;
    case 'edit':
    case 'merge':
    case 'remember':
    case 'forget':
      return undefined;
  }
}

function textOf(
  event: Notification['event'],
  state: AlertState,
  { platform, before, issueUrl }: { platform: string; before: AlertState | undefined; issueUrl: string | null },
): string {
  const { reading, id, target, severity } = state;
  const lead = {
    opened: `${severity.toUpperCase()}`,
    reopened: `${severity.toUpperCase()} again`,
    severity: `${before?.severity ?? ''} → ${severity.toUpperCase()}`,
    repeated: `Still ${severity}`,
    joined: `${severity.toUpperCase()}, and more`,
    recovered: 'Well again',
  }[event];
  const on = target === null ? '' : ` (${flat(target)})`;
  const value = reading.value === null ? '' : `\n${quantity(reading.value, reading.unit)}${limitText(state)}`;
  const more = issueUrl ?? reading.runUrl;
  const text = `[${platform}] ${lead}: ${runbookOf({ id, target }).title}${on}\n${flat(reading.message)}${value}`;
  return more === null ? chatText(text) : `${chatText(text)}\n${more}`;
}

function limitText({ reading: { threshold, unit } }: AlertState): string {
  return threshold === null ? '' : `, threshold ${quantity(threshold, unit)}`;
}

/** Slack reads commands such as `<!channel>` between angle brackets, and nowhere else. */
function chatText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('@', '@\u200b');
}
