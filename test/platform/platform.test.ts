import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  type PostgresTarget,
  quoteIdent,
  quoteLiteral,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../actions/lib/postgres/index.ts';
import { appendBenchEvents, createBenchTables } from '../../scripts/platform/bench-table.ts';
import { createPlatform, type GrowthFacts, growPlatform, type PlatformFacts } from '../../scripts/platform/platform.ts';
import { createUploads, growUploads } from '../../scripts/platform/uploads.ts';

const rows = 40_000;

describe('the reference platform', () => {
  let server: ThrowawayServer;
  let first: PostgresTarget;
  let second: PostgresTarget;
  let facts: PlatformFacts;
  let client: pg.Client;

  beforeAll(async () => {
    server = await startThrowawayServer({ purpose: 'the test of the platform' });
    first = await createDatabase(server, 'first');
    second = await createDatabase(server, 'second');
    facts = await createPlatform(first, { rows });
    client = await connect(first);
  }, 120_000);

  afterAll(async () => {
    await client?.end();
    await server?.stop();
  });

  test('has the rows that were asked for, most of them order items and audit entries', () => {
    expect(Math.abs(facts.rows / rows - 1)).toBeLessThan(0.05);
    expect(Object.keys(facts.tables).length).toBeGreaterThanOrEqual(20);
    expect(Object.values(facts.tables).every(count => count > 0)).toBe(true);
    const largest = Object.entries(facts.tables).sort(([, a], [, b]) => b - a);
    expect(largest.slice(0, 2).map(([name]) => name)).toEqual(['order_items', 'audit_log']);
    expect(facts.largeObjects).toBeGreaterThan(0);
  });

  test('is the same in two databases, growth included, and another with another seed', {
    timeout: 60_000,
  }, async () => {
    await createPlatform(second, { rows });
    expect(await contentOf(second)).toEqual(await contentOf(first));

    const days: GrowthFacts[][] = [];
    for (const target of [first, second]) {
      days.push([await growPlatform(target, { share: 0.02 }), await growPlatform(target, { share: 0.02 })]);
    }
    expect(days[0]).toEqual(days[1]);
    expect(days[0]!.map(({ day }) => day)).toEqual(['2026-01-01', '2026-01-02']);
    expect(await contentOf(second)).toEqual(await contentOf(first));

    const other = await createDatabase(server, 'other');
    await createPlatform(other, { rows, seed: 7 });
    const [ours, theirs] = [await contentOf(first), await contentOf(other)];
    expect(theirs.products).not.toBe(ours.products);
    expect(theirs.crafts).toBe(ours.crafts);
  });

  test('grows at the end of few tables and leaves every other alone', { timeout: 60_000 }, async () => {
    const before = await contentOf(first);
    const orders = await one<number>(client, 'SELECT count(*)::int FROM orders');
    const grown = await growPlatform(first, { share: 0.01 });
    const after = await contentOf(first);
    expect(grown.appended.orders).toBe(Math.round(orders * 0.01));
    expect(await one(client, 'SELECT count(*)::int FROM orders')).toBe(orders + grown.appended.orders!);
    expect(Object.keys(after).filter(name => after[name] !== before[name])).toEqual([
      'audit_log_2026_01',
      'craft_popularity',
      'order_items',
      'orders',
      'page_views',
      'payments',
      'products',
      'sessions',
      'settings',
    ]);
    // The touched products carry the time of the business, not of the replay: otherwise two runs would differ.
    expect(await one(client, `SELECT count(*)::int FROM products WHERE updated_at = '2026-01-04 00:00+00'`)).toBe(
      grown.updated.products,
    );
  });

  test('has best sellers: one product in a hundred makes more than a tenth of the order items', async () => {
    const share = await one<number>(
      client,
      `SELECT (sum(n) FILTER (WHERE place <= (SELECT count(*) FROM products) / 100) / sum(n))::float8
         FROM (SELECT count(*) AS n, row_number() OVER (ORDER BY count(*) DESC) AS place FROM order_items GROUP BY product_id) x`,
    );
    expect(share).toBeGreaterThan(0.1);
    expect(share).toBeLessThan(0.5);
  });

  test('has a season: December sells more than twice what July does', async () => {
    const inMonth = (month: number) =>
      one<number>(client, `SELECT count(*)::int FROM orders WHERE extract(month FROM placed_at) = ${month}`);
    expect(await inMonth(12)).toBeGreaterThan(2 * (await inMonth(7)));
  });

  test('keeps its promises: every foreign key holds, and totals are the sum of their items', async () => {
    const keys = await client.query<{ name: string; validated: boolean; orphans: string }>(`
      SELECT conrelid::regclass || '.' || conname AS name, convalidated AS validated,
             format('SELECT count(*)::int FROM %s c LEFT JOIN %s p ON p.%I = c.%I WHERE c.%I IS NOT NULL AND p.%I IS NULL',
                    conrelid::regclass, confrelid::regclass, b.attname, a.attname, a.attname, b.attname) AS orphans
        FROM pg_constraint
        JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
        JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = confkey[1]
       WHERE contype = 'f'`);
    expect(keys.rows.length).toBeGreaterThanOrEqual(25);
    expect(keys.rows.filter(key => !key.validated)).toEqual([]);
    for (const key of keys.rows) expect(await one(client, key.orphans), key.name).toBe(0);
    expect(
      await one(
        client,
        `SELECT count(*)::int FROM orders o
          WHERE total IS DISTINCT FROM (SELECT sum(total) FROM order_items i WHERE i.order_id = o.id)`,
      ),
    ).toBe(0);
  });

  test('uses what a backup must carry: one of each kind of object', async () => {
    const kinds = {
      'a populated materialised view': `SELECT count(*) FROM craft_popularity`,
      'partitions with rows': `SELECT count(DISTINCT tableoid) FROM audit_log`,
      'an unlogged table': `SELECT count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'`,
      'a table without a key': `SELECT count(*) FROM pg_class c WHERE relname = 'page_views'
         AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'p')`,
      'identity columns': `SELECT count(*) FROM pg_attribute WHERE attidentity <> ''`,
      'generated columns': `SELECT count(*) FROM pg_attribute WHERE attgenerated <> ''`,
      'an exclusion constraint': `SELECT count(*) FROM pg_constraint WHERE contype = 'x'`,
      'a row security policy': `SELECT count(*) FROM pg_policy`,
      'triggers of our own': `SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal`,
      'enums and domains': `SELECT count(DISTINCT typtype) - 1 FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
         WHERE nspname = 'public' AND typtype IN ('e', 'd')`,
      'composite values': `SELECT count((address).city) FROM users`,
      comments: `SELECT count(*) FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = 'users'::regclass`,
      'grants to the application': `SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'crafts_app'`,
      'a name that is neither lower case nor ASCII': `SELECT count(*) FROM "Werkstätten" WHERE "Öffnungszeiten" ? 'Mo'`,
      'text in three languages, stemmed': `SELECT count(DISTINCT language) - 2 FROM content.translations WHERE search @@ to_tsquery('german', 'Werkstätten')
         OR search @@ to_tsquery('english', 'workshops') OR search @@ to_tsquery('french', 'ateliers')`,
      'large objects': `SELECT count(*) FROM craftsmen WHERE length(lo_get(certificate)) > 8000`,
    };
    for (const [kind, sql] of Object.entries(kinds)) expect(Number(await one(client, sql)), kind).toBeGreaterThan(0);
  });

  test('goes on working: new rows get free numbers, and rules refuse what they forbid', async () => {
    const insert = `INSERT INTO payments (order_id, method, status, amount) VALUES (1, 'card', 'pending', 5) RETURNING id`;
    expect(await one(client, `SELECT max(id)::int + 1 FROM payments`)).toBe(Number(await one(client, insert)));
    const overlapping = `INSERT INTO course_sessions (course_id, workshop_id, during, seats)
      SELECT course_id, workshop_id, during, 4 FROM course_sessions WHERE cancelled_at IS NULL LIMIT 1`;
    await expect(client.query(overlapping)).rejects.toMatchObject({ code: '23P01' });
    await client.query('BEGIN; SET LOCAL ROLE crafts_app; SET LOCAL "crafts.user_id" = 1');
    const foreign = await one(client, 'SELECT count(*)::int FROM messages WHERE 1 NOT IN (sender_id, recipient_id)');
    await client.query('ROLLBACK');
    expect(foreign).toBe(0);
    expect(await one<number>(client, 'SELECT count(*)::int FROM messages')).toBeGreaterThan(0);
  });

  test('a second platform in the same database, or growth without one, is refused with one clear error', async () => {
    await expect(createPlatform(first, { rows })).rejects.toMatchObject({ code: 'PLATFORM_EXISTS' });
    await expect(growPlatform(server.target, { share: 0.1 })).rejects.toMatchObject({ code: 'PLATFORM_MISSING' });
    await expect(createPlatform(server.target, { rows: 10 })).rejects.toMatchObject({ code: 'PLATFORM_OPTIONS' });
  });

  test('the benchmark has the bytes that were asked for, most of them in one table', { timeout: 60_000 }, async () => {
    const target = await createDatabase(server, 'bench');
    const bytes = 20_000_000;
    const made = await createBenchTables(target, { bytes });
    const bench = await connect(target);
    try {
      const sizes: Record<string, number> = {};
      for (const table of Object.keys(made.tables)) {
        sizes[table] = await copyLength(bench, table);
      }
      const total = Object.values(sizes).reduce((a, b) => a + b);
      expect(Math.abs(total / bytes - 1)).toBeLessThan(0.05);
      expect(sizes['bench.events']! / total).toBeGreaterThan(0.5);
      const before = made.tables['bench.events']!;
      expect(await appendBenchEvents(target, { share: 0.01 })).toBe(Math.round(before * 0.01));
    } finally {
      await bench.end();
    }
  });
});

describe('the uploads folder', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'uploads-'));
  });
  afterAll(async () => {
    await rm(root, { recursive: true, force: true });
  });

  test('is the same in two places, growth included, whatever the umask', { timeout: 30_000 }, async () => {
    const made = [];
    const umask = process.umask();
    try {
      for (const [name, mask] of [
        ['one', 0o022],
        ['two', 0o077],
      ] as const) {
        process.umask(mask);
        const dir = join(root, name);
        const facts = await createUploads(dir, { files: 120, totalBytes: 3_000_000 });
        const before = await treeOf(dir);
        const growth = await growUploads(dir, { files: 120, share: 0.05 });
        made.push({ facts, before, growth, after: await treeOf(dir) });
      }
    } finally {
      process.umask(umask);
    }
    expect(made[1]).toEqual(made[0]);
    const { facts, before, growth, after } = made[0]!;
    expect(Math.abs((facts.bytes - 4 * 1024 * 1024) / 3_000_000 - 1)).toBeLessThan(0.1);
    for (const path of growth.added) expect([before.has(path), after.has(path)], path).toEqual([false, true]);
    for (const path of growth.removed) expect([before.has(path), after.has(path)], path).toEqual([true, false]);
    for (const path of growth.changed) expect(after.get(path), path).not.toBe(before.get(path));
  });

  test('holds every kind of entry that a backup of files can trip over', async () => {
    const dir = join(root, 'odd-ones');
    await createUploads(dir, { files: 20, totalBytes: 200_000 });
    const names = await readdir(join(dir, 'odd'), { encoding: 'buffer' });
    const has = (test: (name: Buffer) => boolean) => names.some(name => test(name as Buffer));
    expect(has(name => name.includes('\n'))).toBe(true);
    expect(has(name => name.toString().startsWith('-'))).toBe(true);
    expect(has(name => !Buffer.from(name.toString()).equals(name))).toBe(true);
    expect(await readlink(join(dir, 'odd/dangling'))).toBe('/nowhere/at all');
    expect(await readdir(join(dir, 'odd/empty folder'))).toEqual([]);
    const sparse = await lstat(join(dir, 'odd/sparse.img'));
    expect(sparse.blocks * 512).toBeLessThan(sparse.size / 10);
    expect((await lstat(join(dir, 'odd/hard link.jpg'))).ino).toBe(
      (await lstat(join(dir, 'products/0/0/original.jpg'))).ino,
    );
    const photo = await readFile(join(dir, 'products/0/0/original.jpg'));
    expect(photo.subarray(0, 3).toString('hex')).toBe('ffd8ff');
    expect(photo.subarray(-2).toString('hex')).toBe('ffd9');
  });
});

async function createDatabase(server: ThrowawayServer, name: string): Promise<PostgresTarget> {
  const client = await connect(server.target);
  try {
    await client.query(`CREATE DATABASE ${quoteIdent(name)} TEMPLATE template0`);
  } finally {
    await client.end();
  }
  return withDatabase(server.target, name);
}

/** A digest per table (partitions by themselves) and of the large objects. */
async function contentOf(target: PostgresTarget): Promise<Record<string, string>> {
  const client = await connect(target, { settings: { TimeZone: 'UTC' } });
  try {
    const { rows: tables } = await client.query<{ name: string; label: string }>(`
      SELECT c.oid::regclass::text AS name, relname AS label FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE nspname IN ('public', 'content') AND relkind IN ('r', 'm') ORDER BY relname COLLATE "C"`);
    const digests: Record<string, string> = {};
    for (const { name, label } of tables) {
      digests[label] = await one(
        client,
        `SELECT coalesce(md5(string_agg(h, '' ORDER BY h)), 'empty') FROM (SELECT md5(t::text) AS h FROM ${name} t) x`,
      );
    }
    digests['large objects'] = await one(
      client,
      `SELECT md5(string_agg(oid || md5(lo_get(oid)), '' ORDER BY oid)) FROM pg_largeobject_metadata`,
    );
    return digests;
  } finally {
    await client.end();
  }
}

/** Length of the table as COPY text, but for the few characters that COPY escapes: text forms, separators, \N. */
async function copyLength(client: pg.Client, table: string): Promise<number> {
  const { rows: columns } = await client.query<{ name: string }>(
    `SELECT quote_ident(attname) AS name FROM pg_attribute
      WHERE attrelid = ${quoteLiteral(table)}::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  const lengths = columns.map(({ name }) => `coalesce(octet_length(${name}::text), 2)`);
  return Number(await one(client, `SELECT sum(${lengths.join(' + ')} + ${columns.length}) FROM ${table}`));
}

async function one<T>(client: pg.Client, sql: string): Promise<T> {
  const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
  return rows[0]![0] as T;
}

/** Path to kind, mode, time, links and content; names as latin1, so that any byte can be one. */
async function treeOf(dir: string): Promise<Map<string, string>> {
  const tree = new Map<string, string>();
  const visit = async (path: Buffer) => {
    const stat = await lstat(path);
    const content = stat.isFile()
      ? createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
      : stat.isSymbolicLink()
        ? await readlink(path)
        : '';
    const name = path.subarray(Buffer.byteLength(dir) + 1).toString('latin1');
    tree.set(name, [stat.mode.toString(8), stat.mtimeMs, stat.nlink, content].join(' '));
    if (!stat.isDirectory()) return;
    for (const entry of await readdir(path, { encoding: 'buffer' })) {
      await visit(Buffer.concat([path, Buffer.from('/'), entry as Buffer]));
    }
  };
  await visit(Buffer.from(dir));
  return tree;
}
