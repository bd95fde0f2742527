import type pg from 'pg';
import { noProgress, type Progress } from '../../actions/lib/log/index.ts';
import { textArray } from './generators.ts';
import { badOption, failed, openSessions, type PlatformTarget } from './sessions.ts';
import { familyNames, places, vocabularies } from './words.ts';

export interface BenchTablesOptions {
  /** Bytes of COPY text of all tables together, about (within 5 %). */
  bytes: number;
  progress?: Progress;
  signal?: AbortSignal;
}

export interface BenchTablesFacts {
  /** Rows by table, `bench.events` first. */
  tables: Record<string, number>;
  rows: number;
  /** COPY text, reckoned from the mean row. */
  estimatedBytes: number;
  seconds: number;
}

/**
 * Makes the schema `bench`: rows for measuring a backup, made inside the server over two connections. `bench.events`
 * holds 60 % of the bytes; the others are wide text, narrow numbers with a foreign key, many columns, and bytes that
 * do not compress. zstd -1 makes about a quarter of the whole. Content is the same each time; the order of the rows
 * on disk is not, because two connections write.
 * @throws OpsError the codes of `pgError`; PG_QUERY when the schema exists
 */
export async function createBenchTables(
  target: PlatformTarget,
  options: BenchTablesOptions,
): Promise<BenchTablesFacts> {
  const { bytes, progress = noProgress, signal } = options;
  const startedAt = performance.now();
  const rows = planRows(bytes);
  try {
    await using sessions = await openSessions(target, 2, signal);
    await sessions.clients[0]!.query(schemaSql);
    await fill(sessions.clients, planChunks(rows), progress);
    await complete(sessions.clients);
  } catch (thrown) {
    throw failed('The tables of the benchmark could not be made', target, thrown);
  }
  return {
    tables: Object.fromEntries(shapes.map(shape => [`bench.${shape.name}`, rows[shape.name]!])),
    rows: Object.values(rows).reduce((a, b) => a + b, 0),
    estimatedBytes: shapes.reduce((sum, shape) => sum + rows[shape.name]! * shape.rowBytes, 0),
    seconds: (performance.now() - startedAt) / 1000,
  };
}

/**
 * Appends to `bench.events` a share of its rows, as a day of business would: what a second backup has to send.
 * Returns the number of rows. @throws OpsError the codes of `pgError`
 */
export async function appendBenchEvents(
  target: PlatformTarget,
  options: { share: number; signal?: AbortSignal },
): Promise<number> {
  try {
    await using sessions = await openSessions(target, 1, options.signal);
    const [client] = sessions.clients;
    const { rows } = await client!.query<{ n: string }>('SELECT count(*) AS n FROM bench.events');
    const count = Number(rows[0]!.n);
    const added = Math.max(1, Math.round(count * options.share));
    return await insert(client!, shapes[0]!, { first: count + 1, last: count + added });
  } catch (thrown) {
    throw failed('bench.events could not be appended to', target, thrown);
  }
}

interface Shape {
  name: string;
  /** Of the bytes of all. */
  share: number;
  /** Mean length of a row as COPY text with its newline; measured, see the test. */
  rowBytes: number;
  columns: string;
  /** The expressions for row `i`; `a`, `b`, `c` are its three 63-bit hashes, `u` is uniform in [0, 1). */
  values: string;
}

const sensors = 500;

const pickFrom = (list: readonly string[], hash: string) => `(${textArray(list)})[1 + (${hash}) % ${list.length}]`;
const hex = (hash: string, digits: number) => `substr(lpad(to_hex(${hash}), 16, '0'), 1, ${digits})`;
const { de, en, fr } = vocabularies;
const wordsOf = (hash: string) =>
  [
    pickFrom(en.materials, hash),
    pickFrom(en.techniques, `${hash} >> 5`),
    pickFrom(de.things, `${hash} >> 10`),
    pickFrom(fr.qualities, `${hash} >> 15`),
    pickFrom(places, `${hash} >> 20`),
    pickFrom(de.uses, `${hash} >> 26`),
    pickFrom(familyNames, `${hash} >> 31`),
    pickFrom(en.uses, `${hash} >> 37`),
  ].join(` || ' ' || `);

const shapes: Shape[] = [
  {
    name: 'events',
    share: 0.6,
    rowBytes: 322,
    columns: 'id, happened_at, received_at, kind, user_id, session_id, amount, status, country, path, payload',
    values: `
      i, timestamptz '2025-01-01 00:00+00' + i * interval '9.7 seconds' + (a % 9000) * interval '1 millisecond',
      timestamptz '2025-01-01 00:00+00' + i * interval '9.7 seconds' + (9000 + b % 700) * interval '1 millisecond',
      a % 23, floor(200000 * u * u * u), c % 2147483647,
      CASE WHEN b % 10 < 4 THEN round((3 + exp(1 + 5 * u))::numeric, 2) END,
      ${pickFrom(['ok', 'ok', 'ok', 'ok', 'retried', 'failed', 'ignored'], 'b >> 4')},
      ${pickFrom(['DE', 'DE', 'DE', 'FR', 'CH', 'AT'], 'b >> 9')},
      '/produkt/' || floor(50000 * u * u)::integer || '/' || ${pickFrom(de.things, 'b >> 12')},
      ('{"source": "' || ${pickFrom(['web', 'web', 'app', 'import'], 'c')} || '", "trace": "' || ${hex('c', 16)}
        || '", "duration_ms": ' || a % 4000 || ', "items": [' || b % 9000 || ', ' || c % 9000 || ']'
        || CASE WHEN a % 8 < 5 THEN ', "search": "' || ${pickFrom(de.materials, 'a >> 3')} || ' ' || ${pickFrom(de.things, 'a >> 9')} || '"' ELSE '' END
        || CASE WHEN a % 8 < 3 THEN ', "campaign": {"name": "' || ${pickFrom(en.uses, 'a >> 15')} || '", "variant": ' || c % 4 || ', "cost": ' || (b % 900) / 100.0 || '}' ELSE '' END
        || ', "agent": "Mozilla/5.0 (' || ${pickFrom(['X11; Linux x86_64', 'Macintosh; Intel Mac OS X', 'Windows NT 10.0; Win64', 'iPhone; CPU iPhone OS 18'], 'c >> 7')}
        || ') Browser/' || 100 + c % 40 || '.0"}')::jsonb`,
  },
  {
    name: 'documents',
    share: 0.14,
    rowBytes: 1261,
    columns: 'id, language, title, body, revised_at',
    values: `
      i, ${pickFrom(['de', 'en', 'fr'], 'a')}, ${pickFrom(de.things, 'b')} || ' aus ' || ${pickFrom(de.materials, 'c')},
      (SELECT string_agg(${wordsOf('h')}, '. ') FROM (SELECT hashint8extended(i * 64 + k, 5) & 9223372036854775807 AS h FROM generate_series(1, 3 + (a % 19)::integer) k OFFSET 0) AS sentences),
      timestamptz '2025-01-01 00:00+00' + u * interval '300 days'`,
  },
  {
    name: 'measurements',
    share: 0.12,
    rowBytes: 37,
    columns: 'sensor_id, taken_at, value, quality, battery',
    values: `
      1 + i % ${sensors}, timestamp '2025-01-01' + (i / ${sensors}) * interval '1 minute',
      (20 + (a % 400) / 100.0)::real, CASE WHEN b % 50 = 0 THEN 1 ELSE 0 END, 4096 - (i / 4000) % 900`,
  },
  {
    name: 'accounts',
    share: 0.08,
    rowBytes: 229,
    columns:
      'id, email, name, company, street, city, phone, vat_id, credit, debt, is_active, is_blocked, opened_on, closed_on, segment, score, tags, note, preferences',
    values: `
      i, 'kunde.' || i || '@' || ${pickFrom(['example.org', 'example.com', 'example.net'], 'a')}, ${pickFrom(familyNames, 'a >> 4')},
      CASE WHEN b % 10 < 2 THEN ${pickFrom(familyNames, 'b >> 4')} || ' & Söhne' END, ${pickFrom(de.things, 'c')} || 'weg ' || c % 180, ${pickFrom(places, 'c >> 8')},
      '+49 ' || 1000 + a % 8999 || ' ' || 100000 + b % 899999, CASE WHEN b % 10 < 2 THEN 'DE' || 100000000 + c % 899999999 END,
      (c % 5000000) / 100.0, CASE WHEN a % 20 = 0 THEN (b % 90000) / 100.0 END, a % 9 > 0, a % 97 = 0,
      date '2015-01-01' + (b % 4000)::integer, CASE WHEN a % 9 = 0 THEN date '2025-01-01' + (c % 300)::integer END,
      a % 7, u, ARRAY[${pickFrom(en.materials, 'a >> 9')}, ${pickFrom(en.things, 'b >> 9')}],
      CASE WHEN c % 3 = 0 THEN ${pickFrom(en.verdicts, 'c >> 12')} || E'\\n' || ${pickFrom(de.verdicts, 'a >> 12')} END,
      ('{"newsletter": ' || (a % 3 = 0) || ', "theme": "' || ${pickFrom(['light', 'dark'], 'b')} || '", "limit": ' || c % 500 || '}')::jsonb`,
  },
  {
    name: 'assets',
    share: 0.06,
    rowBytes: 217,
    columns: 'id, digest, thumbnail, length, media_type, created_at',
    values: `
      (${hex('a', 16)} || ${hex('b', 16)})::uuid, int8send(a) || int8send(b) || int8send(c) || int8send(a # c),
      int8send(b # c) || int8send(hashint8extended(i, 8)) || int8send(c) || int8send(hashint8extended(i, 9)),
      c % 9000000, ${pickFrom(['image/jpeg', 'image/jpeg', 'application/pdf', 'image/webp'], 'b >> 3')},
      timestamptz '2025-01-01 00:00+00' + u * interval '300 days'`,
  },
];

const schemaSql = `
CREATE SCHEMA bench;
CREATE TABLE bench.events (
  id bigint GENERATED BY DEFAULT AS IDENTITY, happened_at timestamptz NOT NULL, received_at timestamptz NOT NULL,
  kind smallint NOT NULL, user_id integer NOT NULL, session_id integer NOT NULL, amount numeric(10, 2),
  status text NOT NULL, country char(2), path text NOT NULL, payload jsonb NOT NULL
);
CREATE TABLE bench.documents (
  id integer GENERATED BY DEFAULT AS IDENTITY, language text NOT NULL, title text NOT NULL, body text NOT NULL, revised_at timestamptz
);
CREATE TABLE bench.sensors (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO bench.sensors SELECT n, 'kiln ' || n FROM generate_series(1, ${sensors}) n;
CREATE TABLE bench.measurements (
  sensor_id integer NOT NULL, taken_at timestamp NOT NULL, value real, quality smallint NOT NULL, battery integer
);
CREATE TABLE bench.accounts (
  id bigint GENERATED BY DEFAULT AS IDENTITY, email text NOT NULL, name text NOT NULL, company text, street text, city text, phone text,
  vat_id text, credit numeric(12, 2), debt numeric(12, 2), is_active boolean, is_blocked boolean, opened_on date,
  closed_on date, segment integer, score double precision, tags text[], note text, preferences jsonb
);
CREATE TABLE bench.assets (
  id uuid NOT NULL, digest bytea NOT NULL, thumbnail bytea, length bigint, media_type text, created_at timestamptz
);`;

/** Keys and indexes come after the rows: building one is far cheaper than keeping it while rows arrive. */
const completeSql: string[][] = [
  ['ALTER TABLE bench.events ADD PRIMARY KEY (id)', 'VACUUM (ANALYZE) bench.events'],
  [
    'CREATE INDEX events_user_happened ON bench.events (user_id, happened_at)',
    'ALTER TABLE bench.documents ADD PRIMARY KEY (id)',
    'ALTER TABLE bench.measurements ADD PRIMARY KEY (sensor_id, taken_at)',
    'ALTER TABLE bench.measurements ADD FOREIGN KEY (sensor_id) REFERENCES bench.sensors',
    'ALTER TABLE bench.accounts ADD PRIMARY KEY (id)',
    'ALTER TABLE bench.assets ADD PRIMARY KEY (id)',
    'VACUUM (ANALYZE) bench.documents, bench.sensors, bench.measurements, bench.accounts, bench.assets',
  ],
];

function planRows(bytes: number): Record<string, number> {
  if (!(bytes >= 100_000)) throw badOption(`bytes must be at least 100,000, not ${bytes}`);
  return Object.fromEntries(shapes.map(shape => [shape.name, Math.round((bytes * shape.share) / shape.rowBytes)]));
}

interface Chunk {
  shape: Shape;
  first: number;
  last: number;
}

/** About a second of work each, so that both connections end together. */
const chunkBytes = 12_000_000;

function planChunks(rows: Record<string, number>): Chunk[] {
  return shapes.flatMap(shape => {
    const total = rows[shape.name]!;
    const size = Math.ceil(chunkBytes / shape.rowBytes);
    return Array.from({ length: Math.ceil(total / size) }, (_, n) => ({
      shape,
      first: n * size + 1,
      last: Math.min(total, (n + 1) * size),
    }));
  });
}

async function fill(clients: pg.Client[], chunks: Chunk[], progress: Progress): Promise<void> {
  const total = chunks.reduce((sum, chunk) => sum + chunk.last - chunk.first + 1, 0);
  const task = progress.start('making rows for the benchmark', total, value => `${value.toLocaleString('en')} rows`);
  const queue = chunks.values();
  try {
    await Promise.all(
      clients.map(async client => {
        for (const chunk of queue) task.advance(await insert(client, chunk.shape, chunk));
      }),
    );
  } finally {
    task.done();
  }
}

async function insert(client: pg.Client, shape: Shape, span: { first: number; last: number }): Promise<number> {
  const { rowCount } = await client.query(`
    INSERT INTO bench.${shape.name} (${shape.columns})
    SELECT ${shape.values}
      FROM (SELECT i, a, b, c, a::float8 / 9223372036854775808 AS u
              FROM (SELECT i, hashint8extended(i, 1) & 9223372036854775807 AS a,
                           hashint8extended(i, 2) & 9223372036854775807 AS b,
                           hashint8extended(i, 3) & 9223372036854775807 AS c
                      FROM generate_series(${span.first}::bigint, ${span.last}) i OFFSET 0) AS hashed OFFSET 0) AS facts`);
  return rowCount ?? 0;
}

async function complete(clients: pg.Client[]): Promise<void> {
  await Promise.all(
    completeSql.map(async (statements, lane) => {
      for (const statement of statements) await clients[lane]!.query(statement);
    }),
  );
  for (const table of ['events', 'documents', 'accounts']) {
    await clients[0]!.query(
      `SELECT setval(pg_get_serial_sequence('bench.${table}', 'id'), max(id)) FROM bench.${table}`,
    );
  }
}
