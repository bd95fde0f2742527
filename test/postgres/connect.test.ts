import { execFileSync } from 'node:child_process';
import { chown, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { OpsError } from '../../actions/lib/errors/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  pgError,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../actions/lib/postgres/index.ts';
import { freePorts } from '../services/processes.ts';

let server: ThrowawayServer;
beforeAll(async () => {
  server = await startThrowawayServer({
    purpose: 'the connection tests',
    tcp: true,
    settings: { max_connections: 20 },
  });
});
afterAll(() => server?.stop());

/** The error of an attempt, with its password searched for in everything that could be printed. */
async function failureOf(attempt: Promise<unknown>, target: PostgresTarget): Promise<OpsError> {
  const error = await attempt.then(
    () => new Error('it worked'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OpsError);
  const { message, hint, stack, cause } = error as OpsError;
  const printed = [message, hint, stack, (cause as Error | undefined)?.stack].join('\n');
  if (target.password) expect(printed).not.toContain(target.password);
  return error as OpsError;
}

const changed = (parts: Partial<Record<'user' | 'password' | 'sslmode', string>>, from = server.target) => {
  const url = new URL(from.url);
  if (parts.user) url.username = parts.user;
  if (parts.password) url.password = parts.password;
  if (parts.sslmode) url.searchParams.set('sslmode', parts.sslmode);
  return parsePostgresUrl(url.href);
};

describe('what cannot be connected to', () => {
  test('a wrong password', async () => {
    const target = changed({ password: 'not-the-password' });
    expect(await failureOf(connect(target), target)).toMatchObject({
      code: 'PG_AUTH',
      hint: expect.stringMatching(/percent/),
    });
  });

  test('no password at all', async () => {
    const target = parsePostgresUrl(`postgres://postgres@127.0.0.1:${server.target.port}/postgres?sslmode=disable`);
    expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_AUTH' });
  });

  test('a role that does not exist', async () => {
    const target = changed({ user: 'nobody_here' });
    expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_AUTH' });
  });

  test('a database that does not exist', async () => {
    const target = withDatabase(server.target, 'nowhere');
    const error = await failureOf(connect(target), target);
    expect(error).toMatchObject({ code: 'PG_NO_DATABASE', message: expect.stringContaining(target.display) });
  });

  test('a port where nobody listens', async () => {
    const [port] = await freePorts(1);
    const target = parsePostgresUrl(`postgres://ann:long-secret@127.0.0.1:${port}/d`);
    const error = await failureOf(connect(target), target);
    expect(error).toMatchObject({ code: 'PG_UNREACHABLE', hint: expect.stringMatching(/Nothing listens/) });
  });

  test('a host name that does not exist', async () => {
    const target = parsePostgresUrl('postgres://ann:long-secret@no-such-host.invalid/d');
    expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_UNREACHABLE' });
  });

  test('a unix socket that does not exist', async () => {
    const target = parsePostgresUrl('postgres://ann@/d?host=/no/such/folder');
    expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_UNREACHABLE' });
  });

  test('a server that accepts and says nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise(resolve => silent.once('listening', resolve));
    try {
      const { port } = silent.address() as { port: number };
      const target = parsePostgresUrl(`postgres://ann:long-secret@127.0.0.1:${port}/d`);
      const error = await failureOf(connect(target, { connectTimeoutMs: 200 }), target);
      expect(error).toMatchObject({ code: 'PG_UNREACHABLE', message: expect.stringContaining('timeout') });
    } finally {
      silent.close();
    }
  });

  test('a server whose connections are all taken', async () => {
    const admin = await connect(server.target);
    await admin.query("create role busy login password 'busy-secret' connection limit 1");
    const target = changed({ user: 'busy', password: 'busy-secret' });
    const first = await connect(target);
    try {
      expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_TOO_MANY' });
    } finally {
      await first.end();
      await admin.end();
    }
  });
});

describe('TLS', () => {
  test('is not taken for granted: a server without it is an error when it is demanded', async () => {
    const target = changed({ sslmode: 'require' });
    expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_TLS' });
  });

  test('is tried and done without by default, as libpq does', async () => {
    const url = server.target.url.replace('?sslmode=disable', '');
    const client = await connect(parsePostgresUrl(url));
    expect((await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')).rows).toEqual([
      { ssl: false },
    ]);
    await client.end();
  });

  describe('of a server with a certificate that it signed itself', () => {
    beforeAll(() => turnOnTls(server));

    test.each([
      ['require', true],
      ['prefer', true],
      ['disable', false],
    ])('sslmode=%s', async (sslmode, isEncrypted) => {
      const client = await connect(changed({ sslmode }));
      const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      expect(rows).toEqual([{ ssl: isEncrypted }]);
      await client.end();
    });

    test.each(['verify-ca', 'verify-full'])('sslmode=%s refuses it', async sslmode => {
      const target = changed({ sslmode });
      expect(await failureOf(connect(target), target)).toMatchObject({
        code: 'PG_TLS',
        hint: expect.stringContaining('sslrootcert'),
      });
    });

    test('sslmode=verify-ca accepts it as its own authority, verify-full not under another name', async () => {
      const root = join(server.dataDir, 'server.crt');
      const client = await connect(parsePostgresUrl(`${changed({ sslmode: 'verify-ca' }).url}&sslrootcert=${root}`));
      await client.end();
      const target = parsePostgresUrl(`${changed({ sslmode: 'verify-full' }).url}&sslrootcert=${root}`);
      expect(await failureOf(connect(target), target)).toMatchObject({ code: 'PG_TLS' });
    });
  });
});

describe('an open connection', () => {
  test('has the settings that were asked for', async () => {
    const client = await connect(server.target, {
      applicationName: 'the test',
      statementTimeoutMs: 1234,
      settings: { search_path: '', extra_float_digits: '3' },
    });
    const { rows } = await client.query(`select current_setting('application_name') as name,
      current_setting('statement_timeout') as timeout, current_setting('search_path') as path`);
    expect(rows).toEqual([{ name: 'the test', timeout: '1234ms', path: '' }]);
    await client.end();
  });

  test('that is lost fails the running query and all later ones, and never the process', async () => {
    const unhandled = vi.fn();
    process.on('uncaughtException', unhandled);
    try {
      const client = await connect(server.target);
      const other = await connect(server.target);
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      const running = failureOf(
        client.query('select pg_sleep(600)').catch(thrown => {
          throw pgError(thrown, server.target);
        }),
        server.target,
      );
      await vi.waitFor(async () => {
        const seen = await other.query("select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'", [
          rows[0]?.pid,
        ]);
        expect(seen.rowCount).toBe(1);
      });
      await other.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      expect(await running).toMatchObject({ code: 'PG_LOST' });
      const later = await client.query('select 1').catch((thrown: unknown) => pgError(thrown, server.target));
      expect(later).toMatchObject({ code: 'PG_LOST' });
      await client.end();
      await other.end();
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('uncaughtException', unhandled);
    }
  });

  test('that is idle may be lost too', async () => {
    const client = await connect(server.target);
    const other = await connect(server.target);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const ended = new Promise(resolve => client.once('end', resolve));
    await other.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await ended;
    const later = await client.query('select 1').catch((thrown: unknown) => pgError(thrown, server.target));
    expect(later).toMatchObject({ code: 'PG_LOST' });
    await other.end();
  });

  test('that is aborted is cancelled, and the server stops computing', async () => {
    const controller = new AbortController();
    const client = await connect(server.target, { signal: controller.signal });
    const other = await connect(server.target);
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const running = client.query('select pg_sleep(600)').catch((thrown: unknown) => pgError(thrown, server.target));
    const isThere = async () =>
      (await other.query('select wait_event from pg_stat_activity where pid = $1', [rows[0]?.pid])).rows;
    await vi.waitFor(async () => expect(await isThere()).toEqual([{ wait_event: 'PgSleep' }]));
    controller.abort();
    expect(await running).toMatchObject({ code: 'CANCELLED' });
    await vi.waitFor(async () => expect(await isThere()).toEqual([]), { timeout: 5_000 });
    await other.end();
  });

  test('is not opened at all for a run that was cancelled before', async () => {
    await expect(connect(server.target, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('what the server refuses', () => {
  test('a thing the role may not do', async () => {
    const admin = await connect(server.target);
    await admin.query("create role modest login password 'modest-secret'; create table hidden (a int)");
    const target = changed({ user: 'modest', password: 'modest-secret' });
    const client = await connect(target);
    const error = await failureOf(
      client.query('select * from hidden').catch(thrown => {
        throw pgError(thrown, target);
      }),
      target,
    );
    expect(error).toMatchObject({ code: 'PG_DENIED', message: expect.stringMatching(/hidden/) });
    await client.end();
    await admin.end();
  });

  test('everything else comes with its SQLSTATE and the words of the server', async () => {
    const client = await connect(server.target);
    const error = await client
      .query('select * from nothing_here')
      .catch((thrown: unknown) => pgError(thrown, server.target));
    expect(error).toMatchObject({
      code: 'PG_QUERY',
      message: expect.stringMatching(/"nothing_here" does not exist \(SQLSTATE 42P01\)/),
    });
    await client.end();
  });
});

async function turnOnTls(of: ThrowawayServer): Promise<void> {
  const openssl = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=another.example'];
  const key = execFileSync('openssl', [...openssl, '-keyout', '-', '-out', '-'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pem = key.toString();
  const owner = await stat(of.dataDir);
  for (const [name, part] of [
    ['server.key', /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----\n/],
    ['server.crt', /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/],
  ] as const) {
    const path = join(of.dataDir, name);
    await writeFile(path, part.exec(pem)![0], { mode: 0o600 });
    await chown(path, owner.uid, owner.gid);
  }
  const admin = await connect(of.target);
  await admin.query("alter system set ssl = 'on'");
  await admin.query('select pg_reload_conf()');
  await admin.end();
  await vi.waitFor(async () => (await connect(changed({ sslmode: 'require' }))).end(), { timeout: 10_000 });
}
