import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type CopyOutResult,
  connect,
  copyIn,
  copyOut,
  createCopyBuffers,
  type PostgresTarget,
  parsePostgresUrl,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let overSocket: ThrowawayServer;
let overTcp: ThrowawayServer;
let encrypted: PostgresTarget;
beforeAll(async () => {
  [overSocket, overTcp] = await Promise.all([
    startThrowawayServer({ purpose: 'the copy tests', settings: { max_connections: 20 } }),
    startThrowawayServer({ purpose: 'the copy tests over TLS', tcp: true, settings: { max_connections: 20 } }),
  ]);
  await turnOnTls(overTcp);
  encrypted = parsePostgresUrl(overTcp.target.url.replace('sslmode=disable', 'sslmode=require'));
  for (const server of [overSocket, overTcp]) {
    const client = await connect(server.target);
    await client.query(setUp);
    await client.end();
  }
});
afterAll(() => Promise.all([overSocket?.stop(), overTcp?.stop()]));

const setUp = `
create table numbers as select g as id, md5(g::text) as v from generate_series(1, 200000) g;
create table no_columns (); insert into no_columns select from generate_series(1, 70000);
create table huge (id int, body text); alter table huge alter body set storage external;
insert into huge select g, repeat(chr(96 + g), 10000000) from generate_series(1, 5) g;
create function says(int) returns int language plpgsql as $$ begin if $1 % 1000 = 0 then raise notice 'row % %', $1, repeat('n', 3000); end if; return $1; end $$;
create function fails_at(int, int) returns int language plpgsql as $$ begin if $1 = $2 then perform 1 / 0; end if; return $1; end $$;
`;

interface Received extends CopyOutResult {
  bytes: number;
  sha256: string;
}

async function receive(
  client: pg.Client,
  sql: string,
  onBatch: (batch: Buffer) => Promise<void> = async () => {},
): Promise<Received> {
  const hash = createHash('sha256');
  let bytes = 0;
  const result = await copyOut(client, sql, {
    onBatch: async batch => {
      hash.update(batch);
      bytes += batch.length;
      await onBatch(batch);
    },
  });
  return { ...result, bytes, sha256: hash.digest('hex') };
}

const numbersText = Buffer.from(
  Array.from(
    { length: 200_000 },
    (_, i) =>
      `${i + 1}\t${createHash('md5')
        .update(String(i + 1))
        .digest('hex')}\n`,
  ).join(''),
);
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const isUsable = async (client: pg.Client) =>
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);

describe.each([
  ['a unix socket', () => overSocket.target],
  ['TCP', () => overTcp.target],
  ['TLS', () => encrypted],
])('over %s', (kind, target) => {
  let client: pg.Client;
  beforeAll(async () => {
    client = await connect(target());
  });
  afterAll(() => client?.end());

  test('the connection is what it says', async () => {
    const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
    expect(rows).toEqual([{ ssl: kind === 'TLS' }]);
  });

  test('many small rows arrive whole and in order', async () => {
    expect(await receive(client, 'copy numbers to stdout')).toEqual({
      rows: 200_000,
      plainBytes: numbersText.length,
      bytes: numbersText.length,
      sha256: sha256(numbersText),
    });
  });

  test('rows of no bytes, of a table without columns', async () => {
    const found = await receive(client, 'copy no_columns to stdout');
    expect(found).toMatchObject({ rows: 70_000, bytes: 70_000, sha256: sha256(Buffer.alloc(70_000, '\n')) });
  });

  test('no row at all', async () => {
    expect(await receive(client, 'copy (select 1 where false) to stdout')).toMatchObject({ rows: 0, bytes: 0 });
  });

  test('rows of 10 MB', async () => {
    const expected = Buffer.concat(
      [1, 2, 3, 4, 5].map(g => Buffer.from(`${g}\t${String.fromCharCode(96 + g).repeat(10_000_000)}\n`)),
    );
    expect(await receive(client, 'copy huge to stdout')).toMatchObject({ rows: 5, sha256: sha256(expected) });
  });

  test('a slow receiver loses nothing, and holds the server back instead of filling memory', async () => {
    const total = 200_000_000;
    const sql = `copy (select repeat('x', 999) from generate_series(1, ${total / 1000})) to stdout`;
    let waiting = 0;
    let most = 0;
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    const found = await receive(client, sql, async () => {
      waiting++;
      // Long enough for the socket to have more; every hundredth batch for the collector as well.
      for (let i = 0; i < 20; i++) await nextTurn();
      most = Math.max(most, process.memoryUsage().arrayBuffers + process.memoryUsage().external - before);
    });
    expect(found).toMatchObject({ rows: total / 1000, bytes: total });
    expect(waiting).toBeGreaterThan(100);
    expect(most).toBeLessThan(64 * 1024 * 1024);
  });

  test('an error in the middle is the server’s own, and the connection lives on', async () => {
    for (const at of [1, 150_000, 200_000]) {
      await expect(
        receive(client, `copy (select fails_at(id, ${at}), v from numbers) to stdout`, () => nextTurn()),
      ).rejects.toMatchObject({ code: '22012' });
      await isUsable(client);
    }
    await expect(receive(client, 'copy nowhere to stdout')).rejects.toMatchObject({ code: '42P01' });
    await expect(receive(client, 'copy numbers from stdin')).rejects.toMatchObject({ code: '57014' });
    expect(await receive(client, 'copy numbers to stdout')).toMatchObject({ sha256: sha256(numbersText) });
  });

  test('after an error nobody reads the lent buffers any more', async () => {
    const buffers = createCopyBuffers();
    let inside = 0;
    await expect(
      copyOut(client, 'copy (select fails_at(id, 190000), v from numbers) to stdout', {
        buffers,
        onBatch: async () => {
          inside++;
          for (let i = 0; i < 50; i++) await nextTurn();
          inside--;
        },
      }),
    ).rejects.toMatchObject({ code: '22012' });
    expect(inside).toBe(0);
  });

  test('a receiver that throws ends the copy with its error, and the connection with it', async () => {
    const doomed = await connect(target());
    let batches = 0;
    const full = new Error('no space left');
    await expect(
      receive(doomed, 'copy (select * from numbers, generate_series(1, 20)) to stdout', async () => {
        if (++batches === 3) throw full;
      }),
    ).rejects.toBe(full);
    await expect(doomed.query('select 1')).rejects.toThrow();
    await doomed.end().catch(() => {});
  });

  test('a receiver that throws on the very last batch is not overheard', async () => {
    const doomed = await connect(target());
    const full = new Error('no space left');
    await expect(receive(doomed, 'copy (select 1) to stdout', () => Promise.reject(full))).rejects.toBe(full);
    await doomed.end().catch(() => {});
  });

  test('notices between the rows reach their listener and not the rows', async () => {
    const notices: string[] = [];
    const listen = (notice: { message?: string | undefined }) => void notices.push(notice.message ?? '');
    client.on('notice', listen);
    const found = await receive(client, 'copy (select says(id), v from numbers order by id) to stdout');
    client.off('notice', listen);
    expect(found).toMatchObject({ rows: 200_000, sha256: sha256(numbersText) });
    expect(notices).toHaveLength(200);
    expect(notices[7]).toBe(`row 8000 ${'n'.repeat(3000)}`);
  });

  test('a cancelled statement', async () => {
    const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid;
    const admin = await connect(target());
    let isAsked = false;
    await expect(
      receive(client, 'copy (select * from numbers, generate_series(1, 100)) to stdout', async () => {
        if (isAsked) return;
        isAsked = true;
        await admin.query('select pg_cancel_backend($1)', [pid]);
      }),
    ).rejects.toMatchObject({ code: '57014' });
    await admin.end();
    await isUsable(client);
  });

  test('a session that an administrator ends', async () => {
    const doomed = await connect(target());
    const pid = (await doomed.query('select pg_backend_pid() as pid')).rows[0].pid;
    let isAsked = false;
    await expect(
      receive(doomed, 'copy (select * from numbers, generate_series(1, 100)) to stdout', async () => {
        if (isAsked) return;
        isAsked = true;
        await client.query('select pg_terminate_backend($1)', [pid]);
      }),
    ).rejects.toThrow();
    await doomed.end().catch(() => {});
  });

  test('a hundred copies and queries in turn over one connection and the same buffers', async () => {
    const buffers = createCopyBuffers();
    for (let i = 1; i <= 100; i++) {
      const chunks: Buffer[] = [];
      const { rows } = await copyOut(client, `copy (select * from numbers where id <= ${i * i}) to stdout`, {
        buffers,
        onBatch: async batch => void chunks.push(Buffer.from(batch)),
      });
      expect(rows).toBe(i * i);
      const text = Buffer.concat(chunks);
      expect(text.equals(numbersText.subarray(0, text.length))).toBe(true);
      expect(text.toString().split('\n')).toHaveLength(i * i + 1);
      if (i % 10 === 0) await isUsable(client);
    }
  });

  describe('the other way', () => {
    beforeAll(() => client.query('drop table if exists target; create table target (id int, v text)'));

    async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const stored = async () =>
      (await client.query(`select count(*)::int as n, md5(string_agg(id || v, ',' order by id)) as hash from target`))
        .rows[0];

    test.each([1021, 65_536, 100_000_000])('rows in pieces of %d bytes that end anywhere', async size => {
      await client.query('truncate target');
      expect(await copyIn(client, 'copy target from stdin', inPieces(numbersText, size))).toBe(200_000);
      const { rows } = await client.query(
        `select count(*)::int as n, md5(string_agg(id || v, ',' order by id)) as hash from numbers`,
      );
      expect(await stored()).toEqual(rows[0]);
    });

    test('empty pieces and an empty source', async () => {
      await client.query('truncate target');
      expect(await copyIn(client, 'copy target from stdin', inPieces(Buffer.alloc(0), 1))).toBe(0);
      const odd = (async function* () {
        yield Buffer.alloc(0);
        yield Buffer.from('1\tx');
        yield Buffer.alloc(0);
        yield Buffer.from('\n');
      })();
      expect(await copyIn(client, 'copy target from stdin', odd)).toBe(1);
    });

    test('a row of 10 MB, and rows of no bytes', async () => {
      await client.query('truncate target; drop table if exists bare; create table bare ()');
      const huge = Buffer.from(`1\t${'y'.repeat(10_000_000)}\n`);
      expect(await copyIn(client, 'copy target from stdin', inPieces(huge, 70_000))).toBe(1);
      expect(await copyIn(client, 'copy bare from stdin', inPieces(Buffer.alloc(5000, '\n'), 999))).toBe(5000);
    });

    test('a source that fails: its own error, no rows, a usable connection', async () => {
      await client.query('truncate target');
      const broken = new Error('the part is damaged');
      const source = (async function* () {
        yield numbersText.subarray(0, 1_000_000);
        throw broken;
      })();
      await expect(copyIn(client, 'copy target from stdin', source)).rejects.toBe(broken);
      expect((await stored()).n).toBe(0);
    });

    test('rows that the server refuses in the middle of many: its error, no rows, a usable connection', async () => {
      await client.query('truncate target');
      const bad = Buffer.concat([numbersText.subarray(0, 0), Buffer.from('x\ty\n'), numbersText, numbersText]);
      await expect(copyIn(client, 'copy target from stdin', inPieces(bad, 65_536))).rejects.toMatchObject({
        code: '22P02',
      });
      await isUsable(client);
      expect((await stored()).n).toBe(0);
      await expect(copyIn(client, 'copy nowhere from stdin', inPieces(bad, 1))).rejects.toMatchObject({
        code: '42P01',
      });
      expect(await copyIn(client, 'copy target from stdin', inPieces(numbersText, 65_536))).toBe(200_000);
    });
  });
});

async function turnOnTls(of: ThrowawayServer): Promise<void> {
  const openssl = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=copy.example'];
  const pem = execFileSync('openssl', [...openssl, '-keyout', '-', '-out', '-'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString();
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
  const demanding = parsePostgresUrl(of.target.url.replace('sslmode=disable', 'sslmode=require'));
  await vi.waitFor(async () => (await connect(demanding)).end(), { timeout: 10_000 });
}
