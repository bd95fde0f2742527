import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { inspect } from 'node:util';
import { FTPError } from 'basic-ftp';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseFtpUrl } from '../../actions/lib/storage/ftp-address.ts';
import { ftpError } from '../../actions/lib/storage/ftp-errors.ts';
import { createFtpStorage, type FtpOptions, type Storage } from '../../actions/lib/storage/index.ts';
import { type FtpServer, type FtpServerOptions, startFtpServer } from '../services/ftp.ts';
import { type Exchange, startProxy } from '../services/proxy.ts';
import { requireService } from '../services/requirements.ts';
import { afterBytes, failingAfter, keysOf, mebibyte, readAll, readText, storageContract } from './contract.ts';
import { mountTmpfs } from './tmpfs.ts';

describe('the address of an FTP server', () => {
  test.each([
    ['ftp://u:p@h', { host: 'h', port: 21, user: 'u', password: 'p', secure: false, path: '' }],
    ['ftps://u:p@h:990/', { host: 'h', port: 990, user: 'u', password: 'p', secure: true, path: '' }],
    ['ftp://a%40b:p%2F%25%3A@h/x%20y/z/', { host: 'h', port: 21, user: 'a@b', password: 'p/%:', path: 'x y/z' }],
    ['ftp://u:p@h//srv/backups', { path: '/srv/backups' }],
    ['ftp://u:p@h//', { path: '/' }],
    ['ftps://u:p@[::1]:2121/x', { host: '::1', port: 2121, path: 'x' }],
    ['ftp://h/x', { user: 'anonymous' }],
  ])('%s is read', (url, address) => {
    expect(parseFtpUrl(url)).toMatchObject(address);
  });

  test.each([
    ['', 'not of the form'],
    ['http://u:hush-hush@h/', 'not of the form'],
    ['u:hush-hush@h/x', 'not of the form'],
    ['ftp://u:hush-hush%@h/', 'percent'],
    ['ftp://u:hush-hush@h/a%0d%0aDELE%20b', 'path'],
    ['ftps://u:hush-hush@h/a/%2e%2e%2f%2e%2e/b', 'path'],
  ])('%s is refused without repeating the password', (url, fault) => {
    const open = () => createFtpStorage({ url });
    expect(open).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(fault) }));
    expect(open).not.toThrow(/hush-hush/);
  });
});

describe('the answer of an FTP server', () => {
  test.each([
    [530, 'Login incorrect', 'STORAGE_DENIED'],
    [550, 'Permission denied', 'STORAGE_DENIED'],
    [550, 'reports/permission denied.txt: No such file or directory', 'STORAGE_NOT_FOUND'],
    [553, 'Could not create file', 'STORAGE_DENIED'],
    [552, 'Exceeded storage allocation', 'STORAGE_FULL'],
    [452, 'Insufficient storage', 'STORAGE_FULL'],
    [451, 'No space left on device', 'STORAGE_FULL'],
    [421, 'Too many connections', 'STORAGE_UNREACHABLE'],
    [500, 'Unknown command', 'STORAGE_FAILED'],
  ])('%i %s is %s', (code, message, expected) => {
    expect(ftpError(new FTPError({ code, message: `${code} ${message}` }), 'write a', 'hush-hush').code).toBe(expected);
  });

  test('that repeats the password is shown without it', () => {
    const reply = new FTPError({ code: 530, message: '530 PASS hush-hush refused' });
    expect(ftpError(reply, 'write a', 'hush-hush').message).toBe('Could not write a: 530 PASS *** refused');
  });
});

requireService('ftp')('FTP storage', () => {
  let server: FtpServer;
  let storage: Storage;
  beforeAll(async () => {
    server = await startFtpServer();
    storage = createFtpStorage({ url: `${server.url}back%20ups/shop` });
  });
  afterAll(async () => {
    await storage?.close();
    await server?.stop();
  });

  function open(options: Partial<FtpOptions> = {}): Storage {
    return closing(createFtpStorage({ url: server.url, ...options }));
  }

  async function serve(options: FtpServerOptions = {}): Promise<FtpServer> {
    const own = await startFtpServer(options);
    onTestFinished(own.stop);
    return own;
  }

  async function proxied(path: string, isCut: (exchange: Exchange) => boolean = () => false) {
    const proxy = await startProxy(Number(new URL(server.url).port), isCut);
    onTestFinished(proxy.stop);
    return { through: open({ url: server.url.replace(/:\d+\//, `:${proxy.port}/`) + path }), cutAll: proxy.cutAll };
  }

  storageContract(() => storage);

  test('the name tells where, and no secret', () => {
    expect(storage.name).toMatch(/^ftp:127\.0\.0\.1:\d+\/back ups\/shop$/);
  });

  test('it says that it cannot refuse atomically', async () => {
    expect(await storage.capabilities()).toEqual({ atomicIfAbsent: false, ranges: true });
  });

  test('keys are paths below the folder of the URL', async () => {
    await storage.put('sets/a', Buffer.from('x'));
    expect(await readFile(join(server.folder, 'back ups/shop/sets/a'), 'utf8')).toBe('x');
    const parent = open();
    expect(await keysOf(parent, 'back ups/shop/sets/')).toEqual(['back ups/shop/sets/a']);
  });

  test('an unfinished upload is never listed, and swept once it is old', async () => {
    const folder = join(server.folder, 'back ups/shop/sweep');
    await mkdir(folder, { recursive: true });
    for (const [name, age] of [
      ['.tmp-old', 7200],
      ['.tmp-young', 60],
    ] as const) {
      await writeFile(join(folder, name), 'half');
      await utimes(join(folder, name), Date.now() / 1000 - age, Date.now() / 1000 - age);
    }
    expect(await keysOf(storage, 'sweep/')).toEqual([]);
    expect(await storage.sweepAbandoned({ olderThanSeconds: 3600 })).toEqual(['sweep/.tmp-old']);
    expect(await readdir(folder)).toEqual(['.tmp-young']);
    await rm(folder, { recursive: true });
  });

  test('a wrong password says STORAGE_DENIED in every operation, without the password', async () => {
    const denied = open({ url: server.url.replace(encodeURIComponent(server.password), 'wrong-secret-value') });
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
    expect(body.destroyed).toBe(true);
  }, 20_000);

  test('a user who may only read says STORAGE_DENIED', async () => {
    const readOnly = await serve({ readOnly: true });
    const reader = open({ url: readOnly.url });
    await expect(reader.put('a/b', Buffer.from('x'))).rejects.toMatchObject({ code: 'STORAGE_DENIED' });
    await writeFile(join(readOnly.folder, 'there'), 'kept');
    await expect(reader.remove('there')).rejects.toMatchObject({ code: 'STORAGE_DENIED' });
    expect(await readText(reader, 'there')).toBe('kept');
  });

  test('a server without space says so, and nothing is left', async context => {
    const small = await serve({ folder: await mountTmpfs(context, 'size=2m') });
    const full = open({ url: small.url });
    const source = Readable.from(failingAfter(64 * mebibyte, new Error('unused')), { objectMode: false });
    // The server says so on one connection and closes the other: whichever the client hears first.
    await expect(full.put('big', source)).rejects.toMatchObject({
      code: expect.stringMatching(/^STORAGE_(FULL|FAILED)$/),
      hint: expect.stringContaining('space'),
    });
    expect(source.destroyed).toBe(true);
    expect(await readdir(small.folder)).toEqual([]);
  });

  test('what is small does not wait for uploads that last', async () => {
    const storage = open();
    const lasting = Array.from({ length: 4 }, () => new PassThrough());
    const puts = lasting.map((body, i) => storage.put(`lasting/${i}`, body));
    for (const body of lasting) body.write(randomBytes(mebibyte));
    await vi.waitFor(async () => expect((await readdir(join(server.folder, 'lasting'))).length).toBeGreaterThan(1));
    // As a run does that says it is alive.
    await storage.put('lasting/alive', Buffer.from('yes'));
    expect(await storage.head('lasting/alive')).toMatchObject({ sizeBytes: 3 });
    await storage.remove('lasting/alive');
    for (const body of lasting) body.end();
    expect(await Promise.all(puts)).toEqual(lasting.map(() => ({ sizeBytes: mebibyte })));
  });

  test('connections that were cut while idle are replaced', async () => {
    const { through, cutAll } = await proxied('');
    await through.put('idle/a', Readable.from([Buffer.from('first')]));
    cutAll();
    await through.put('idle/b', Readable.from([Buffer.from('second')]));
    cutAll();
    expect(await readText(through, 'idle/b')).toBe('second');
  });

  test.each(['RNTO', 'SIZE', 'EPSV'])('an answer to %s that is lost does not lose the object', async command => {
    let lost = 0;
    const { through } = await proxied('', ({ asked }) => lastCommand(asked) === command && lost++ < 1);
    await through.put(`lost/${command}`, Readable.from([Buffer.from('whole')]));
    expect(lost).toBeGreaterThan(0);
    expect(await readdir(join(server.folder, 'lost'))).toEqual([command]);
    expect(await readFile(join(server.folder, 'lost', command), 'utf8')).toBe('whole');
    await rm(join(server.folder, 'lost'), { recursive: true });
  });

  test('a control connection that breaks during a download fails the stream instead of ending it', async () => {
    await storage.put('broken/a', randomBytes(30 * mebibyte));
    const { through, cutAll } = await proxied('back%20ups/shop');
    const stream = await through.get('broken/a');
    const read = (async () => {
      for await (const _ of stream) cutAll();
    })();
    await expect(read).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' });
  });

  test('a server that dies during an upload says STORAGE_UNREACHABLE and stops the producer', async () => {
    const dying = await serve();
    const lost = open({ url: dying.url });
    const source = Readable.from(failingAfter(Number.POSITIVE_INFINITY, new Error('unused')), { objectMode: false });
    void afterBytes(source, 20 * mebibyte).then(() => dying.kill());
    await expect(lost.put('a', source)).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' });
    expect(source.destroyed).toBe(true);
    await expect(lost.head('a')).rejects.toMatchObject({ code: 'STORAGE_UNREACHABLE' });
  }, 20_000);

  test('a server that goes silent is given up after the timeout, for reading and for writing', async () => {
    const quick = open({ timeoutSeconds: 1 });
    await quick.put('silent/a', randomBytes(30 * mebibyte));
    const stream = await quick.get('silent/a');
    const source = Readable.from(failingAfter(Number.POSITIVE_INFINITY, new Error('unused')), { objectMode: false });
    const begun = afterBytes(source, mebibyte);
    const put = quick.put('silent/b', source);
    put.catch(() => {});
    await begun;
    server.freeze(true);
    try {
      const unreachable = { status: 'rejected', reason: { code: 'STORAGE_UNREACHABLE' } };
      expect(await Promise.allSettled([put, readAll(stream), quick.head('silent/a')])).toMatchObject([
        unreachable,
        unreachable,
        unreachable,
      ]);
    } finally {
      server.freeze(false);
    }
    expect((await readAll(await quick.get('silent/a'))).length).toBe(30 * mebibyte);
  }, 40_000);
});

requireService('ftp')('FTPS storage', () => {
  let server: FtpServer;
  let storage: Storage;
  beforeAll(async () => {
    server = await startFtpServer({ tls: true });
    storage = createFtpStorage({ url: server.url, ca: server.ca });
  });
  afterAll(async () => {
    await storage?.close();
    await server?.stop();
  });

  storageContract(() => storage);

  test('a certificate that nobody vouches for is refused, before the password is sent', async () => {
    const trusting = closing(createFtpStorage({ url: server.url }));
    await expect(trusting.head('a')).rejects.toMatchObject({
      code: 'STORAGE_UNREACHABLE',
      hint: expect.stringContaining('certificate'),
    });
  });

  test('a server that insists on TLS refuses ftp://, and the error says what to write', async () => {
    const plain = closing(createFtpStorage({ url: server.url.replace('ftps:', 'ftp:') }));
    await expect(plain.head('a')).rejects.toMatchObject({
      code: 'STORAGE_DENIED',
      hint: expect.stringContaining('ftps://'),
    });
  });
});

function closing(storage: Storage): Storage {
  onTestFinished(() => storage.close());
  return storage;
}

function lastCommand(asked: string): string | undefined {
  return asked.trimEnd().split('\r\n').at(-1)?.split(' ')[0];
}
