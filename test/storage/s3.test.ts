import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { inspect } from 'node:util';
import { AbortMultipartUploadCommand, CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createS3Storage, type S3Options, type Storage } from '../../actions/lib/storage/index.ts';
import { isTransient, s3Error } from '../../actions/lib/storage/s3-errors.ts';
import { planPartBytes } from '../../actions/lib/storage/s3-parts.ts';
import { type Exchange, startProxy } from '../services/proxy.ts';
import { requireService } from '../services/requirements.ts';
import { type S3Server, startS3Server } from '../services/s3.ts';
import { afterBytes, failingAfter, keysOf, mebibyte, readAll, readText, storageContract } from './contract.ts';

test.each([
  { estimate: undefined, maxParts: 10_000, parts: 16 },
  { estimate: 1, maxParts: 10_000, parts: 16 },
  { estimate: 100 * 1024, maxParts: 10_000, parts: 16 },
  { estimate: 100 * 1024, maxParts: 1_000, parts: 128 },
  { estimate: 1024 * 1024, maxParts: 10_000, parts: 132 },
  { estimate: 1024 ** 3, maxParts: 10_000, parts: 5 * 1024 },
])('an upload of about $estimate MiB in at most $maxParts parts has parts of $parts MiB', example => {
  const estimatedBytes = example.estimate === undefined ? undefined : example.estimate * mebibyte;
  expect(planPartBytes(estimatedBytes, example.maxParts)).toBe(example.parts * mebibyte);
});

test.each([
  { name: 'AccessDenied', status: 403, code: 'STORAGE_DENIED', again: false },
  { name: 'QuotaExceeded', status: 403, code: 'STORAGE_FULL', again: false },
  { name: 'XMinioStorageFull', status: 507, code: 'STORAGE_FULL', again: false },
  { name: 'SlowDown', status: 503, code: 'STORAGE_UNREACHABLE', again: true },
  { name: 'InternalError', status: 500, code: 'STORAGE_FAILED', again: true },
  { name: 'NotImplemented', status: 501, code: 'STORAGE_FAILED', again: false },
  { name: 'RequestTimeTooSkewed', status: 403, code: 'STORAGE_DENIED', again: true },
  { name: 'PermanentRedirect', status: 301, code: 'STORAGE_FAILED', again: false },
  { name: 'CredentialsProviderError', status: undefined, code: 'STORAGE_DENIED', again: false },
  { name: 'TimeoutError', status: undefined, code: 'STORAGE_UNREACHABLE', again: true },
])('$name (HTTP $status) is $code; asked again: $again', ({ name, status, code, again }) => {
  const error = Object.assign(new Error('said the store'), { name, $metadata: { httpStatusCode: status } });
  expect(s3Error(error, 'write a')).toMatchObject({ code });
  expect(isTransient(error)).toBe(again);
});

requireService('s3')('S3 storage', () => {
  let server: S3Server;
  let storage: Storage;
  beforeAll(async () => {
    server = await startS3Server();
    storage = connect({ prefix: 'shop/' });
  }, 60_000);
  afterAll(async () => {
    await storage?.close();
    await server?.stop();
  });

  function connect(options: Partial<S3Options>, of: S3Server = server): Storage {
    const { bucket, region, endpoint, accessKeyId, secretAccessKey } = of;
    return createS3Storage({ bucket, region, endpoint, credentials: { accessKeyId, secretAccessKey }, ...options });
  }

  function open(options: Partial<S3Options> = {}, of: S3Server = server): Storage {
    return closing(connect(options, of));
  }

  async function proxied(isCut: (exchange: Exchange) => boolean): Promise<Storage> {
    const proxy = await startProxy(Number(new URL(server.endpoint).port), isCut);
    onTestFinished(proxy.stop);
    return open({ prefix: 'shop/', endpoint: `http://127.0.0.1:${proxy.port}` });
  }

  storageContract(() => storage);

  test('the name tells where, and no secret', () => {
    expect(storage.name).toBe('s3:backups/shop');
    expect(open().name).toBe('s3:backups');
  });

  test('the probe finds that conditional writes are honoured, and leaves nothing', async () => {
    expect(await storage.capabilities()).toEqual({ atomicIfAbsent: true, ranges: true });
    expect(await keysOf(open({ prefix: 'shop' }), '')).not.toContainEqual(expect.stringContaining('probe'));
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60 })).toEqual([]);
  });

  test('a prefix is a folder of its own: neighbours with a longer name are not seen', async () => {
    const neighbour = open({ prefix: 'shop_staging' });
    await neighbour.put('neighbour/a', Buffer.from('x'));
    expect(await keysOf(storage, 'neighbour/')).toEqual([]);
    expect(await keysOf(open(), 'shop_staging/')).toEqual(['shop_staging/neighbour/a']);
  });

  test('1,100 objects are listed in order, page after page', async () => {
    const names = Array.from({ length: 1100 }, (_, i) => `many/${i}`);
    const left = [...names];
    const worker = async () => {
      for (let key = left.pop(); key; key = left.pop()) await storage.put(key, Buffer.from(key));
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    expect(await keysOf(storage, 'many/')).toEqual(names.sort());
  }, 30_000);

  test('ifAbsent holds for objects of several parts, also where the store ignores it there', async () => {
    const large = () => Readable.from([randomBytes(17 * mebibyte)]);
    await storage.put('once/large', large(), { ifAbsent: true });
    await expect(storage.put('once/large', large(), { ifAbsent: true })).rejects.toMatchObject({
      code: 'STORAGE_EXISTS',
    });
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60 })).toEqual([]);
  }, 20_000);

  test('more data than the parts can hold is refused, and nothing is left', async () => {
    const narrow = open({ maxParts: 2 });
    const source = Readable.from(failingAfter(Number.POSITIVE_INFINITY, new Error('unused')), { objectMode: false });
    await expect(narrow.put('narrow/a', source, { estimatedBytes: 1 })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('larger than its estimate'),
    });
    expect(source.destroyed).toBe(true);
    expect(await narrow.head('narrow/a')).toBeUndefined();
    expect(await narrow.sweepAbandoned({ olderThanSeconds: -60 })).toEqual([]);
  }, 20_000);

  test('an upload that a dead process began is swept once it is old, and only below the prefix asked for', async () => {
    const { bucket, region, endpoint, ...credentials } = server;
    const client = new S3Client({ region, endpoint, credentials, forcePathStyle: true });
    const begin = (Key: string) => client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
    await begin('shop/sets/a');
    await begin('shop/other/b');
    const foreign = await begin('elsewhere/c');
    expect(await storage.sweepAbandoned({ olderThanSeconds: 3600 })).toEqual([]);
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60, prefix: 'sets/' })).toEqual(['sets/a']);
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60 })).toEqual(['other/b']);
    const { UploadId } = foreign;
    await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key: 'elsewhere/c', UploadId })); // still there
    client.destroy();
  });

  test('a download that is cut off goes on where it stopped', async () => {
    const body = randomBytes(6 * mebibyte);
    await storage.put('resume/a', body);
    let cuts = 0;
    const through = await proxied(({ answeredBytes }) => {
      if (cuts === 3 || answeredBytes < mebibyte) return false;
      cuts++;
      return true;
    });
    expect(body.equals(await readAll(await through.get('resume/a')))).toBe(true);
    const range = { start: 1000, end: 3 * mebibyte };
    cuts = 0;
    expect(body.subarray(1000, 3 * mebibyte + 1).equals(await readAll(await through.get('resume/a', { range })))).toBe(
      true,
    );
    expect(cuts).toBeGreaterThan(0);
  });

  test('a conditional put whose answer is lost is recognised as its own, and not taken for that of another', async () => {
    let lost = 0;
    const through = await proxied(({ asked }) => asked.includes('PUT /backups/shop/lost/') && lost++ < 1);
    await through.capabilities();
    await through.put('lost/a', Buffer.from('mine'), { ifAbsent: true });
    expect(lost).toBeGreaterThan(1);
    lost = 0;
    await expect(through.put('lost/a', Buffer.from('other'), { ifAbsent: true })).rejects.toMatchObject({
      code: 'STORAGE_EXISTS',
    });
    expect(await readText(storage, 'lost/a')).toBe('mine');
  });

  test('as on AWS: credentials from the environment, and a checksum with every part', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint);
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.secretAccessKey);
    onTestFinished(() => void vi.unstubAllEnvs());
    const aws = closing(createS3Storage({ bucket: server.bucket, region: server.region, forcePathStyle: true }));
    const body = randomBytes(20 * mebibyte);
    await aws.put('aws/a', Readable.from([body]));
    expect(body.equals(await readAll(await aws.get('aws/a')))).toBe(true);
  });

  test.each([
    { fault: 'a wrong secret key', credentials: { accessKeyId: 'ask', secretAccessKey: 'wrong-secret-value' } },
    {
      fault: 'an unknown access key',
      credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'wrong-secret-value' },
    },
  ])('$fault says STORAGE_DENIED in every operation, without the secret', async ({ credentials }) => {
    const accessKeyId = credentials.accessKeyId === 'ask' ? server.accessKeyId : credentials.accessKeyId;
    const denied = open({ credentials: { ...credentials, accessKeyId } });
    const body = new PassThrough();
    body.end('x');
    for (const work of [
      () => denied.put('a', body),
      () => denied.put('a', Buffer.from('x'), { ifAbsent: true }),
      () => denied.get('a'),
      () => denied.head('a'),
      () => keysOf(denied, ''),
      () => denied.remove('a'),
      () => denied.capabilities(),
      () => denied.sweepAbandoned({ olderThanSeconds: 0 }),
    ]) {
      const error = await work().then(
        () => undefined,
        error => error,
      );
      expect(error).toMatchObject({ code: 'STORAGE_DENIED', hint: expect.any(String) });
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('wrong-secret-value');
    }
  });

  test('a bucket that does not exist is not mistaken for an object that does not', async () => {
    const nowhere = open({ bucket: 'nowhere' });
    await expect(nowhere.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    await expect(nowhere.get('a')).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
      message: expect.stringContaining('NoSuchBucket'),
    });
  });

  test('a server that dies during an upload says STORAGE_UNREACHABLE and stops the producer', async () => {
    const dying = await startS3Server();
    onTestFinished(dying.stop);
    const lost = open({}, dying);
    const source = Readable.from(failingAfter(Number.POSITIVE_INFINITY, new Error('unused')), { objectMode: false });
    void afterBytes(source, 40 * mebibyte).then(() => dying.kill());
    await expect(lost.put('a', source)).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' });
    expect(source.destroyed).toBe(true);
    await expect(lost.head('a')).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' });
  }, 40_000);

  test('a server that goes silent is given up after the timeout, for reading and for writing', async () => {
    const quick = open({ timeoutSeconds: 1 });
    await quick.put('silent/a', randomBytes(8 * mebibyte));
    const stream = await quick.get('silent/a');
    server.freeze(true);
    try {
      const outcomes = await Promise.allSettled([readAll(stream), quick.put('silent/b', Buffer.from('x'))]);
      const unreachable = { status: 'rejected', reason: { code: 'STORAGE_UNREACHABLE' } };
      expect(outcomes).toMatchObject([unreachable, unreachable]);
    } finally {
      server.freeze(false);
    }
    expect((await readAll(await quick.get('silent/a'))).length).toBe(8 * mebibyte);
  }, 40_000);
});

function closing(storage: Storage): Storage {
  onTestFinished(() => storage.close());
  return storage;
}
