import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../actions/lib/config/index.ts';
import { declaredIndex, readDrift } from '../../actions/lib/database/declared/index.ts';
import { optimizeDatabase } from '../../actions/lib/database/index.ts';
import { type ProvableStatement, proveIndexes } from '../../actions/lib/database/prove/index.ts';
import { openSession } from '../../actions/lib/database/session/index.ts';
import {
  connect,
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';
import { createPlatform } from '../../scripts/platform/platform.ts';
import { platformStatements } from '../../scripts/workload/platform/index.ts';
import { options, provable, query } from '../database/prove/fixture.ts';

const root = join(import.meta.dirname, '../..');
const file = 'scripts/platform/ops.yml';
const { config } = loadConfig({ env: {}, cwd: root, file });
const declared = config.database.indexes.map(declaredIndex);

let server: ThrowawayServer;
let platform: PostgresTarget;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the declared indexes', settings: { autovacuum: false } });
  platform = server.target;
  await createPlatform(platform, { rows: 100_000 });
  await query(platform, aLargerTown);
  await query(platform, 'VACUUM (ANALYZE)');
}, 180_000);
afterAll(() => server?.stop());

/** On a small platform craftsmen and pages are so few that nobody needs an index for them. */
const aLargerTown = `
  INSERT INTO craftsmen (user_id, craft_id, display_name, biography, rating)
    SELECT id, 2 + id % 5, display_name, 'Seit Jahren.', 1 + id % 40 / 10.0 FROM users
     WHERE id NOT IN (SELECT user_id FROM craftsmen);
  INSERT INTO "Werkstätten" ("handwerkerId", "Name", "Ort", "Plätze")
    SELECT m.id, 'Werkstatt', w."Ort", 8 FROM craftsmen m
      JOIN "Werkstätten" w ON w."Nr" = 1 + m.id % (SELECT count(*) FROM "Werkstätten")
     WHERE m.id NOT IN (SELECT "handwerkerId" FROM "Werkstätten");
  INSERT INTO content.pages (slug, craft_id, author_id, published_at)
    SELECT 'seite-' || i, 2 + i % 40, 1 + i % 100, timestamptz '2024-01-01' + i * interval '1 hour' FROM generate_series(1, 6000) i;
  INSERT INTO content.translations (page_id, language, title, body)
    SELECT id, 'de', 'Seite ' || id, '' FROM content.pages WHERE slug LIKE 'seite-%'`;

/** By index, the statement of the platform's day that it is declared for. */
const asked: Readonly<Record<string, string>> = {
  sessions_by_user: 'devices of a user',
  sessions_by_end: 'sessions that are over',
  user_roles_by_role: 'users with a role',
  audit_log_by_actor: 'what a user did',
  audit_log_by_entity: 'history of a thing',
  craftsmen_by_craft: 'craftsmen of a craft, the best first',
  craftsmen_display_name_trgm: 'craftsman by a part of the name',
  workshops_by_craftsman: 'workshops of a craftsman',
  products_of_craft: 'a craft, the newest first',
  products_of_craftsman: 'things of a craftsman',
  products_name_trgm: 'search in names',
  products_attributes: 'things with attributes',
  reviews_by_user: 'reviews by a user',
  wishlists_by_product: 'who wishes for a product',
  order_items_by_product: 'bought together',
  orders_by_user: 'orders of a user',
  orders_by_number: 'order by its number',
  orders_to_pack: 'orders to be packed',
  payments_by_order: 'payments of an order',
  payments_by_reference: 'payment that the provider reports',
  course_sessions_by_start: 'dates of a course',
  bookings_by_user: 'bookings of a user',
  courses_by_craft: 'courses of a craft',
  pages_by_craft: 'pages about a craft',
  translations_search: 'full-text search',
  translations_keywords: 'pages to a keyword',
  translations_title_trgm: 'titles in a language',
  courses_french_words: 'French courses by words',
};

async function statementOf(name: string): Promise<ProvableStatement> {
  const { sql, values } = platformStatements.find(statement => statement.name === name)!;
  if (values === undefined) return provable(sql);
  const client = await connect(platform);
  try {
    const { rows } = await client.query<(string | null)[]>({ text: values, rowMode: 'array' });
    return await provable(sql, rows);
  } finally {
    await client.end();
  }
}

// The proof measures times: on a machine that is busy with something else it may need another look.
test('every index of the declared set is one that the planner reads and that a statement of the platform gains by', {
  timeout: 240_000,
  retry: 2,
}, async () => {
  expect(declared.map(({ name }) => name).sort()).toEqual(Object.keys(asked).sort());
  // Those of the schema that are declared as well are proved as if they were new.
  await query(platform, 'DROP INDEX IF EXISTS craftsmen_display_name_trgm, products_on_offer');
  const statements = await Promise.all(Object.values(asked).map(statementOf));
  const proof = await proveIndexes(
    options(platform, {
      statements,
      proposed: declared.map(({ definition, name, prerequisites }) => ({
        definition,
        name,
        prerequisites,
        replaces: [],
      })),
    }),
  );
  const rejected = proof.indexes.filter(({ verdict }) => verdict !== 'offered');
  expect(rejected.map(({ index, why }) => `${index.name}: ${why}`)).toEqual([]);
  // Each is read by the statement that it is declared for, and makes it faster.
  for (const [name, statement] of Object.entries(asked)) {
    const { sql } = platformStatements.find(each => each.name === statement)!;
    const of = proof.statements.find(({ statement }) => statement.statement.text === sql)!;
    expect([name, of.reads.includes(name), of.outcome]).toEqual([name, true, 'faster']);
  }
});

test('what is declared is built by apply --declared: nothing else, nothing twice, and what is another index is left alone', async () => {
  const drift = async () => {
    await using session = await openSession(platform);
    return (await readDrift(session, config.database))!.map(({ kind, name }) => `${kind} ${name}`);
  };
  const apply = async () => {
    const library = { env: { DATABASE_URL: platform.url }, cwd: root, configFile: file };
    const { changes } = await optimizeDatabase({ declared: true }, library);
    return changes.map(({ index, status }) => `${index}: ${status}`);
  };
  const names = declared.map(({ name }) => name);
  expect(await drift()).toEqual(names.map(name => `missing ${name}`));
  // One that is there under another name is there, and one that only has the name is not.
  await query(platform, 'CREATE INDEX made_by_hand ON orders (number); CREATE INDEX orders_to_pack ON orders (status)');
  const expected = names.filter(name => name !== 'orders_by_number' && name !== 'orders_to_pack');
  expect((await apply()).sort()).toEqual([...expected.map(name => `${name}: done`), 'orders_to_pack: refused'].sort());
  expect(await drift()).toEqual(['different orders_to_pack']);
  await query(platform, 'DROP INDEX orders_to_pack');
  expect(await apply()).toEqual(['orders_to_pack: done']);
  expect(await apply()).toEqual([]);
  expect(await drift()).toEqual([]);
}, 240_000);
