import { createServer, type Server } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createGitHub, type GitHub, listFolder, readText } from '../../actions/lib/github/index.ts';
import { silentLog } from '../../actions/lib/log/index.ts';

/** As the contents API answers: up to 1 MB with the content, above without, and then by the blob alone. */
const files: Record<string, string> = {};
const largeBytes = 1_000_000;
let asked: string[] = [];
let server: Server;
let github: GitHub;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
    asked.push(`${pathname}${searchParams.get('ref') ? ` of ${searchParams.get('ref')}` : ''}`);
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const contents = /^\/repos\/acme\/shop\/contents\/(.+)$/.exec(pathname)?.[1];
    const blob = /^\/repos\/acme\/shop\/git\/blobs\/(.+)$/.exec(pathname)?.[1];
    const text = files[contents ?? blob?.replace('sha-of-', '') ?? ''];
    if (text === undefined) return answer(404, { message: 'Not Found' });
    const encoded = { encoding: 'base64', content: Buffer.from(text).toString('base64') };
    if (blob !== undefined) return answer(200, encoded);
    const isLarge = Buffer.byteLength(text) > largeBytes;
    return answer(200, {
      type: 'file',
      sha: `sha-of-${contents}`,
      ...(isLarge ? { encoding: 'none', content: '' } : encoded),
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  github = createGitHub({
    token: 'ghs_test',
    repository: 'acme/shop',
    apiUrl: `http://127.0.0.1:${port}`,
    log: silentLog,
    signal: new AbortController().signal,
  });
});
afterEach(() => void server.close());

test('a file is one request, of the branch that is named', async () => {
  files.small = 'é';
  expect(await readText(github, 'small', 'ops-data')).toBe('é');
  expect(asked).toEqual(['/repos/acme/shop/contents/small of ops-data']);
});

test('one above 1 MB, which comes without its content, is read all the same', async () => {
  files.large = `é${'x'.repeat(1_200_000)}`;
  expect(await readText(github, 'large', undefined)).toBe(files.large);
  expect(asked).toEqual(['/repos/acme/shop/contents/large', '/repos/acme/shop/git/blobs/sha-of-large']);
});

test('what is not there is nothing, and no error', async () => {
  expect(await readText(github, 'gone', undefined)).toBeUndefined();
  expect(await listFolder(github, 'gone', undefined)).toEqual([]);
});
