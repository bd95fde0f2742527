import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import { OpsError } from '../../actions/lib/errors/index.ts';
import type { Log, Progress } from '../../actions/lib/log/index.ts';
import { noProgress, silentLog } from '../../actions/lib/log/index.ts';
import { quoteLiteral } from '../../actions/lib/postgres/index.ts';
import { generatorsSql } from './generators.ts';
import { defaultRows, type LoadStep, loadLanes, planCounts } from './plan.ts';
import { auditStep, orderSteps, pageViewStep, type Span } from './sales.ts';
import { badOption, failed, openSessions, type PlatformTarget } from './sessions.ts';

export type { PlatformTarget } from './sessions.ts';

export interface PlatformOptions {
  /** Rows in all tables together, about. Default 300,000. */
  rows?: number;
  seed?: number;
  log?: Log;
  progress?: Progress;
  signal?: AbortSignal;
}

export interface PlatformFacts {
  rows: number;
  /** Rows per table, by the name one would write in SQL; partitions count in their parent. */
  tables: Record<string, number>;
  largeObjects: number;
  databaseBytes: number;
  seconds: number;
}

export const defaultSeed = 1871;

/**
 * Fills an empty database with the reference platform: schema, data, constraints, statistics. The same `rows` and
 * `seed` give the same content in any database. Needs a superuser, or an owner who may create roles and the trusted
 * extensions citext, btree_gist and pg_trgm.
 * @throws OpsError PLATFORM_EXISTS when the database already holds one; else the codes of `pgError`
 */
export async function createPlatform(target: PlatformTarget, options: PlatformOptions = {}): Promise<PlatformFacts> {
  try {
    return await create(target, options);
  } catch (thrown) {
    throw failed('The platform could not be created', target, thrown);
  }
}

async function create(target: PlatformTarget, options: PlatformOptions): Promise<PlatformFacts> {
  const { seed = defaultSeed, log = silentLog, progress = noProgress, signal } = options;
  const counts = planCounts(options.rows ?? defaultRows);
  const lanes = loadLanes(counts);
  const startedAt = performance.now();
  await using sessions = await openSessions(target, lanes.length, signal);
  const [first] = sessions.clients;
  const [tables, afterLoad] = await readSchema();

  if (await hasPlatform(first!)) {
    throw new OpsError('PLATFORM_EXISTS', 'This database already holds a platform', {
      hint: 'Use an empty database, or drop this one first.',
    });
  }
  await first!.query(tables);
  const expected = lanes.flat().reduce((sum, step) => sum + step.rows, 0);
  const task = progress.start('creating the platform', expected, value => `${value.toLocaleString('en')} rows`);
  await Promise.all(
    lanes.map(async (steps, lane) => {
      const client = sessions.clients[lane]!;
      await client.query(generatorsSql(seed));
      for (const step of steps) task.advance(await runStep(client, step, log));
    }),
  ).finally(() => task.done());
  await first!.query(afterLoad);
  await finish(sessions.clients);

  const facts = await readFacts(first!, (performance.now() - startedAt) / 1000);
  log.info(`Platform created: ${facts.rows.toLocaleString('en')} rows in ${facts.seconds.toFixed(1)} s`);
  return facts;
}

export interface GrowthOptions {
  /** New rows as a share of those that orders, order_items, payments, audit_log and page_views hold. */
  share: number;
  seed?: number;
  signal?: AbortSignal;
}

export interface GrowthFacts {
  /** The day of business that was added, `2026-01-01` for the first. */
  day: string;
  appended: Record<string, number>;
  updated: Record<string, number>;
  deleted: Record<string, number>;
}

/**
 * One day of business on top of a platform: sales, views and audit entries are appended, some products and one
 * setting change, old sessions go, the materialised view is refreshed. One transaction, and deterministic: each call
 * is the day after the last one. The rows lie at the end of their tables, as in real life.
 * @throws OpsError PLATFORM_MISSING when there is none; else the codes of `pgError`
 */
export async function growPlatform(target: PlatformTarget, options: GrowthOptions): Promise<GrowthFacts> {
  try {
    return await grow(target, options);
  } catch (thrown) {
    throw failed('The platform could not grow', target, thrown);
  }
}

async function grow(target: PlatformTarget, options: GrowthOptions): Promise<GrowthFacts> {
  const { share, seed = defaultSeed, signal } = options;
  if (!(share > 0 && share <= 1)) throw badOption(`share must be above 0 and at most 1, not ${share}`);
  await using sessions = await openSessions(target, 1, signal);
  const client = sessions.clients[0]!;
  if (!(await hasPlatform(client))) {
    throw new OpsError('PLATFORM_MISSING', 'This database holds no platform that could grow', {
      hint: 'Create one with createPlatform first.',
    });
  }
  // Deferred, because the items of an order are written before the order, whose total is their sum.
  await client.query('BEGIN; SET CONSTRAINTS ALL DEFERRED');
  await client.query(generatorsSql(seed));
  const before = await readSizes(client);
  const day = await nextDay(client);
  const grown = (rows: number) => Math.max(1, Math.round(rows * share));

  const appended: Record<string, number> = {};
  for (const step of growthSteps(before, grown, day)) appended[step.label] = await runStep(client, step, silentLog);
  const updated = {
    products: await changePrices(client, before.products, grown(before.products / 5), day),
    settings: 1,
  };
  const deleted = { sessions: await expireSessions(client, grown(before.sessions)) };
  await syncSequences(client);
  await client.query('REFRESH MATERIALIZED VIEW craft_popularity');
  await client.query('COMMIT');
  return { day, appended, updated, deleted };
}

async function readSchema(): Promise<[string, string]> {
  const text = await readFile(new URL('./schema.sql', import.meta.url), 'utf8');
  const cut = text.indexOf('-- @after-load');
  return [text.slice(0, cut), text.slice(cut)];
}

async function hasPlatform(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ has: boolean }>(`
    SELECT to_regclass('public.settings') IS NOT NULL AND to_regclass('public.order_items') IS NOT NULL AS has`);
  return rows[0]!.has;
}

async function runStep(client: pg.Client, step: LoadStep, log: Log): Promise<number> {
  const startedAt = performance.now();
  const { rowCount } = await client.query(step.sql);
  log.debug(step.label, { rows: rowCount, ms: Math.round(performance.now() - startedAt) });
  return rowCount ?? 0;
}

/** What remains when all rows are in: sequences, the right to read large objects, statistics. */
async function finish(clients: pg.Client[]): Promise<void> {
  const [first] = clients;
  await syncSequences(first!);
  await first!.query(`
    DO $$ DECLARE certificate oid; BEGIN
      FOR certificate IN SELECT oid FROM pg_largeobject_metadata ORDER BY oid LOOP
        EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO crafts_app', certificate);
      END LOOP;
    END $$`);
  await first!.query('REFRESH MATERIALIZED VIEW craft_popularity');
  // Hint bits and the visibility map are written here once, and not by whatever reads the platform first.
  const [large, small] = splitByTable(await listTables(first!));
  await Promise.all([vacuum(first!, large), vacuum(clients[1] ?? first!, small)]);
}

/** Rows carry explicit ids; identities and serials continue after the highest. */
async function syncSequences(client: pg.Client): Promise<void> {
  await client.query(`
    DO $$ DECLARE owned record; BEGIN
      FOR owned IN
        SELECT c.oid::regclass AS tab, a.attname AS col, pg_get_serial_sequence(c.oid::regclass::text, a.attname) AS seq
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE n.nspname IN ('public', 'content') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND a.attnum > 0 AND NOT a.attisdropped
           AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL
      LOOP
        EXECUTE format('SELECT setval(%L, max(%I)) FROM %s HAVING max(%I) IS NOT NULL', owned.seq, owned.col, owned.tab, owned.col);
      END LOOP;
    END $$`);
}

async function listTables(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    SELECT c.oid::regclass::text AS name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'content') AND c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
     ORDER BY pg_relation_size(c.oid) DESC, 1`);
  return rows.map(row => row.name);
}

function splitByTable(tables: string[]): [string[], string[]] {
  return [tables.filter((_, n) => n % 2 === 0), tables.filter((_, n) => n % 2 === 1)];
}

async function vacuum(client: pg.Client, tables: string[]): Promise<void> {
  await client.query(`VACUUM (ANALYZE) ${tables.join(', ')}`);
}

async function readFacts(client: pg.Client, seconds: number): Promise<PlatformFacts> {
  const names = (await listTables(client)).filter(name => name !== 'craft_popularity');
  const { rows } = await client.query<{ name: string; n: string }>(
    names.map(name => `SELECT ${quoteLiteral(name)} AS name, count(*) AS n FROM ${name}`).join(' UNION ALL '),
  );
  const sizes = await client.query<{ objects: string; bytes: string }>(`
    SELECT (SELECT count(*) FROM pg_largeobject_metadata) AS objects, pg_database_size(current_database()) AS bytes`);
  const tables = Object.fromEntries(rows.map(row => [row.name, Number(row.n)]));
  return {
    rows: Object.values(tables).reduce((a, b) => a + b, 0),
    tables,
    largeObjects: Number(sizes.rows[0]!.objects),
    databaseBytes: Number(sizes.rows[0]!.bytes),
    seconds,
  };
}

interface Sizes {
  users: number;
  products: number;
  sessions: number;
  orders: number;
  lastOrder: number;
  auditLog: number;
  lastAudit: number;
  pageViews: number;
}

async function readSizes(client: pg.Client): Promise<Sizes> {
  const { rows } = await client.query<Record<keyof Sizes, string>>(`
    SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM products) AS products,
           (SELECT count(*) FROM sessions) AS sessions,
           (SELECT count(*) FROM orders) AS orders, (SELECT max(id) FROM orders) AS "lastOrder",
           (SELECT count(*) FROM audit_log) AS "auditLog", (SELECT max(id) FROM audit_log) AS "lastAudit",
           (SELECT count(*) FROM page_views) AS "pageViews"`);
  return Object.fromEntries(Object.entries(rows[0]!).map(([key, value]) => [key, Number(value)])) as unknown as Sizes;
}

/** The platform keeps its business day in its settings; closing one also opens the audit partition of the next. */
async function nextDay(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ day: string }>(
    `SELECT value ->> 'day' AS day FROM settings WHERE key = 'business.day'`,
  );
  const day = rows[0]!.day;
  const date = new Date(`${day}T00:00:00Z`);
  const dayAfter = new Date(date.getTime() + 86_400_000).toISOString().slice(0, 10);
  const monthStart = `${day.slice(0, 7)}-01`;
  const monthEnd = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)).toISOString().slice(0, 10);
  await client.query(`SELECT set_config('crafts.now', $1, true)`, [`${dayAfter} 00:00+00`]);
  await client.query(`UPDATE settings SET value = jsonb_build_object('day', $1::text) WHERE key = 'business.day'`, [
    dayAfter,
  ]);
  await client.query(
    `CREATE TABLE IF NOT EXISTS audit_log_${day.slice(0, 7).replace('-', '_')} PARTITION OF audit_log
       FOR VALUES FROM ('${monthStart} 00:00+00') TO ('${monthEnd} 00:00+00')`,
  );
  return day;
}

function growthSteps(before: Sizes, grown: (rows: number) => number, day: string): LoadStep[] {
  const at = (tag: string) => `timestamptz '${day} 00:00+00' + pg_temp.u(i, '${tag}') * interval '86399 seconds'`;
  const after = (last: number, rows: number): Span => ({ first: last + 1, last: last + grown(rows), at });
  return [
    ...orderSteps(after(before.lastOrder, before.orders), before, 'true'),
    auditStep(after(before.lastAudit, before.auditLog), before),
    pageViewStep(after(before.pageViews, before.pageViews), before),
  ];
}

async function changePrices(client: pg.Client, products: number, changes: number, day: string): Promise<number> {
  const { rowCount } = await client.query(
    `UPDATE products SET price = round(price * 1.03, 1), stock = greatest(0, stock - 1)
      WHERE id IN (SELECT pg_temp.anyone(k, $3, $1) FROM generate_series(1::bigint, $2) k)`,
    [products, changes, `growth/${day}`],
  );
  return rowCount ?? 0;
}

async function expireSessions(client: pg.Client, count: number): Promise<number> {
  const { rowCount } = await client.query(
    'DELETE FROM sessions WHERE token_hash IN (SELECT token_hash FROM sessions ORDER BY expires_at, token_hash LIMIT $1)',
    [count],
  );
  return rowCount ?? 0;
}
