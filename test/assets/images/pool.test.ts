import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  createImagePool,
  type ImageOutcome,
  imageSettingsSchema,
  optimizeImage,
} from '../../../actions/lib/assets/images/index.ts';
import { createMemoryGate } from '../../../actions/lib/assets/images/memory-gate.ts';
import { photo } from './pictures.ts';

const settings = imageSettingsSchema.parse({ widths: [], formats: ['webp'], minSavingBytes: 1 });
const signal = new AbortController().signal;

describe('the pool of images', () => {
  test('gives what one thread gives, in any order, and a refused image does not stop the others', async () => {
    const files = await Promise.all(
      [1, 2, 3, 4].map(async seed => ({
        path: `${seed}.jpg`,
        bytes: await photo(160, 120, seed).jpeg({ quality: 95 }).toBuffer(),
      })),
    );
    files.splice(2, 0, { path: 'broken.jpg', bytes: files[0]!.bytes.subarray(0, 900) });
    await using pool = createImagePool({ concurrency: 2 });
    const pooled = await Promise.all(files.map(file => pool.optimize({ ...file, settings, signal })));
    const alone: ImageOutcome[] = [];
    for (const file of files) alone.push(await optimizeImage({ ...file, settings, signal }));
    expect(pooled).toEqual(alone);
    expect(pooled.map(({ kind }) => kind)).toEqual(['done', 'done', 'refused', 'done', 'done']);
    const [first] = pooled;
    expect(first?.kind === 'done' && Buffer.isBuffer(first.variants[0]?.bytes ?? first.inPlace?.bytes)).toBe(true);
  });

  test('ends what is cancelled with its reason, waiting or under way, and goes on with the rest', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    await using pool = createImagePool({ concurrency: 1 });
    const cancel = new AbortController();
    const reason = new Error('enough');
    const underWay = pool.optimize({ path: 'a.png', bytes, settings, signal: cancel.signal });
    const waiting = pool.optimize({ path: 'b.png', bytes, settings, signal: cancel.signal });
    const other = pool.optimize({ path: 'c.jpg', bytes: bytes.subarray(0, 10), settings, signal });
    cancel.abort(reason);
    expect(await Promise.allSettled([underWay, waiting])).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    expect(await other).toMatchObject({ kind: 'refused' });
    await expect(pool.optimize({ path: 'd.png', bytes, settings, signal: cancel.signal })).rejects.toBe(reason);
  });

  test('closed with work in it, it ends that work', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    const pool = createImagePool({ concurrency: 1 });
    const underWay = expect(pool.optimize({ path: 'a.png', bytes, settings, signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await pool[Symbol.asyncDispose]();
    await underWay;
  });

  test('an image that takes its process with it is one error, and the others go on', async () => {
    const bytes = await photo(800, 600).png().toBuffer();
    await using pool = createImagePool({ concurrency: 1 });
    const before = new Set(await childProcesses());
    const killed = pool.optimize({ path: 'a.png', bytes, settings, signal });
    const other = pool.optimize({ path: 'b.png', bytes, settings, signal });
    const [worker] = (await childProcesses()).filter(pid => !before.has(pid));
    process.kill(worker!, 'SIGKILL');
    await expect(killed).rejects.toMatchObject({
      code: 'IMAGE_PROCESS',
      message: 'a.png could not be worked on: it was ended by SIGKILL',
    });
    expect(await other).toMatchObject({ kind: 'done' });
  });

  test('what decodes files of strangers has no secret in its environment, and ends with the pool', async () => {
    process.env.POOL_TEST_TOKEN = 'pool-secret';
    const before = new Set(await childProcesses());
    const pool = createImagePool({ concurrency: 2 });
    await Promise.all([1, 2].map(() => pool.optimize({ path: 'a.jpg', bytes: Buffer.from('x'), settings, signal })));
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
