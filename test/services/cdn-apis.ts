import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { closed, listening } from './origin.ts';

/**
 * The purge APIs of the providers on the wire: each judges what it is sent by the rules that its provider publishes, limits
 * included, and answers a breach as the provider does. What is right is kept in `calls`.
 */
export interface CdnApi<Call> {
  url: string;
  calls: Call[];
  /** The next answers, before any judging: `{ status: 429, headers: { 'retry-after': '1' } }`. */
  faults: { status: number; headers?: Record<string, string>; body?: string }[];
  stop(): Promise<void>;
}

type Handler = (
  request: IncomingMessage,
  body: string,
) => { status: number; headers?: Record<string, string>; body: string };

function api<Call>(server: Server, scheme: string, handler: (calls: Call[]) => Handler): Promise<CdnApi<Call>> {
  const calls: Call[] = [];
  const faults: CdnApi<Call>['faults'] = [];
  const handle = handler(calls);
  server.on('request', async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const fault = faults.shift();
    const answer = fault ? { ...fault, body: fault.body ?? '' } : handle(request, body);
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body);
  });
  return listening(server).then(() => ({
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    faults,
    stop: () => closed(server),
  }));
}

export const cloudflareZone = '023e105f4ecef8ad9ca31a8372d0c353';
export const cloudflareToken = 'cf-token-7Q1x0aZ';

const cloudflareUrl = z
  .string()
  .url()
  .regex(/^https?:\/\//)
  .refine(url => !url.includes('*'), 'a * is a literal in files');
const cloudflareBody = z.union([
  z.strictObject({ files: z.array(cloudflareUrl).min(1).max(100) }),
  z.strictObject({
    tags: z
      .array(
        z
          .string()
          .min(1)
          .max(1024)
          .regex(/^[!-+\--~]+$/),
      )
      .min(1)
      .max(100),
  }),
  z.strictObject({
    hosts: z
      .array(z.string().regex(/^[a-z0-9.:-]+$/))
      .min(1)
      .max(100),
  }),
  z.strictObject({
    prefixes: z
      .array(z.string().regex(/^[a-z0-9.-]+(?::\d+)?(?:\/[^?#*]*)?$/))
      .min(1)
      .max(100),
  }),
  z.strictObject({ purge_everything: z.literal(true) }),
]);

export type CloudflareApiCall = { endpoint: string; body: z.infer<typeof cloudflareBody> };

/** https://developers.cloudflare.com/api/resources/cache/methods/purge/ and the limits of the free plan. */
export function startCloudflareApi(): Promise<CdnApi<CloudflareApiCall>> {
  const json = (status: number, value: unknown) => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(value),
  });
  const refuse = (status: number, code: number, message: string) =>
    json(status, { success: false, errors: [{ code, message }], messages: [], result: null });
  return api(createServer(), 'http', calls => (request, text) => {
    if (request.headers.authorization !== `Bearer ${cloudflareToken}`)
      return refuse(403, 10000, 'Authentication error');
    const path = /^\/zones\/([^/]+)\/(purge_cache|invalidate_cache)$/.exec(request.url ?? '');
    if (request.method !== 'POST' || !path) return refuse(404, 7000, 'No route for that URI');
    if (path[1] !== cloudflareZone)
      return refuse(404, 7003, `Could not route to /zones/${path[1]}, perhaps your object identifier is invalid?`);
    const body = cloudflareBody.safeParse(JSON.parse(text));
    if (!body.success) return refuse(400, 1094, `Invalid request body: ${body.error.issues[0]?.message}`);
    calls.push({ endpoint: path[2]!, body: body.data });
    return json(200, { success: true, errors: [], messages: [], result: { id: randomUUID().replaceAll('-', '') } });
  });
}

export interface CloudFrontApiCall {
  reference: string;
  paths: string[];
}
export const distribution = 'E2EXAMPLE1234';

/**
 * https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html: XML, an invalidation is `InProgress`
 * until it has been asked about twice; the same reference with the same paths is the same invalidation.
 */
export function startCloudFrontApi(): Promise<CdnApi<CloudFrontApiCall> & { mostOpen: () => number }> {
  interface Invalidation extends CloudFrontApiCall {
    id: string;
    polls: number;
  }
  const invalidations: Invalidation[] = [];
  let mostOpen = 0;
  const xml = (status: number, body: string) => ({
    status,
    headers: { 'content-type': 'text/xml' },
    body: `<?xml version="1.0"?>${body}`,
  });
  const refuse = (status: number, code: string, message: string) =>
    xml(
      status,
      `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
    );
  const shown = ({ id, polls, reference, paths }: Invalidation) =>
    `<Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Id>${id}</Id><Status>${polls >= 2 ? 'Completed' : 'InProgress'}</Status><CreateTime>2026-11-24T00:00:00Z</CreateTime><InvalidationBatch><Paths><Quantity>${paths.length}</Quantity><Items>${paths.map(path => `<Path>${path}</Path>`).join('')}</Items></Paths><CallerReference>${reference}</CallerReference></InvalidationBatch></Invalidation>`;
  const started = api<CloudFrontApiCall>(createServer(), 'http', calls => (request, text) => {
    if (!/^AWS4-HMAC-SHA256 Credential=/.test(request.headers.authorization ?? ''))
      return refuse(403, 'MissingAuthenticationToken', 'Missing token');
    const path = /^\/2020-05-31\/distribution\/([^/]+)\/invalidation(?:\/([^/?]+))?$/.exec(request.url ?? '');
    if (!path || path[1] !== distribution)
      return refuse(404, 'NoSuchDistribution', 'The specified distribution does not exist.');
    if (request.method === 'GET') {
      const found = invalidations.find(each => each.id === path[2]);
      if (!found) return refuse(404, 'NoSuchInvalidation', 'The specified invalidation does not exist.');
      found.polls++;
      return xml(200, shown(found));
    }
    const paths = [...text.matchAll(/<Path>([^<]*)<\/Path>/g)].map(([, each]) => each!);
    const reference = /<CallerReference>([^<]+)<\/CallerReference>/.exec(text)?.[1] ?? '';
    if (Number(/<Quantity>(\d+)<\/Quantity>/.exec(text)?.[1]) !== paths.length)
      return refuse(400, 'InconsistentQuantities', "The value of Quantity and the size of Items don't match.");
    const wrong = paths.find(
      each => !(/^\/[^*]*\*?$/.test(each) || /^#[!-+\--~]{1,256}$/.test(each)) || each.length > 4000,
    );
    if (wrong !== undefined || paths.length === 0)
      return refuse(400, 'InvalidArgument', `Your request contains one or more invalid invalidation paths: ${wrong}`);
    const same = invalidations.find(each => each.reference === reference);
    if (same) {
      if (same.paths.join() === paths.join()) return xml(201, shown(same));
      return refuse(400, 'InvalidationBatchAlreadyExists', 'The invalidation batch specified already exists.');
    }
    const open = invalidations.filter(each => each.polls < 2);
    const wildcards = [...open.flatMap(each => each.paths), ...paths].filter(each => each.endsWith('*')).length;
    const files = [...open.flatMap(each => each.paths), ...paths].length;
    if (wildcards > 15 || files > 3000)
      return refuse(
        400,
        'TooManyInvalidationsInProgress',
        'Processing your request will cause you to exceed the maximum number of in-progress wildcard invalidations.',
      );
    const made = { id: `I${randomUUID().slice(0, 12).toUpperCase()}`, polls: 0, reference, paths };
    invalidations.push(made);
    mostOpen = Math.max(mostOpen, open.length + 1);
    calls.push({ reference, paths });
    return xml(201, shown(made));
  });
  return started.then(server => ({ ...server, mostOpen: () => mostOpen }));
}

export const azureIds = {
  subscription: '00000000-1111-4222-8333-444444444444',
  group: 'platform',
  profile: 'front',
  endpoint: 'shop',
};
export const azureToken = 'azure-token-1Zq';

const azureBody = z.strictObject({
  contentPaths: z
    .array(
      z
        .string()
        .regex(/^\/(?:[^*?]*\/)?(?:\*|[^*?/]*)$/, 'a path begins with /, has no query, and * only for a folder'),
    )
    .min(1)
    .max(100),
  domains: z.array(z.string().regex(/^[a-z0-9.-]+$/)).optional(),
});
export type AzureApiCall = z.infer<typeof azureBody>;

/** ARM, a long-running operation: 202 and a place to ask. TLS, since the SDK sends a token over nothing else. */
export function startAzureApi(): Promise<CdnApi<AzureApiCall> & { caFile: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'ops-azure-'));
  const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      files.key,
      '-out',
      files.cert,
    ],
    { stdio: 'ignore' },
  );
  const server = createTlsServer({ key: readFileSync(files.key), cert: readFileSync(files.cert) });
  const json = (status: number, value: unknown, headers: Record<string, string> = {}) => ({
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: value === undefined ? '' : JSON.stringify(value),
  });
  const refuse = (status: number, code: string, message: string) => json(status, { error: { code, message } });
  let polls = 0;
  const place = `/subscriptions/${azureIds.subscription}/resourceGroups/${azureIds.group}/providers/Microsoft.Cdn/profiles/${azureIds.profile}/afdEndpoints/${azureIds.endpoint}/purge`;
  const started = api<AzureApiCall>(server as unknown as Server, 'https', calls => (request, text) => {
    if (request.headers.authorization !== `Bearer ${azureToken}`)
      return refuse(401, 'AuthenticationFailed', 'Authentication failed.');
    const address = `https://${request.headers.host}`;
    if (request.url?.startsWith('/operations/1')) {
      polls++;
      return polls < 2
        ? json(202, { status: 'InProgress' }, { location: `${address}/operations/1`, 'retry-after': '0' })
        : json(200, { status: 'Succeeded' });
    }
    const { pathname } = new URL(request.url ?? '/', address);
    if (request.method !== 'POST' || pathname !== place)
      return refuse(404, 'ResourceNotFound', 'The Resource was not found.');
    const body = azureBody.safeParse(JSON.parse(text));
    if (!body.success) return refuse(400, 'BadRequest', body.error.issues[0]?.message ?? 'bad');
    calls.push(body.data);
    polls = 0;
    return json(202, undefined, { location: `${address}/operations/1`, 'retry-after': '0' });
  });
  return started.then(made => ({ ...made, caFile: files.cert }));
}
