import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blobPath, type StoredBlob } from '../../../actions/lib/assets/blobs.ts';
import {
  createImagePool,
  type ImageOutcome,
  imageSettingsSchema,
  optimizeImage,
  type StoredOutcome,
} from '../../../actions/lib/assets/images/index.ts';
import { createMemoryGate } from '../../../actions/lib/assets/images/memory-gate.ts';
import { sha256Of } from '../../../actions/lib/assets/sha256.ts';
import { photo } from './pictures.ts';

const settings = imageSettingsSchema.parse({ widths: [], formats: ['webp'], minSavingBytes: 1 });
const signal = new AbortController().signal;

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-pool-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** As the engine asks for it: by where it is and what is to be there. */
async function request(path: string, bytes: Uint8Array, cancel = signal) {
  const file = join(folder, String(++files));
  await writeFile(file, bytes);
  return { path, file, sha256: sha256Of(bytes), settings, signal: cancel };
}

/** With what is in the cache in the place of its hash. */
async function withBytes(outcome: StoredOutcome): Promise<ImageOutcome> {
  if (outcome.kind === 'refused') return outcome;
  const read = async <Made extends { bytes: StoredBlob }>(made: Made) => {
    const bytes = await readFile(blobPath(folder, made.bytes.sha256));
    expect(bytes.length).toBe(made.bytes.bytes);
    return { ...made, bytes };
  };
  const { inPlace, variants, ...rest } = outcome;
  return { ...rest, ...(inPlace && { inPlace: await read(inPlace) }), variants: await Promise.all(variants.map(read)) };
}

describe('the pool of images', () => {
  test('gives what one thread gives, in any order, and a refused image does not stop the others', async () => {
    const images = await Promise.all(
      [1, 2, 3, 4].map(async seed => ({
        path: `${seed}.jpg`,
        bytes: await photo(160, 120, seed).jpeg({ quality: 95 }).toBuffer(),
      })),
    );
    images.splice(2, 0, { path: 'broken.jpg', bytes: images[0]!.bytes.subarray(0, 900) });
    await using pool = createImagePool({ cacheFolder: folder, concurrency: 2 });
    const requests = await Promise.all(images.map(({ path, bytes }) => request(path, bytes)));
    const pooled = await Promise.all(requests.map(each => pool.optimize(each)));
    const alone: ImageOutcome[] = [];
    for (const image of images) alone.push(await optimizeImage({ ...image, settings, signal }));
    expect(await Promise.all(pooled.map(withBytes))).toEqual(alone);
    expect(pooled.map(({ kind }) => kind)).toEqual(['done', 'done', 'refused', 'done', 'done']);
    const [first] = alone;
    expect(first?.kind === 'done' && Buffer.isBuffer(first.variants[0]?.bytes ?? first.inPlace?.bytes)).toBe(true);
  });

  test('what cannot be kept says where', async () => {
    const noFolder = join(folder, 'no-folder');
    await writeFile(noFolder, '');
    await using pool = createImagePool({ cacheFolder: noFolder, concurrency: 1 });
    const photograph = await photo(160, 120).jpeg({ quality: 95 }).toBuffer();
    await expect(pool.optimize(await request('a.jpg', photograph))).rejects.toMatchObject({
      code: 'ASSETS_CACHE',
      message: expect.stringContaining(`The cache ${noFolder} cannot be written`),
      hint: expect.stringContaining('assets.cache.path'),
    });
  });

  test('ends what is cancelled with its reason, waiting or under way, and goes on with the rest', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    await using pool = createImagePool({ cacheFolder: folder, concurrency: 1 });
    const cancel = new AbortController();
    const reason = new Error('enough');
    const [a, b, c, d] = await Promise.all([
      request('a.png', bytes, cancel.signal),
      request('b.png', bytes, cancel.signal),
      request('c.jpg', bytes.subarray(0, 10)),
      request('d.png', bytes, cancel.signal),
    ]);
    const underWay = pool.optimize(a);
    const waiting = pool.optimize(b);
    const other = pool.optimize(c);
    cancel.abort(reason);
    expect(await Promise.allSettled([underWay, waiting])).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    expect(await other).toMatchObject({ kind: 'refused' });
    await expect(pool.optimize(d)).rejects.toBe(reason);
  });

  test('closed with work in it, it ends that work', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    const a = await request('a.png', bytes);
    const pool = createImagePool({ cacheFolder: folder, concurrency: 1 });
    const underWay = expect(pool.optimize(a)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await pool[Symbol.asyncDispose]();
    await underWay;
  });

  test('an image that takes its process with it is one error, and the others go on', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    await using pool = createImagePool({ cacheFolder: folder, concurrency: 1 });
    const before = new Set(await childProcesses());
    const [a, b] = [await request('a.png', bytes), await request('b.png', bytes)];
    const killed = pool.optimize(a);
    const other = pool.optimize(b);
    const [worker] = (await childProcesses()).filter(pid => !before.has(pid));
    process.kill(worker!, 'SIGKILL');
    await expect(killed).rejects.toMatchObject({
      code: 'IMAGE_PROCESS',
      message: 'a.png could not be worked on: it was ended by SIGKILL',
    });
    expect(await other).toMatchObject({ kind: 'done' });
  });

  test('a file that changed since it was looked at is not worked on', async () => {
    const was = await request('a.png', await photo(160, 120).png().toBuffer());
    await writeFile(was.file, await photo(160, 120, 2).png().toBuffer());
    await using pool = createImagePool({ cacheFolder: folder, concurrency: 1 });
    await expect(pool.optimize(was)).rejects.toMatchObject({
      code: 'IMAGE_PROCESS',
      message: 'a.png could not be worked on: it changed meanwhile',
    });
  });

  test('what decodes files of strangers has no secret in its environment, and ends with the pool', async () => {
    process.env.POOL_TEST_TOKEN = 'pool-secret';
    const before = new Set(await childProcesses());
    const pool = createImagePool({ cacheFolder: folder, concurrency: 2 });
    await Promise.all([1, 2].map(async () => pool.optimize(await request('a.jpg', Buffer.from('x')))));
    const workers = (await childProcesses()).filter(pid => !before.has(pid));
    expect(workers).toHaveLength(2);
    for (const pid of workers) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
      expect(environment).toContain('MALLOC_ARENA_MAX=1');
      expect(environment).not.toContain('pool-secret');
    }
    await pool[Symbol.asyncDispose]();
    const left = await childProcesses();
    expect(workers.filter(pid => left.includes(pid))).toEqual([]);
  });
});

describe('the bound of memory', () => {
  const gateOf = (totalBytes: number) => {
    const gate = createMemoryGate(totalBytes);
    const events: string[] = [];
    const take = (name: string, bytes: number) =>
      gate.hold(bytes).then(release => {
        events.push(name);
        return release;
      });
    return { events, take };
  };

  test('lets in as much as there is, and what is larger than all of it alone', async () => {
    const { events, take } = gateOf(100);
    const releaseA = await take('a', 60);
    const b = take('b', 60);
    const releaseC = await take('c', 30);
    const huge = take('huge', 1000);
    const d = take('d', 20);
    await Promise.resolve();
    expect(events).toEqual(['a', 'c']);
    releaseA();
    releaseA();
    const [releaseB] = [await b];
    releaseC();
    const releaseD = await d;
    expect(events).toEqual(['a', 'c', 'b', 'd']);
    releaseB();
    await Promise.resolve();
    expect(events).toEqual(['a', 'c', 'b', 'd']);
    releaseD();
    (await huge)();
    expect(events).toEqual(['a', 'c', 'b', 'd', 'huge']);
  });

  test('what is kept counts without waiting, and leaves the last step of all a way on', async () => {
    const gate = createMemoryGate(100);
    const events: string[] = [];
    const take = (name: string, bytes: number) =>
      gate.hold(bytes).then(release => {
        events.push(name);
        return release;
      });
    const [forgetA, forgetB] = [gate.keep(70), gate.keep(70)];
    const releaseA = await take('a', 20);
    const b = take('b', 20);
    forgetA();
    await Promise.resolve();
    expect(events).toEqual(['a']);
    forgetB();
    forgetB();
    const releaseB = await b;
    const c = take('c', 70);
    await Promise.resolve();
    expect(events).toEqual(['a', 'b']);
    releaseA();
    releaseB();
    (await c)();
    expect(events).toEqual(['a', 'b', 'c']);
  });

  test('what needs much is overtaken a few times, and not for ever', async () => {
    const { events, take } = gateOf(100);
    const releaseFirst = await take('first', 60);
    const large = take('large', 60);
    const small = Array.from({ length: 12 }, () => take('small', 1));
    await Promise.all(small.slice(0, 8));
    expect(events).toEqual(['first', ...Array(8).fill('small')]);
    releaseFirst();
    await Promise.all([large, ...small]);
    expect(events).toEqual(['first', ...Array(8).fill('small'), 'large', ...Array(4).fill('small')]);
  });
});

async function childProcesses(): Promise<number[]> {
  const threads = await readdir('/proc/self/task');
  const lists = await Promise.all(
    threads.map(thread => readFile(`/proc/self/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap(list => list.split(' ').filter(Boolean).map(Number));
}
