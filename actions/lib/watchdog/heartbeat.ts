import { setTimeout as wait } from 'node:timers/promises';

export interface Heartbeat {
  /** `WATCHDOG_HEARTBEAT_URL`: a secret, since whoever knows it can keep the alarm quiet. */
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Something is missing. */
  readonly isBreached: boolean;
  /** Put behind the path when something is missing; without it the same URL is called, since the watchdog is alive. */
  readonly failSuffix: string | undefined;
  /** The body of a POST. */
  readonly text: string;
  readonly signal: AbortSignal;
  /** Of one attempt. */
  readonly timeoutMs?: number;
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

const attempts = 3;

/**
 * Tells an outside service that the watchdog ran, so that its silence is noticed there.
 * @returns why that did not succeed, without the URL; undefined when it did
 */
export async function sendHeartbeat(heartbeat: Heartbeat): Promise<string | undefined> {
  const address = addressOf(heartbeat);
  if (typeof address === 'string') return address;
  const sleep = heartbeat.sleep ?? (async (milliseconds, signal) => wait(milliseconds, undefined, { signal }));
  let failure = '';
  for (let number = 1; number <= attempts; number++) {
    // Services that keep the time of a beat do not mind another one: a repetition is harmless.
    if (number > 1) await sleep(Math.random() * 1000 * 2 ** number, heartbeat.signal);
    const answer = await attempt(address, heartbeat);
    if (answer === undefined) return undefined;
    failure = `${address.host} ${answer.text}`;
    if (!answer.isPassing) break;
  }
  return failure;
}

function addressOf({ url, isBreached, failSuffix }: Heartbeat): URL | string {
  const address = URL.parse(url);
  if (!address || !/^https?:$/.test(address.protocol)) return 'WATCHDOG_HEARTBEAT_URL is not a URL';
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(address.hostname);
  // On the way anybody could read it, and beat instead of a watchdog that is gone.
  if (address.protocol === 'http:' && !isLoopback) return 'WATCHDOG_HEARTBEAT_URL must begin with https://';
  if (isBreached && failSuffix) address.pathname = address.pathname.replace(/\/$/, '') + failSuffix;
  return address;
}

async function attempt(
  address: URL,
  { method, text, signal, timeoutMs = 10_000 }: Heartbeat,
): Promise<{ text: string; isPassing: boolean } | undefined> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(address, {
      method,
      // A redirect would hand the secret to another host.
      redirect: 'manual',
      headers: { 'user-agent': 'production-ops' },
      ...(method === 'POST' && { body: text }),
      signal: AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const isPassing = response.status >= 500 || response.status === 429 || response.status === 408;
    return { text: `answered HTTP ${response.status}`, isPassing };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { text: `did not answer within ${timeoutMs / 1000} s`, isPassing: true };
    const cause = (error as { cause?: { code?: string } }).cause?.code;
    return { text: `could not be reached${cause ? ` (${cause})` : ''}`, isPassing: true };
  }
}
