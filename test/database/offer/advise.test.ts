import { afterAll, beforeAll, expect, test } from 'vitest';
import { adviceSchema, changeId } from '../../../actions/lib/database/apply/index.ts';
import {
  type AdviseInput,
  adviseDataSchema,
  createAdviseOperation,
  issueBody,
  type WorkloadReader,
} from '../../../actions/lib/database/offer/index.ts';
import { parseStatement } from '../../../actions/lib/database/statements/index.ts';
import { connect, type PostgresTarget, withUser } from '../../../actions/lib/postgres/index.ts';
import type { Report } from '../../../actions/lib/reports/index.ts';
import { createPlatform } from '../../../scripts/platform/platform.ts';
import { failureOf, openWorld, type TestContext, type World } from '../../backup/harness.ts';

let world: World;
let shop: PostgresTarget;
/** The same by a role that may look, and nothing else: what the README says is enough. */
let reader: PostgresTarget;
beforeAll(async () => {
  world = await openWorld({
    settings: { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'all', autovacuum: false },
  });
  shop = await world.database('shop', 'create extension pg_stat_statements');
  await createPlatform(shop, { rows: 40_000 });
  await world.query(
    shop,
    "create role reader login password 'reads'; grant pg_monitor, pg_read_all_data to reader; revoke all on schema public from public",
  );
  reader = withUser(shop, 'reader', 'reads');
  // What it took to load the platform is not what it is used for.
  await world.query(shop, 'select pg_stat_statements_reset(), pg_stat_reset()');
  await business(shop);
  await world.backup(shop);
}, 180_000);
afterAll(() => world?.close());

/** What a marketplace asks all day, with values as an application binds them. */
async function business(target: PostgresTarget): Promise<void> {
  const client = await connect(target);
  const statements: [string, (n: number) => unknown[]][] = [
    ['select id, number, status, total from orders where user_id = $1 order by placed_at desc limit 10', n => [n]],
    ['select * from order_items where product_id = $1', n => [n]],
    ['select u.email from users u join bookings b on b.user_id = u.id where b.session_id = $1', n => [n]],
    ['select count(*) from audit_log where entity = $1 and entity_id = $2', n => ['product', n]],
    ['select page_id, title from content.translations where search @@ plainto_tsquery($1)', () => ['holz']],
    ['select id from products where tags @> array[$1]', () => ['walnut']],
    ['select id from users where id = $1', n => [n]],
    ['update orders set note = $2 where user_id = $1', n => [n, 'changed']],
  ];
  try {
    for (const [sql, values] of statements) for (let n = 1; n <= 12; n++) await client.query(sql, values(n));
  } finally {
    await client.end();
  }
}

const readWorkload: WorkloadReader = async session => {
  const rows = await session.rows<{ text: string; calls: number; ms: number; rows: number; id: string }>(
    `select s.query as text, s.calls::float8 as calls, s.total_exec_time::float8 as ms, s.rows::float8 as rows, s.queryid::text as id
       from public.pg_stat_statements s where s.dbid = (select oid from pg_database where datname = current_database())`,
  );
  const statements = [];
  for (const { text, calls, ms, rows: count, id } of rows) {
    const parsed = await parseStatement(text).catch(() => undefined);
    if (!parsed || parsed.kind === 'utility' || /\bpg_/.test(text)) continue;
    statements.push({ fingerprint: parsed.fingerprint, text, queryIds: [id], calls, totalMs: ms, rows: count });
  }
  return { statements };
};

const operation = createAdviseOperation(readWorkload);
const input: AdviseInput = { on: undefined, set: 'latest', source: undefined, budgetBytes: undefined, issue: false };
const contextOf = (env: Record<string, string | undefined> = {}): Promise<TestContext> =>
  world.context({ env: { DATABASE_URL: reader.url, ...env } });
const indexesOf = (target: PostgresTarget) =>
  world.query(target, `select indexname from pg_indexes where schemaname in ('public', 'content') order by 1`);

test('workload and backup become indexes that are proved, used, and ready to apply; production stays as it is', async () => {
  const before = await indexesOf(shop);
  const { data, checks } = await operation.execute(input, await contextOf());
  adviseDataSchema.parse(data);
  expect(data.copy).toMatchObject({ kind: 'restored', verdict: null });
  expect(checks).toEqual([]);

  const offered = data.indexes.filter(each => each.verdict === 'offered');
  const tables = offered.map(each => each.table);
  expect(tables).toEqual(expect.arrayContaining(['orders', 'order_items', 'audit_log']));
  for (const each of offered) {
    // A measured gain, a real size, and a statement that reads it.
    expect(each.users.length).toBeGreaterThan(0);
    expect(each.bytes).toBeGreaterThan(0);
    const readers = data.statements.filter(statement => statement.reads.includes(each.name));
    expect(readers.map(statement => statement.outcome)).toContain('faster');
  }
  expect(data.statements.filter(each => each.outcome === 'slower')).toEqual([]);
  expect(data.totalMsAfter!).toBeLessThan(data.workload.totalMs);
  expect(await indexesOf(shop)).toEqual(before);

  const { changes } = adviceSchema.parse(data);
  expect(changes.filter(each => each.kind === 'create')).toHaveLength(offered.length);
  for (const change of changes) expect(change.id).toBe(changeId(change));
  // The statements as they stand can be run, and taken back.
  const client = await connect(shop);
  try {
    for (const change of changes) for (const sql of change.sql) await client.query(sql);
    for (const change of changes) for (const sql of change.rollback) await client.query(sql);
  } finally {
    await client.end();
  }
  expect(await indexesOf(shop)).toEqual(before);

  const report = { data } as unknown as Report<typeof data>;
  const text = [...operation.lines(report), operation.summary(report), issueBody(data)].join('\n');
  expect(text).toContain(`--index ${changes[0]!.id}`);
  expect(text).not.toContain('walnut');
}, 180_000);

test('without a copy nothing is offered, and it says why', async () => {
  const { data } = await operation.execute(input, await contextOf({ BACKUP_AGE_IDENTITY: undefined }));
  expect(data.copy).toMatchObject({ kind: 'none', why: expect.stringMatching(/identity|key/i) });
  expect(data.changes).toEqual([]);
  expect(data.indexes.length).toBeGreaterThan(0);
  expect(new Set(data.indexes.map(each => each.verdict))).toEqual(new Set(['unproved']));
  const [first] = operation.lines({ data } as unknown as Report<typeof data>);
  expect(first).toMatch(/^Nothing is offered, since nothing could be proved/);
}, 120_000);

test('production itself is refused as a copy, by whatever name', async () => {
  const context = await contextOf();
  const alias = shop.url.replace('postgres://', 'postgresql://');
  expect(await failureOf(operation.execute({ ...input, on: alias }, context))).toMatchObject({
    code: 'ADVISE_ON_PRODUCTION',
    exitCode: 2,
  });
}, 120_000);

test('a copy that is named serves as well, and keeps no index', async () => {
  const copy = await world.database('shop_copy', '', 'template shop');
  const before = await indexesOf(copy);
  const { data } = await operation.execute({ ...input, on: copy.url }, await contextOf());
  expect(data.copy).toMatchObject({ kind: 'given', display: copy.display });
  expect(data.changes.length).toBeGreaterThan(0);
  expect(await indexesOf(copy)).toEqual(before);
}, 180_000);

test('goes as far as the configuration lets it', async () => {
  const env = { DATABASE_URL: reader.url, BACKUP_LOCAL_PATH: undefined };
  const advise = { statements: 2, budgetBytes: 3_000_000 };
  const context = await world.context({ env, config: { database: { advise } } });
  const { data } = await operation.execute(input, context);
  expect(data.workload.statements).toBe(2);
  expect(data.notes.join('\n')).toMatch(/The 2 costliest of \d+ statements were looked at/);
  expect(data.search.budgetBytes).toBe(3_000_000);

  // No time at all to prove anything in: nothing is offered.
  const copy = await world.database('shop_hurry', '', 'template shop');
  const hurried = await world.context({ env, config: { database: { advise: { proofTime: '0.001s' } } } });
  const { data: unproved } = await operation.execute({ ...input, on: copy.url }, hurried);
  expect(unproved.indexes.length).toBeGreaterThan(0);
  expect(unproved.changes).toEqual([]);
}, 120_000);

test('the issue stays within what GitHub takes, and hostile names and texts do nothing in it', async () => {
  const { data } = await operation.execute({ ...input }, await contextOf({ BACKUP_LOCAL_PATH: undefined }));
  const hostile = `x | y\n<!-- --> @everyone \`\`\` #1 ${'"evil"'}`;
  const body = issueBody({
    ...data,
    database: `${hostile}-->`,
    statements: Array.from({ length: 3000 }, (_, n) => ({
      fingerprint: String(n).padStart(16, '0'),
      text: `select ${hostile} from t where a = $1`,
      calls: 1,
      totalMs: n,
      parameters: 'none' as const,
      samples: 1,
      outcome: 'faster' as const,
      why: hostile,
      beforeMs: 2,
      afterMs: 1,
      isBeforeLimit: false,
      beforeBuffers: 2,
      afterBuffers: 1,
      reads: [],
    })),
  });
  expect(body.length).toBeLessThanOrEqual(60_000);
  expect(body).toMatch(/\d+ more are in the report/);
  const [first, ...rest] = body.split('\n');
  expect(first).toMatch(/^<!-- production-ops advice [\w-]+ -->$/);
  // Outside of code spans nobody is called, and no comment begins.
  const prose = rest.join('\n').replace(/(`+)(?:(?!\1).)*\1/g, '');
  expect(prose).not.toMatch(/@everyone|<!--/);
}, 120_000);
