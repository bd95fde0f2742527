import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { declaredIndexSchema } from '../../../actions/lib/config/database-indexes-schema.ts';
import { configSchema } from '../../../actions/lib/config/schema.ts';
import { driftHealth } from '../../../actions/lib/database/analyze/drift.ts';
import { readCatalog } from '../../../actions/lib/database/catalog/index.ts';
import { compareDeclared, declaredIndex, driftCheck } from '../../../actions/lib/database/declared/index.ts';
import { createIndexSql } from '../../../actions/lib/database/indexes/index.ts';
import { openSession } from '../../../actions/lib/database/session/index.ts';
import {
  connect,
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { databaseWith, query } from '../prove/fixture.ts';

let server: ThrowawayServer;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the drift tests' });
});
afterAll(() => server?.stop());

const declare = (index: Record<string, unknown>) =>
  declaredIndex(declaredIndexSchema.parse({ why: 'a test needs it', ...index }));

async function driftOf(target: PostgresTarget, declared: Record<string, unknown>[], isStrict = false) {
  const client = await connect(target);
  try {
    await using session = await openSession(target);
    const options = { isStrict, ignoreSchemas: [] };
    return (await compareDeclared(session, await readCatalog(client), declared.map(declare), options)).drift;
  } finally {
    await client.end();
  }
}

const schema = `
  create extension pg_trgm; create type state as enum ('open', 'done'); create schema app;
  create table app.docs (id int primary key, title varchar(80) not null, body jsonb not null, state state not null, at timestamptz, tags text[]);
  create table "Odd ""Table""" (id int primary key, "a b" int);`;

const declared = [
  { table: 'app.docs', columns: ['state', 'at desc'], name: 'docs_by_state' },
  { table: 'app.docs', columns: [{ expression: 'lower(title)' }], name: 'docs_title' },
  { table: 'app.docs', columns: ['at'], where: `state = 'open' and at is not null`, include: ['title'] },
  { table: 'app.docs', columns: [{ column: 'body', opclass: 'jsonb_path_ops' }], method: 'gin' },
  { table: 'app.docs', columns: [{ column: 'title', opclass: 'gin_trgm_ops' }], method: 'gin' },
  { table: 'app.docs', columns: ['tags'], method: 'gin' },
  { table: 'app.docs', columns: ['at'], method: 'brin' },
  { table: 'app.docs', columns: [{ column: 'at', descending: true, nullsFirst: false }], unique: true },
  { table: 'Odd "Table"', columns: [{ column: 'a b' }] },
];

test('what is declared and was made so is no drift, however the server prints it', async () => {
  const target = await databaseWith(server, 'same', schema);
  const missing = await driftOf(target, declared);
  expect(missing.map(each => each.kind)).toEqual(declared.map(() => 'missing'));
  // The very statements of the finding mend it.
  const client = await connect(target);
  for (const sql of missing.flatMap(each => each.sql)) await client.query(sql);
  await client.end();
  expect(await driftOf(target, declared)).toEqual([]);
  expect(driftCheck([], declared.length, 'same')).toEqual([expect.objectContaining({ status: 'ok', value: 0 })]);
});

describe('drift', () => {
  let target: PostgresTarget;
  beforeAll(async () => {
    target = await databaseWith(server, 'drifted', schema);
  });

  test('another index of that name is different, and the statements put it right', async () => {
    await query(target, 'create index docs_by_state on app.docs (state, at)');
    const [drift] = await driftOf(target, declared.slice(0, 1));
    expect(drift).toMatchObject({ kind: 'different', why: expect.stringContaining('USING btree (state, at)') });
    for (const sql of drift!.sql) await query(target, sql);
    expect(await driftOf(target, declared.slice(0, 1))).toEqual([]);
  });

  test('the same under another name is there', async () => {
    await query(target, 'create index called_otherwise on app.docs (lower(title))');
    expect(await driftOf(target, declared.slice(1, 2))).toEqual([]);
  });

  test('an invalid one is drift and is rebuilt', async () => {
    await query(target, `insert into app.docs values (1, 'a', '{}', 'open'), (2, 'a', '{}', 'open');`);
    const wanted = { table: 'app.docs', columns: ['title'], unique: true, name: 'docs_unique_title' };
    const { definition, name } = declare(wanted);
    await expect(query(target, createIndexSql(definition, name, { concurrently: true }))).rejects.toThrow(/unique/);
    const [drift] = await driftOf(target, [wanted]);
    expect(drift).toMatchObject({ kind: 'invalid', sql: ['REINDEX INDEX CONCURRENTLY "app"."docs_unique_title"'] });
    await query(target, 'delete from app.docs');
    for (const sql of drift!.sql) await query(target, sql);
    expect(await driftOf(target, [wanted])).toEqual([]);
    await query(target, 'drop index app.docs_unique_title');
  });

  test('what is not declared is drift only when that is asked for, and never what a constraint holds', async () => {
    const ours = [declared[1]!];
    expect(await driftOf(target, ours)).toEqual([]);
    const strict = await driftOf(target, ours, true);
    expect(strict.map(each => `${each.kind} ${each.name}`)).toEqual(['undeclared docs_by_state']);
    const checks = driftCheck(strict, 1, 'drifted');
    expect(checks).toEqual([expect.objectContaining({ id: 'database.indexes.drift', status: 'warning', value: 1 })]);
    // The analysis finds the same, and its verdict is word for word the one of the advice: an alert has one text.
    const config = { indexes: ours.map(index => declaredIndexSchema.parse({ why: 'a test needs it', ...index })) };
    const { database } = configSchema.parse({ platform: 'shop', database: { ...config, indexesStrict: true } });
    await using session = await openSession(target);
    const analysed = await driftHealth(session, { ...database, ignoreSchemas: [] });
    expect(analysed.map(({ check }) => check)).toEqual(checks);
    expect(analysed[0]!.health).toMatchObject({
      status: 'warning',
      value: 1,
      note: null,
      findings: [{ subject: '"app"."docs_by_state"' }],
    });
  });

  test('a table that is not there is said to be so', async () => {
    expect(await driftOf(target, [{ table: 'app.nothing', columns: ['x'] }])).toEqual([
      expect.objectContaining({ kind: 'no table', sql: [] }),
    ]);
  });

  test('a role that may not read the table still sees what is plainly the same', async () => {
    await query(target, `create role watcher login password 'watching'; create index docs_at on app.docs (at)`);
    const { withUser } = await import('../../../actions/lib/postgres/index.ts');
    const watcher = withUser(target, 'watcher', 'watching');
    expect(await driftOf(watcher, [{ table: 'app.docs', columns: ['at'] }])).toEqual([]);
  });
});

test('the configuration refuses what cannot be meant', () => {
  const parse = (index: unknown) => declaredIndexSchema.safeParse(index).success;
  expect(parse({ table: 'orders', columns: ['id'], why: 'x' })).toBe(true);
  expect(parse({ table: 'orders', columns: ['id'] })).toBe(false);
  expect(parse({ table: 'orders', columns: [], why: 'x' })).toBe(false);
  expect(parse({ table: 'a.b.c', columns: ['id'], why: 'x' })).toBe(false);
  expect(parse({ table: 'orders', columns: ['id'], why: 'x', method: 'hash' })).toBe(false);
});
