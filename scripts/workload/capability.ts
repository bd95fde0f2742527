import type pg from 'pg';
import { parseStatement, type WorkloadStatement } from '../../actions/lib/database/advisor.ts';

/** One statement that asks for one thing an index can do. */
export interface CapabilityCase {
  name: string;
  sql: string;
  /** Access methods, one of which the answer must have. */
  methods: readonly ('btree' | 'gin' | 'brin')[];
  /** What the index must have in its definition. */
  has?: RegExp;
}

/**
 * Tables with keys and nothing else, rows in proportion: events in the order of time, orders with a few open ones,
 * people with addresses in mixed case, documents, tags and text.
 */
export async function createCapabilityTables(client: pg.Client, options: { rows: number }): Promise<void> {
  const rows = Math.round(options.rows);
  await client.query(
    'CREATE SCHEMA capability; SET search_path = capability, public; CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public',
  );
  await client.query(`
    CREATE TABLE people (id bigint PRIMARY KEY, email text NOT NULL, org integer NOT NULL, name text NOT NULL);
    CREATE TABLE orders (
      id bigint PRIMARY KEY, person_id bigint NOT NULL, org integer NOT NULL, kind integer NOT NULL, status text NOT NULL,
      total integer NOT NULL, created_at timestamptz NOT NULL, note text NOT NULL, payload jsonb NOT NULL, tags text[] NOT NULL);
    CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, value integer NOT NULL, filler text NOT NULL)`);
  await client.query(`
    INSERT INTO people SELECT i, 'User.' || i || '@Example.org', i % 500, 'Person ' || md5(i::text) FROM generate_series(1, ${Math.round(rows / 4)}) i;
    INSERT INTO orders
      SELECT i, 1 + (i * 7919::bigint) % ${Math.round(rows / 4)}, (i * 31) % 500, (i * 17) % 40,
             CASE WHEN i % 400 = 0 THEN 'open' WHEN i % 3 = 0 THEN 'sent' ELSE 'done' END, (i * 13) % 10000,
             timestamptz '2024-01-01' + ((i * 7907::bigint) % ${rows}) * interval '1 minute',
             'note ' || md5(i::text) || ' about ' || md5((i * 3)::text),
             jsonb_build_object('k', 'v' || (i * 11) % 3000, 'source', CASE WHEN i % 2 = 0 THEN 'web' ELSE 'app' END, 'n', i % 50),
             ARRAY['t' || (i * 5) % 900, 'u' || (i * 3) % 700, 'all']
        FROM generate_series(1, ${rows}) i;
    INSERT INTO events SELECT i, timestamptz '2024-01-01' + i * interval '10 seconds', i % 1000, repeat('x', 60) FROM generate_series(1, ${rows * 2}) i`);
  for (const table of ['people', 'orders', 'events']) await vacuumUntilVisible(client, table);
}

/**
 * Until a commit is flushed (synchronous_commit = off) its rows are not visible to all, whatever VACUUM does, and an
 * index-only scan then looks every one of them up in the table.
 */
async function vacuumUntilVisible(client: pg.Client, table: string): Promise<void> {
  for (let round = 0; round < 200; round++) {
    await client.query(`VACUUM (ANALYZE) ${table}`);
    const { rows } = await client.query(
      'SELECT relallvisible > 0 AS is_visible FROM pg_class WHERE oid = $1::regclass',
      [table],
    );
    if (rows[0].is_visible) return;
  }
  throw new Error(`${table} does not become visible to all`);
}

export const capabilityCases: readonly CapabilityCase[] = [
  {
    name: 'join',
    sql: `SELECT o.total FROM people p JOIN orders o ON o.person_id = p.id WHERE p.id BETWEEN 100 AND 104`,
    methods: ['btree'],
    has: /"person_id"/,
  },
  {
    name: 'three columns',
    sql: `SELECT id, note FROM orders WHERE org = 7 AND kind = 15 AND total > 9000`,
    methods: ['btree'],
    has: /"org", "kind"|"kind", "org"/,
  },
  {
    name: 'ORDER BY … LIMIT',
    sql: `SELECT * FROM orders WHERE org = 31 ORDER BY created_at LIMIT 20`,
    methods: ['btree'],
    has: /"org", "created_at"/,
  },
  {
    name: 'DESC',
    sql: `SELECT * FROM orders ORDER BY total DESC, created_at LIMIT 10`,
    methods: ['btree'],
    has: /"total" DESC, "created_at"|"total", "created_at" DESC/,
  },
  {
    name: 'partial',
    sql: `SELECT id, note FROM orders WHERE status = 'open' ORDER BY created_at DESC LIMIT 50`,
    methods: ['btree'],
    has: /WHERE status = 'open'|"status", "created_at" DESC/,
  },
  {
    name: 'covering',
    sql: `SELECT sum(total) FROM orders WHERE kind = 4`,
    methods: ['btree'],
    has: /"kind"\) INCLUDE \("total"\)|"kind", "total"\)/,
  },
  {
    name: 'lower(email)',
    sql: `SELECT * FROM people WHERE lower(email) = 'user.77@example.org'`,
    methods: ['btree'],
    has: /lower\(email\)/,
  },
  {
    name: 'jsonb @>',
    sql: `SELECT id FROM orders WHERE payload @> '{"k": "v33"}'`,
    methods: ['gin'],
    has: /jsonb_path_ops/,
  },
  {
    name: `payload->>'k'`,
    sql: `SELECT id FROM orders WHERE payload->>'k' = 'v44'`,
    methods: ['btree'],
    has: /payload ->> 'k'/,
  },
  { name: 'array @>', sql: `SELECT id FROM orders WHERE tags @> ARRAY['t55']`, methods: ['gin'], has: /"tags"/ },
  {
    name: `LIKE '%x%'`,
    sql: `SELECT id FROM orders WHERE note LIKE '%e4d909c290%'`,
    methods: ['gin'],
    has: /gin_trgm_ops/,
  },
  {
    name: `LIKE 'x%'`,
    sql: `SELECT id FROM orders WHERE note LIKE 'note c4ca%'`,
    methods: ['btree', 'gin'],
    has: /text_pattern_ops|gin_trgm_ops/,
  },
  {
    name: 'full text',
    sql: `SELECT id FROM people WHERE to_tsvector('simple', name) @@ to_tsquery('simple', 'c4ca4238a0b923820dcc509a6f75849b')`,
    methods: ['gin'],
    has: /to_tsvector\('simple'/,
  },
  {
    name: 'BRIN range',
    sql: `SELECT count(*), avg(value) FROM events WHERE at >= '2024-01-05' AND at < '2024-01-05 02:00'`,
    methods: ['brin', 'btree'],
    has: /"at"/,
  },
  { name: 'DELETE … WHERE', sql: `DELETE FROM orders WHERE person_id = 4711`, methods: ['btree'], has: /"person_id"/ },
  {
    name: 'UPDATE … WHERE',
    sql: `UPDATE orders SET total = total + 1 WHERE org = 12 AND kind = 20`,
    methods: ['btree'],
    has: /"org"|"kind"/,
  },
];

/** All of them as often, and for as long. */
export function capabilityWorkload(): Promise<WorkloadStatement[]> {
  return Promise.all(
    capabilityCases.map(async ({ sql: text }) => {
      const { fingerprint } = await parseStatement(text);
      return { fingerprint, text, queryIds: [], calls: 100, totalMs: 1_000, rows: 100 };
    }),
  );
}

/** What somebody who knows their job would have made for these statements. */
export const capabilityIndexes: readonly string[] = [
  'CREATE INDEX ON orders (person_id)',
  'CREATE INDEX ON orders (org, kind, total)',
  'CREATE INDEX ON orders (org, created_at)',
  'CREATE INDEX ON orders (total DESC, created_at)',
  `CREATE INDEX ON orders (created_at DESC) WHERE status = 'open'`,
  'CREATE INDEX ON orders (kind) INCLUDE (total)',
  'CREATE INDEX ON people (lower(email))',
  'CREATE INDEX ON orders USING gin (payload jsonb_path_ops)',
  `CREATE INDEX ON orders ((payload->>'k'))`,
  'CREATE INDEX ON orders USING gin (tags)',
  'CREATE INDEX ON orders USING gin (note gin_trgm_ops)',
  'CREATE INDEX ON orders (note text_pattern_ops)',
  `CREATE INDEX ON people USING gin (to_tsvector('simple', name))`,
  'CREATE INDEX ON events (at)',
];
