import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';
import { OpsError } from '../errors/index.ts';
import { retry } from '../retry/index.ts';
import { CdnError } from './cdn-error.ts';

export interface HttpRequest {
  method: string;
  url: URL;
  /** Names in lower case. `host` may differ from the URL's: a cache server is asked about the site it serves. */
  headers?: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Of the whole exchange with its body. */
  timeoutMs?: number;
}

export interface HttpAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Several of one name stay apart here. */
  setCookies: readonly string[];
  /** Without its content encoding. */
  body: Buffer;
  /** Of the body as it came over the wire. */
  wireBytes: number;
}

const defaultTimeoutMs = 20_000;
const mostBodyBytes = 64 * 1024 * 1024;

/** What passes by itself, when a server restarts or a name is looked up at a bad moment. A time-out has waited long enough. */
const passingCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EAI_AGAIN']);
const getAttempts = 3;

/**
 * One request by node:http, since `fetch` neither sends another Host nor the method PURGE to every server. Redirects are
 * not followed. A GET whose connection fails is tried again; other methods are their callers' to repeat.
 * @throws CdnError `CDN_UNREACHABLE`; OpsError of the same code for an answer that cannot be read
 */
export function exchange(request: HttpRequest): Promise<HttpAnswer> {
  return retry(() => exchangeOnce(request), {
    attempts: request.method === 'GET' ? getAttempts : 1,
    isTransient: error => error instanceof CdnError && error.isTransient,
    signal: request.signal,
  });
}

async function exchangeOnce(request: HttpRequest): Promise<HttpAnswer> {
  const { url, signal, timeoutMs = defaultTimeoutMs } = request;
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const { answer, raw } = await send(request, AbortSignal.any([signal, timeout]));
    const headers = Object.fromEntries(
      Object.entries(answer.headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(', ') : `${value}`,
      ]),
    );
    return {
      status: answer.statusCode ?? 0,
      headers,
      setCookies: answer.headers['set-cookie'] ?? [],
      body: await decode(raw, headers['content-encoding']),
      wireBytes: raw.length,
    };
  } catch (thrown) {
    signal.throwIfAborted();
    if (thrown instanceof OpsError) throw thrown;
    const reason = timeout.aborted ? `did not answer within ${timeoutMs / 1000} s` : wordsOf(thrown);
    throw new CdnError('CDN_UNREACHABLE', `${url.host} ${reason}`, {
      hint: `Open ${url.origin} from another machine: if it answers there, look for a firewall between.`,
      isTransient: passingCodes.has((thrown as NodeJS.ErrnoException).code ?? ''),
      cause: thrown,
    });
  }
}

function send(request: HttpRequest, signal: AbortSignal): Promise<{ answer: IncomingMessage; raw: Buffer }> {
  const { method, url, headers = {} } = request;
  return new Promise((resolve, reject) => {
    const call = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent = call(url, { method, headers: { 'user-agent': 'production-ops', ...headers }, signal }, answer => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > mostBodyBytes) answer.destroy(tooLarge(url));
        else chunks.push(chunk);
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ answer, raw: Buffer.concat(chunks) }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

const decoders: Readonly<Record<string, (raw: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  br: promisify(brotliDecompress),
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  zstd: promisify(zstdDecompress),
};

async function decode(raw: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (!encoding || encoding === 'identity' || raw.length === 0) return raw;
  const decoder = decoders[encoding.trim().toLowerCase()];
  if (!decoder)
    throw new OpsError('CDN_UNREACHABLE', `The answer came in an encoding that was not asked for: ${encoding}`);
  return decoder(raw, { maxOutputLength: mostBodyBytes });
}

/** What a browser asks with: caches keep a copy per encoding, and the one that visitors get is the one to look at. */
export const browserHeaders: Readonly<Record<string, string>> = {
  accept: '*/*',
  'accept-encoding': 'br, gzip',
};

export function sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}

function tooLarge(url: URL): OpsError {
  return new OpsError('CDN_UNREACHABLE', `${url.href} is larger than ${mostBodyBytes / 1024 / 1024} MiB`);
}

function wordsOf(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ECONNREFUSED: 'refused the connection',
    ENOTFOUND: 'is a name that nobody knows',
    EAI_AGAIN: 'could not be looked up',
    ECONNRESET: 'cut the connection',
    CERT_HAS_EXPIRED: 'has a certificate that is over',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'has a certificate that nobody vouches for',
    ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another name',
  };
  return words[code ?? ''] ?? `could not be reached (${code ?? message})`;
}
