import { type IndexDefinition, indexName } from '../../../actions/lib/database/indexes/index.ts';
import type {
  ProposedIndex,
  ProvableStatement,
  ProveOptions,
  Values,
} from '../../../actions/lib/database/prove/index.ts';
import { parseStatement } from '../../../actions/lib/database/statements/index.ts';
import { noProgress, silentLog } from '../../../actions/lib/log/index.ts';
import {
  connect,
  type PostgresTarget,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';

export async function provable(
  sql: string,
  samples: readonly Values[] = [[]],
  totalMs = 10_000,
): Promise<ProvableStatement> {
  return { statement: await parseStatement(sql), calls: 100, totalMs, samples, parameters: 'real' };
}

/** A B-tree of columns; `-column` is descending. */
export function proposed(
  table: string,
  columns: readonly string[],
  more: Partial<IndexDefinition> = {},
): ProposedIndex {
  const definition: IndexDefinition = {
    schema: 'public',
    table,
    method: 'btree',
    keys: columns.map(column =>
      column.startsWith('-')
        ? { kind: 'column', column: column.slice(1), isDescending: true }
        : { kind: 'column', column },
    ),
    include: [],
    ...more,
  };
  return { definition, name: indexName(definition), prerequisites: [], replaces: [] };
}

export function options(
  target: PostgresTarget,
  more: Partial<ProveOptions> & Pick<ProveOptions, 'statements'>,
): ProveOptions {
  return {
    target,
    proposed: [],
    removals: [],
    settings: { max_parallel_workers_per_gather: '0', jit: 'off' },
    writesOf: () => undefined,
    budgetSeconds: 120,
    statementTimeoutMs: 20_000,
    log: silentLog,
    progress: noProgress,
    signal: new AbortController().signal,
    ...more,
  };
}

/** A database of its own, filled by `sql`. */
export async function databaseWith(server: ThrowawayServer, name: string, sql: string): Promise<PostgresTarget> {
  await query(server.target, `create database ${name}`);
  const target = withDatabase(server.target, name);
  await query(target, sql);
  await query(target, 'vacuum (analyze)');
  return target;
}

export async function query<Row extends object = Record<string, unknown>>(
  target: PostgresTarget,
  sql: string,
): Promise<Row[]> {
  const client = await connect(target);
  try {
    const result: unknown = await client.query(sql);
    return ((Array.isArray(result) ? result.at(-1) : result) as { rows: Row[] }).rows;
  } finally {
    await client.end();
  }
}

/** Names of the indexes of public, sorted. */
export async function indexesOf(target: PostgresTarget): Promise<string[]> {
  const rows = await query<{ indexname: string }>(
    target,
    `select indexname from pg_indexes where schemaname = 'public' order by 1`,
  );
  return rows.map(row => row.indexname);
}

/** Orders of customers, oldest first; what is `refunded` is all among the oldest. */
export const ordersSql = `
  create table customers (id int primary key, email text not null);
  insert into customers select g, 'user' || g || '@example.org' from generate_series(1, 5000) g;
  create table orders (
    id int primary key, customer_id int not null, status text not null, total numeric not null,
    placed_at timestamptz not null, note text not null
  );
  insert into orders
    select g, 1 + (g * 7919) % 5000, case when g <= 2000 then 'refunded' when g % 3 = 0 then 'paid' else 'shipped' end,
           g % 1000, timestamptz '2025-01-01' + g * interval '1 minute', repeat(md5(g::text), 3)
      from generate_series(1, 100000) g;
  -- In the order of the queue nothing lies side by side: each row that an index on it finds is a page of its own.
  create table returns (id int primary key, queue int not null, status text not null, note text not null);
  insert into returns
    select g, (g * 7919) % 100003, case when (g * 7919) % 100003 < 2000 then 'refunded' else 'open' end, repeat(md5(g::text), 3)
      from generate_series(1, 100000) g;
  create table items (order_id int not null, line int not null, product_id int not null, primary key (order_id, line));
  insert into items select o, l, 1 + (o * 31 + l) % 4000 from generate_series(1, 30000) o, generate_series(1, 2) l;`;
