import type pg from 'pg';
import {
  type Catalog,
  readCatalog,
  readStatistics,
  type Statistics,
} from '../../../actions/lib/database/catalog/index.ts';
import { connect, startThrowawayServer, type ThrowawayServer } from '../../../actions/lib/postgres/index.ts';

/** A small shop with statistics, on a server of its own. */
export interface Stage extends AsyncDisposable {
  server: ThrowawayServer;
  client: pg.Client;
  catalog: Catalog;
  statistics: Statistics;
}

const schema = `
  CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('calm', 'busy');
  CREATE DOMAIN amount AS numeric(12, 2) CHECK (VALUE >= 0);
  CREATE SCHEMA content;
  CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, name citext, is_admin boolean NOT NULL DEFAULT false, deleted_at timestamptz);
  CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, status text NOT NULL,
    mood mood, total amount NOT NULL, placed_at timestamptz NOT NULL, day date NOT NULL, payload jsonb NOT NULL,
    tags text[] NOT NULL, note varchar(200));
  CREATE TABLE content.pages (id int PRIMARY KEY, title text NOT NULL, body text NOT NULL, search tsvector);
  CREATE TABLE "Große ""Liste""" ("Nr" int PRIMARY KEY, "select" text COLLATE "C");
  CREATE TABLE logs (id bigint NOT NULL, at timestamptz NOT NULL, line text) PARTITION BY RANGE (at);
  CREATE TABLE logs_2025 PARTITION OF logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE logs_2026 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE VIEW open_orders AS SELECT o.id, o.user_id AS customer, o.placed_at, u.email FROM orders o JOIN users u ON u.id = o.user_id WHERE o.status = 'open';
  CREATE INDEX orders_status ON orders (status, placed_at DESC NULLS LAST) INCLUDE (total) WHERE note IS NOT NULL;
  CREATE INDEX orders_lower ON orders ((payload ->> 'k'), lower(note) text_pattern_ops);
  CREATE UNIQUE INDEX users_email ON users (email COLLATE "C");
  INSERT INTO users SELECT i, 'u' || i || '@example.org', 'Name ' || i, i % 500 = 0, CASE WHEN i % 10 = 0 THEN now() END FROM generate_series(1, 2000) i;
  INSERT INTO orders (user_id, status, mood, total, placed_at, day, payload, tags, note)
    SELECT 1 + i % 2000, CASE WHEN i % 50 = 0 THEN 'open' ELSE 'done' END, CASE WHEN i % 2 = 0 THEN 'calm' ELSE 'busy' END::mood, i,
           timestamptz '2025-01-01' + i * interval '1 minute', date '2025-01-01' + i / 100,
           jsonb_build_object('k', 'v' || i % 300, 'n', i % 7), ARRAY['t' || i % 20, 'x'], 'a note of ' || i
      FROM generate_series(1, 20000) i;
  INSERT INTO content.pages SELECT i, 'Title ' || i, 'Body of page ' || i, to_tsvector('english', 'Body ' || i) FROM generate_series(1, 200) i;
  INSERT INTO logs SELECT i, timestamptz '2025-06-01' + i * interval '1 hour', 'line ' || i FROM generate_series(1, 8000) i;
  ANALYZE`;

export async function openStage(): Promise<Stage> {
  const server = await startThrowawayServer({ purpose: 'the tests of statements', settings: { autovacuum: false } });
  try {
    const client = await connect(server.target);
    await client.query(schema);
    const catalog = await readCatalog(client);
    const statistics = await readStatistics(client, catalog.tables);
    return {
      server,
      client,
      catalog,
      statistics,
      [Symbol.asyncDispose]: async () => {
        await client.end();
        await server.stop();
      },
    };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  }
}
