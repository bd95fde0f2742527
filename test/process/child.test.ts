import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { startChild } from '../../actions/lib/process/index.ts';

const errorCode = 'PROGRAM_FAILED';
const shell = (script: string) => ({ command: '/bin/sh', args: ['-c', script], errorCode, name: 'the script' });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'child-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Reads a stream to its end or its failure, and says which it was. */
async function readAll(stream: Readable): Promise<{ bytes: number; ended: boolean; error?: unknown }> {
  let bytes = 0;
  let ended = false;
  stream.on('end', () => {
    ended = true;
  });
  try {
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    return { bytes, ended };
  } catch (error) {
    return { bytes, ended, error };
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the end of stdout', () => {
  test('comes when the program has ended well', async () => {
    const child = startChild(shell('printf hello'));
    expect(await readAll(child.stdout)).toEqual({ bytes: 5, ended: true });
    expect(await child.done).toEqual({ exitCode: 0, stderr: '' });
  });

  test('never comes when the program printed everything and then failed', async () => {
    const child = startChild(shell('printf complete; echo "error: the disk went away" >&2; exit 1'));
    const read = await readAll(child.stdout);
    expect(read).toMatchObject({ ended: false, error: { code: errorCode } });
    expect((read.error as OpsError).message).toBe('the script failed with exit code 1: error: the disk went away');
    await expect(child.done).rejects.toBe(read.error);
  });

  test('never reaches a consumer down the pipeline either', async () => {
    const child = startChild(shell('printf complete; exit 1'));
    let finished = false;
    const store = new Writable({
      write: (_chunk, _encoding, callback) => callback(),
      final(callback) {
        finished = true;
        callback();
      },
    });
    await expect(pipeline(child.stdout, store)).rejects.toMatchObject({ code: errorCode });
    expect(finished).toBe(false);
  });

  test('waits for the exit when stdout was closed long before it', async () => {
    // The program closes its output at once and fails when the test lets it.
    const child = startChild(shell('printf part; exec >&-; echo closed >&2; read -r _; exit 3'));
    const reading = readAll(child.stdout);
    await vi.waitFor(() => expect(child.stderrTail()).toBe('closed'));
    expect(child.stdout.readableEnded).toBe(false);
    child.stdin.end('go\n');
    expect(await reading).toMatchObject({ bytes: 4, ended: false, error: { code: errorCode } });
  });

  test('comes for another exit code that was declared fine', async () => {
    const child = startChild({ ...shell('printf hello; exit 1'), okExitCodes: [0, 1] });
    expect(await readAll(child.stdout)).toEqual({ bytes: 5, ended: true });
    expect((await child.done).exitCode).toBe(1);
  });

  test('is a failure that names the signal when the program was killed', async () => {
    const child = startChild(shell('kill -KILL $$'));
    await expect(child.done).rejects.toMatchObject({
      message: 'the script was ended by SIGKILL',
      hint: expect.stringContaining('out of memory'),
    });
  });
});

describe('large binary output', () => {
  test('arrives byte for byte', async () => {
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    const file = join(folder, 'large');
    await writeFile(file, bytes);
    const child = startChild({ command: 'cat', args: [file], errorCode });
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('waits for a slow reader instead of filling memory', async () => {
    const child = startChild({ command: 'head', args: ['-c', String(64 * 1024 * 1024), '/dev/zero'], errorCode });
    await once(child.stdout, 'readable');
    // Nobody reads: what is buffered must stop growing far below what the program has to say.
    let before = -1;
    await vi.waitFor(() => {
      const now = child.stdout.readableLength;
      const isSteady = now === before;
      before = now;
      expect(isSteady).toBe(true);
    });
    expect(child.stdout.readableLength).toBeLessThan(2 * 1024 * 1024);
    const read = await readAll(child.stdout);
    expect(read).toEqual({ bytes: 64 * 1024 * 1024, ended: true });
  });
});

describe('stdin', () => {
  test('carries bytes through and back', async () => {
    const bytes = randomBytes(1024 * 1024);
    const child = startChild({ command: 'cat', args: [], errorCode });
    const chunks: Buffer[] = [];
    const reading = (async () => {
      for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
    })();
    await pipeline(Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]), child.stdin);
    await reading;
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('fails with the words of the program that went away, not with EPIPE', async () => {
    const child = startChild(shell('echo "error: no space" >&2; exit 2'));
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(64 * 1024);
      })(),
    );
    await expect(pipeline(endless, child.stdin)).rejects.toMatchObject({
      code: errorCode,
      message: 'the script failed with exit code 2: error: no space',
    });
  });

  test('fails when a program ends well without reading all of it', async () => {
    const child = startChild(shell('exit 0'));
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(64 * 1024);
      })(),
    );
    await expect(pipeline(endless, child.stdin)).rejects.toMatchObject({
      message: 'the script stopped reading before the end of its input',
    });
  });

  test('that breaks off kills the program, which must not take the part for the whole', async () => {
    const marker = join(folder, 'took-it-for-whole');
    const child = startChild({ ...shell('cat >/dev/null && : >"$MARKER"'), env: { MARKER: marker } });
    const broken = Readable.from(
      (function* () {
        yield Buffer.from('half');
        throw new OpsError('STORAGE_GONE', 'The storage went away');
      })(),
    );
    await expect(pipeline(broken, child.stdin)).rejects.toMatchObject({ code: 'STORAGE_GONE' });
    await expect(child.done).rejects.toMatchObject({ code: 'STORAGE_GONE' });
    await expect(readFile(marker)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('stopping', () => {
  test('an abort ends the program and is reported as a cancelled run', async () => {
    const controller = new AbortController();
    const child = startChild({ ...shell('echo $$; exec sleep 600'), signal: controller.signal });
    const [first] = (await once(child.stdout, 'data')) as [Buffer];
    const pid = Number(first.toString());
    expect(isAlive(pid)).toBe(true);
    controller.abort();
    await expect(child.done).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(isAlive(pid)).toBe(false);
  });

  test('an abort carries its own reason where that is one of ours', async () => {
    const controller = new AbortController();
    const child = startChild({ ...shell('exec sleep 600'), signal: controller.signal });
    const reason = new OpsError('BACKUP_FAILED', 'Another table failed first');
    controller.abort(reason);
    await expect(child.done).rejects.toBe(reason);
  });

  test('an abort from before the start starts nothing', async () => {
    const marker = join(folder, 'was-started');
    const child = startChild({ ...shell(': >"$MARKER"'), env: { MARKER: marker }, signal: AbortSignal.abort() });
    await expect(child.done).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(readFile(marker)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a program that ignores SIGTERM is killed five seconds later', async () => {
    const child = startChild(shell('trap "" TERM; echo deaf; while :; do read -r _ </dev/zero; done'));
    await once(child.stdout, 'data');
    const startedAt = performance.now();
    child.kill();
    await expect(child.done).rejects.toMatchObject({ code: errorCode });
    expect(performance.now() - startedAt).toBeGreaterThan(4_900);
  }, 20_000);

  test('a grandchild that keeps the pipes does not hold us up', async () => {
    const child = startChild(shell('sleep 600 & echo $!; wait'));
    const [first] = (await once(child.stdout, 'data')) as [Buffer];
    try {
      child.kill();
      await expect(child.done).rejects.toMatchObject({ code: errorCode });
    } finally {
      process.kill(Number(first.toString()), 'SIGKILL');
    }
  });

  test('the time limit is named', async () => {
    const child = startChild({ ...shell('exec sleep 600'), timeoutMs: 50 });
    await expect(child.done).rejects.toMatchObject({
      code: errorCode,
      message: 'the script did not finish within 0.1 s and was stopped',
    });
  });

  test('a reader that leaves early ends the program', async () => {
    const child = startChild({ command: 'cat', args: ['/dev/zero'], errorCode });
    for await (const _chunk of child.stdout) break;
    await expect(child.done).rejects.toMatchObject({ message: expect.stringContaining('no longer read') });
  });
});

describe('what cannot start', () => {
  test('a missing program is named', async () => {
    const child = startChild({ command: 'no-such-program-here', args: [], errorCode });
    const read = await readAll(child.stdout);
    expect(read.error).toMatchObject({
      code: errorCode,
      message: 'The program no-such-program-here is missing on this machine',
    });
  });

  test('a missing working folder is not mistaken for a missing program', async () => {
    const child = startChild({ ...shell('true'), cwd: join(folder, 'nowhere') });
    await expect(child.done).rejects.toMatchObject({ message: expect.stringContaining('nowhere does not exist') });
  });

  test('a file that is no program is said to be one', async () => {
    const file = join(folder, 'plain');
    await writeFile(file, 'text', { mode: 0o644 });
    const child = startChild({ command: file, args: [], errorCode });
    await expect(child.done).rejects.toMatchObject({ message: expect.stringContaining('may not be executed') });
  });
});

test('stderr keeps its last 8 KiB, however much there is', async () => {
  const child = startChild(shell('seq 1 100000 >&2; echo the end >&2'));
  const { stderr } = await child.done;
  expect(Buffer.byteLength(stderr)).toBeLessThanOrEqual(8 * 1024);
  expect(stderr.split('\n').at(-1)).toBe('the end');
  expect(stderr.split('\n')[0]).toMatch(/^\d{5,6}$/);
});

test('a failure nobody looks at does not end the process', async () => {
  const unhandled = vi.fn();
  process.on('unhandledRejection', unhandled);
  process.on('uncaughtException', unhandled);
  try {
    const child = startChild(shell('exit 1'));
    await new Promise(resolve => child.stdout.once('close', resolve));
    // Node reports an unhandled rejection once the microtasks are done.
    await new Promise(resolve => setImmediate(resolve));
    expect(unhandled).not.toHaveBeenCalled();
  } finally {
    process.off('unhandledRejection', unhandled);
    process.off('uncaughtException', unhandled);
  }
});
