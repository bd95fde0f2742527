import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { connect, startThrowawayServer, type ThrowawayServer } from '../../actions/lib/postgres/index.ts';

const open: ThrowawayServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(server => server.stop()));
});
async function start(options: Partial<Parameters<typeof startThrowawayServer>[0]> = {}): Promise<ThrowawayServer> {
  const server = await startThrowawayServer({ purpose: 'a test', ...options });
  open.push(server);
  return server;
}

const postmasterOf = async (dataDir: string) =>
  Number((await readFile(join(dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);

/** A process that has ended and that nobody reaped (as in a container without an init) is not alive. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

describe('a throw-away server', () => {
  test('takes connections on a socket that only its own user and root can reach, and on no port', async () => {
    const server = await start();
    const client = await connect(server.target);
    const { rows } = await client.query(
      "select current_user::text as user, current_setting('listen_addresses') as addresses, current_setting('fsync') as fsync",
    );
    expect(rows).toEqual([{ user: 'postgres', addresses: '', fsync: 'off' }]);
    await client.end();
    expect((await stat(server.target.host)).mode & 0o777).toBe(0o700);
    expect(await server.sizeBytes()).toBeGreaterThan(10 * 1024 * 1024);
    expect(server.notes).toEqual([]);
  });

  test('takes the settings it is given, and can be one that survives a crash', async () => {
    const server = await start({
      durable: true,
      sharedBuffersMb: 32,
      settings: { work_mem: '7MB', 'ops.note': "it's \\ here" },
    });
    const client = await connect(server.target);
    const { rows } =
      await client.query(`select current_setting('fsync') as fsync, current_setting('work_mem') as work_mem,
      current_setting('shared_buffers') as shared_buffers, current_setting('ops.note') as note`);
    expect(rows).toEqual([{ fsync: 'on', work_mem: '7MB', shared_buffers: '32MB', note: "it's \\ here" }]);
    await client.end();
  });

  test('listens on the loopback interface when asked to, with a password', async () => {
    const server = await start({ tcp: true });
    expect(server.target.host).toBe('127.0.0.1');
    const client = await connect(server.target);
    await client.end();
    await expect(connect({ ...server.target, password: 'wrong' })).rejects.toMatchObject({ code: 'PG_AUTH' });
  });

  test('that is stopped is gone with its folder, whoever is connected', async () => {
    const server = await start();
    const client = await connect(server.target);
    const pid = await postmasterOf(server.dataDir);
    const folder = dirname(server.dataDir);
    await Promise.all([server.stop(), server.stop()]);
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
    expect(server.logTail()).toContain('ready to accept connections');
    await client.end().catch(() => {});
  });

  test('is stopped by an abort', async () => {
    const controller = new AbortController();
    const server = await start({ signal: controller.signal });
    controller.abort();
    await vi.waitFor(() => expect(existsSync(dirname(server.dataDir))).toBe(false), { timeout: 10_000 });
  });

  test('takes the nearest locale when the one asked for is not installed, and says so', async () => {
    const server = await start({ locale: 'xx_YY.UTF-8' });
    expect(server.notes).toEqual([expect.stringMatching(/xx_YY\.UTF-8 is not installed.* C\.UTF-8/)]);
  });

  test('works below a temporary folder whose path is too long for a socket', async () => {
    const before = process.env.TMPDIR;
    const outer = await mkdtemp(join(tmpdir(), 'long-'));
    const long = join(outer, 'x'.repeat(120));
    await mkdir(long);
    // The server's user must get in, whatever our umask is.
    for (const path of [outer, long]) await chmod(path, 0o777);
    process.env.TMPDIR = long;
    try {
      const server = await start();
      expect(server.dataDir.startsWith(long)).toBe(true);
      await (await connect(server.target)).end();
      await server.stop();
      expect(existsSync(server.target.host)).toBe(false);
    } finally {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      await rm(outer, { recursive: true });
    }
  });

  test('that cannot start says why in the words of the server, and leaves nothing behind', async () => {
    const failing = startThrowawayServer({ purpose: 'a test', settings: { no_such_setting: 'on' } });
    await expect(failing).rejects.toMatchObject({
      code: 'PG_SERVER_START',
      message: expect.stringMatching(/for a test did not start: .*no_such_setting/),
    });
    const left = (await readdir(tmpdir())).filter(name => name.startsWith(`ops-pg-${process.pid}-`));
    expect(left).toEqual([]);
  });
});

describe('when the process that owns the server', () => {
  /** Another process that starts a server, says where it is, and then does `after`. */
  async function owner(after: string): Promise<{ child: ChildProcess; dataDir: string; pid: number }> {
    const face = new URL('../../actions/lib/postgres/index.ts', import.meta.url).href;
    const script = `
      const { startThrowawayServer } = await import(${JSON.stringify(face)});
      const server = await startThrowawayServer({ purpose: 'a test' });
      console.log(server.dataDir);
      ${after}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [dataDir] = (await once(createInterface(child.stdout!), 'line')) as [string];
    return { child, dataDir, pid: await postmasterOf(dataDir) };
  }
  const staysForEver = 'setInterval(() => {}, 1000);';

  test('is killed with SIGKILL, the server dies with it and its folder goes', async () => {
    const { child, dataDir, pid } = await owner(staysForEver);
    expect(isAlive(pid)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 });
    await vi.waitFor(() => expect(existsSync(dirname(dataDir))).toBe(false), { timeout: 10_000 });
  });

  test('simply ends, the server does not keep it alive', async () => {
    // Not before we have looked: its standard input is all that keeps it.
    const { child, pid } = await owner('process.stdin.resume();');
    child.stdin!.end();
    if (child.exitCode === null) await once(child, 'exit');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 });
  });

  test('dies together with the supervisor, the next start ends the server and removes the folder', async () => {
    const { child, dataDir, pid } = await owner(staysForEver);
    const supervisor = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')[1]);
    // The watching half of the supervisor is its other child.
    for (const victim of [...(await childrenOf(supervisor)).filter(other => other !== pid), supervisor]) {
      process.kill(victim, 'SIGKILL');
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(pid)).toBe(true);
    await start();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(dirname(dataDir))).toBe(false);
  });
});

test('the folder of a living process, or of another machine, is left alone', async () => {
  const folders = [join(tmpdir(), `ops-pg-${process.pid}-living`), join(tmpdir(), 'ops-pg-999999999-foreign')];
  const [living, foreign] = folders as [string, string];
  try {
    for (const folder of folders) await mkdir(folder);
    await writeFile(join(foreign, 'owner.json'), JSON.stringify({ pid: 999_999_999, host: 'another-machine' }));
    await start();
    expect([existsSync(living), existsSync(foreign)]).toEqual([true, true]);
    await rm(join(foreign, 'owner.json'));
    await start();
    expect([existsSync(living), existsSync(foreign)]).toEqual([true, false]);
  } finally {
    for (const folder of folders) await rm(folder, { recursive: true, force: true });
  }
});

async function childrenOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter(Number.isInteger);
  const found = await Promise.all(
    pids.map(async pid => {
      const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === parent ? [pid] : [];
    }),
  );
  return found.flat();
}
