import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { OpsError } from '../../actions/lib/errors/index.ts';
import type { ObjectInfo, Storage } from '../../actions/lib/storage/index.ts';

export const mebibyte = 1024 * 1024;

/**
 * What every store promises, whatever it is made of.
 * @param open the store under test; called inside the tests, each of which keeps to a folder of its own
 */
export function storageContract(open: () => Storage): void {
  test('what was put is there: head tells its size and time, get gives its bytes, list shows it', async () => {
    const storage = open();
    const written = await storage.put('basic/a.txt', Buffer.from('hello'));
    expect(written).toEqual({ sizeBytes: 5 });
    const found = await storage.head('basic/a.txt');
    expect(found).toMatchObject({ key: 'basic/a.txt', sizeBytes: 5 });
    expect(Math.abs(Date.now() - found!.modifiedAt!.getTime())).toBeLessThan(60_000);
    expect(await readText(storage, 'basic/a.txt')).toBe('hello');
    expect(await keysOf(storage, 'basic/')).toEqual(['basic/a.txt']);
  });

  test('a second put replaces the first', async () => {
    const storage = open();
    await storage.put('replace/a', Buffer.from('a long first version'));
    await storage.put('replace/a', Readable.from([Buffer.from('second')]));
    expect(await readText(storage, 'replace/a')).toBe('second');
  });

  test('an empty object is an object, from bytes and from a stream', async () => {
    const storage = open();
    expect(await storage.put('empty/bytes', Buffer.alloc(0))).toEqual({ sizeBytes: 0 });
    expect(await storage.put('empty/stream', Readable.from([]))).toEqual({ sizeBytes: 0 });
    expect(await storage.head('empty/stream')).toMatchObject({ sizeBytes: 0 });
    expect(await readText(storage, 'empty/bytes')).toBe('');
    expect(await readText(storage, 'empty/stream')).toBe('');
  });

  test('what is not there: head says undefined, get says STORAGE_NOT_FOUND, list is empty, remove is fine', async () => {
    const storage = open();
    expect(await storage.head('absent/a')).toBeUndefined();
    await expect(storage.get('absent/a')).rejects.toMatchObject({ code: 'STORAGE_NOT_FOUND' });
    expect(await keysOf(storage, 'absent/')).toEqual([]);
    await storage.remove('absent/a');
  });

  test('removed is gone, and its neighbours stay', async () => {
    const storage = open();
    await storage.put('removal/sub/a', Buffer.from('a'));
    await storage.put('removal/sub/b', Buffer.from('b'));
    await storage.remove('removal/sub/a');
    expect(await keysOf(storage, 'removal/')).toEqual(['removal/sub/b']);
    await storage.remove('removal/sub/b');
    expect(await keysOf(storage, 'removal/')).toEqual([]);
    await storage.put('removal/sub/a', Buffer.from('again'));
    expect(await readText(storage, 'removal/sub/a')).toBe('again');
  });

  test('a range gives exactly its bytes, and more than there is gives what there is', async () => {
    const storage = open();
    await storage.put('range/a', Buffer.from('0123456789'));
    const range = async (start: number, end: number) =>
      (await readAll(await storage.get('range/a', { range: { start, end } }))).toString();
    expect(await range(0, 0)).toBe('0');
    expect(await range(3, 5)).toBe('345');
    expect(await range(8, 100)).toBe('89');
    expect(await readText(storage, 'range/a')).toBe('0123456789');
    await expect(storage.get('range/a', { range: { start: 10, end: 12 } })).rejects.toMatchObject({
      code: 'STORAGE_FAILED',
    });
  });

  test('a folder does not match its longer neighbours, and the order is the order of bytes', async () => {
    const storage = open();
    const keys = ['app/a', 'app/a.txt', 'app/a/b', 'app/a0', 'app_staging/x', 'app2/x'];
    // A file system cannot hold `app/a` beside `app/a/b`.
    const possible = storage.kind === 's3' ? keys : keys.filter(key => key !== 'app/a');
    for (const key of possible) await storage.put(`prefix/${key}`, Buffer.from(key));
    expect(await keysOf(storage, 'prefix/app/')).toEqual(
      possible.filter(key => key.startsWith('app/')).map(key => `prefix/${key}`),
    );
    expect(await keysOf(storage, 'prefix/app/a/')).toEqual(['prefix/app/a/b']);
    expect((await keysOf(storage, 'prefix/')).length).toBe(possible.length);
    await expect(readList(storage, 'prefix/app')).rejects.toMatchObject({ code: 'STORAGE_KEY' });
  });

  test('odd names survive: spaces, Unicode beyond 16 bits, plus, percent, entities, quotes and dashes', async () => {
    const storage = open();
    const names = [
      ...[
        ' leading',
        'trailing ',
        'a  b',
        'a+b',
        'a%20b',
        '100%',
        '-rf',
        '*',
        '[x]',
        '{y}',
        'q?x=1#f',
        '&amp;',
        "'",
        '"',
      ],
      ...['Töpferkurs', 'e\u0301', '\u{1F3FA} Krüge', '\uFF21', '0x10', '1.0', '.hidden', '~', '<b>', '$(id)', 'a:b'],
    ];
    for (const name of names) await storage.put(`odd/${name}/${name}`, Buffer.from(name));
    const expected = names
      .map(name => `odd/${name}/${name}`)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(await keysOf(storage, 'odd/')).toEqual(expected);
    for (const name of names) expect(await readText(storage, `odd/${name}/${name}`)).toBe(name);
    expect(await keysOf(storage, 'odd/[x]/')).toEqual(['odd/[x]/[x]']);
    for (const name of names) await storage.remove(`odd/${name}/${name}`);
    expect(await keysOf(storage, 'odd/')).toEqual([]);
  }, 30_000);

  test.each([
    ['nothing', ''],
    ['the root', '/'],
    ['an absolute path', '/etc/passwd'],
    ['the folder above', '../x'],
    ['a way out through a folder', 'a/../../x'],
    ['a way up at the end', 'a/..'],
    ['a dot', './a'],
    ['an empty segment', 'a//b'],
    ['a folder', 'a/'],
    ['a NUL', 'a\0b'],
    ['a line break', 'a\nb'],
    ['an FTP command', 'a\r\nDELE b'],
    ['a way out on Windows', 'a\\..\\b'],
    ['half a surrogate pair', '\ud800'],
    ['the name of an unfinished upload', '.tmp-x'],
    ['a folder named like an unfinished upload', '.tmp-x/a'],
    ['a segment of 256 bytes', 'é'.repeat(128)],
    ['a key of over 1,024 bytes', `${'x/'.repeat(600)}x`],
  ])('a key that is %s is refused by every operation', async (_fault, key) => {
    const storage = open();
    const refused = { code: 'STORAGE_KEY' };
    await expect(storage.put(key, Buffer.from('x'))).rejects.toMatchObject(refused);
    await expect(storage.get(key)).rejects.toMatchObject(refused);
    await expect(storage.head(key)).rejects.toMatchObject(refused);
    await expect(storage.remove(key)).rejects.toMatchObject(refused);
    if (key !== '') await expect(readList(storage, `${key}/`)).rejects.toMatchObject(refused);
  });

  test('a refused key stops the producer', async () => {
    const body = new PassThrough();
    await expect(open().put('../x', body)).rejects.toMatchObject({ code: 'STORAGE_KEY' });
    expect(body.destroyed).toBe(true);
  });

  test('ifAbsent creates once, then says STORAGE_EXISTS and leaves the first as it is', async () => {
    const storage = open();
    await storage.put('once/a', Buffer.from('first'), { ifAbsent: true });
    const second = storage.put('once/a', Readable.from([Buffer.from('second')]), { ifAbsent: true });
    await expect(second).rejects.toMatchObject({ code: 'STORAGE_EXISTS' });
    expect(await readText(storage, 'once/a')).toBe('first');
    expect(await keysOf(storage, 'once/')).toEqual(['once/a']);
  });

  test('of ten that create the same key at once exactly one wins, if the store says it is atomic', async () => {
    const storage = open();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        storage.put('race/a', Readable.from([Buffer.from(`writer ${i}`)]), { ifAbsent: true }),
      ),
    );
    const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [`writer ${i}`] : []));
    expect(winners).toContain(await readText(storage, 'race/a'));
    if ((await storage.capabilities()).atomicIfAbsent) expect(winners).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'STORAGE_EXISTS' });
    }
    expect(await keysOf(storage, 'race/')).toEqual(['race/a']);
  });

  test('40 MB of unknown length, in uneven chunks, come back byte for byte', async () => {
    const storage = open();
    const sent = createHash('sha256');
    const source = Readable.from(
      unevenChunks(40 * mebibyte, chunk => sent.update(chunk)),
      { objectMode: false },
    );
    expect(await storage.put('large/a', source)).toEqual({ sizeBytes: 40 * mebibyte });
    const received = createHash('sha256');
    let sizeBytes = 0;
    for await (const chunk of await storage.get('large/a')) {
      sizeBytes += chunk.length;
      received.update(chunk);
    }
    expect(sizeBytes).toBe(40 * mebibyte);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
  }, 30_000);

  test.each([
    { when: 'before the first byte', bytes: 0 },
    { when: 'after a little', bytes: 1000 },
    { when: 'far into the data', bytes: 20 * mebibyte },
  ])('a producer that fails $when leaves nothing, and its own error comes out', async ({ bytes }) => {
    const storage = open();
    const failure = new OpsError('DUMP_FAILED', 'pg_dump exited with 1');
    const source = Readable.from(failingAfter(bytes, failure), { objectMode: false });
    await expect(storage.put('failing/a', source)).rejects.toBe(failure);
    expect(await storage.head('failing/a')).toBeUndefined();
    expect(await keysOf(storage, 'failing/')).toEqual([]);
    expect(await storage.sweepAbandoned({ olderThanSeconds: -60 })).toEqual([]);
  });

  test('a producer that failed before put looked at it, or closes without an end, leaves nothing', async () => {
    const storage = open();
    const failed = new PassThrough();
    failed.on('error', () => {});
    failed.destroy(new Error('gone'));
    await setImmediate();
    await expect(storage.put('failing/b', failed)).rejects.toThrow('gone');
    const closing = new PassThrough();
    const put = storage.put('failing/b', closing);
    closing.write('half');
    closing.destroy();
    await expect(put).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect(await storage.head('failing/b')).toBeUndefined();
  });

  test('an aborted put leaves nothing, stops the producer and throws the reason', async () => {
    const storage = open();
    const abort = new AbortController();
    const source = Readable.from(failingAfter(Number.POSITIVE_INFINITY, new Error('unused')), { objectMode: false });
    const put = storage.put('aborted/a', source, { signal: abort.signal });
    setTimeout(() => abort.abort(), 100);
    await expect(put).rejects.toMatchObject({ name: 'AbortError' });
    expect(source.destroyed).toBe(true);
    expect(await keysOf(storage, 'aborted/')).toEqual([]);
  });

  test('a reader that leaves early does not block the others', async () => {
    const storage = open();
    await storage.put('early/a', randomBytes(8 * mebibyte));
    for (let i = 0; i < 5; i++) {
      const unread = await storage.get('early/a');
      unread.destroy();
      for await (const _ of await storage.get('early/a')) break;
    }
    expect((await readAll(await storage.get('early/a'))).length).toBe(8 * mebibyte);
  });

  test('an aborted get fails instead of ending', async () => {
    const storage = open();
    await storage.put('aborted-get/a', randomBytes(8 * mebibyte));
    const abort = new AbortController();
    const stream = await storage.get('aborted-get/a', { signal: abort.signal });
    const read = (async () => {
      for await (const _ of stream) abort.abort();
    })();
    await expect(read).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('eight puts at once all arrive', async () => {
    const storage = open();
    const bodies = Array.from({ length: 8 }, () => randomBytes(mebibyte));
    await Promise.all(bodies.map((body, i) => storage.put(`parallel/${i}`, Readable.from([body]))));
    for (const [i, body] of bodies.entries()) {
      expect(body.equals(await readAll(await storage.get(`parallel/${i}`)))).toBe(true);
    }
  });
}

export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function readText(storage: Storage, key: string): Promise<string> {
  return (await readAll(await storage.get(key))).toString();
}

export async function keysOf(storage: Storage, prefix: string): Promise<string[]> {
  return (await readList(storage, prefix)).map(object => object.key);
}

async function readList(storage: Storage, prefix: string): Promise<ObjectInfo[]> {
  const found: ObjectInfo[] = [];
  for await (const object of storage.list(prefix)) found.push(object);
  return found;
}

/** Chunk sizes that line up with no part size. */
export function* unevenChunks(total: number, seen: (chunk: Buffer) => void): Generator<Buffer> {
  const pool = randomBytes(300_000);
  for (let left = total, size = 1; left > 0; size = (size * 7 + 13) % 299_999) {
    const chunk = pool.subarray(0, Math.min(left, size + 1));
    seen(chunk);
    left -= chunk.length;
    yield chunk;
  }
}

/** A producer that delivers so many bytes and then fails. */
export async function* failingAfter(bytes: number, failure: Error): AsyncGenerator<Buffer> {
  const chunk = Buffer.alloc(64 * 1024, 7);
  for (let left = bytes; left > 0; left -= chunk.length) {
    await setImmediate();
    yield chunk.subarray(0, Math.min(left, chunk.length));
  }
  throw failure;
}

/** Resolves when so much was read from a stream by whoever reads it. */
export function afterBytes(source: Readable, bytes: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  source.on('data', chunk => {
    seen += chunk.length;
    if (seen >= bytes) resolve();
  });
  return Promise.resolve(source.pause()).then(() => promise);
}
