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

/** What the platform asks for all day: by index, a statement that it is declared for, and rows of values for it. */
const asked: Readonly<Record<string, readonly [sql: string, values: string]>> = {
  sessions_by_user: [
    'SELECT ip, user_agent, started_at, expires_at FROM sessions WHERE user_id = $1 ORDER BY started_at DESC LIMIT 10',
    some('sessions t', 'user_id::text'),
  ],
  sessions_by_end: ['DELETE FROM sessions WHERE expires_at < $1', `VALUES ('2026-01-01 01:00+00')`],
  user_roles_by_role: [
    `SELECT u.id, u.display_name, ur.granted_at FROM user_roles ur JOIN users u ON u.id = ur.user_id
      WHERE ur.role_id = $1 ORDER BY ur.granted_at DESC LIMIT 50`,
    `VALUES ('3'), ('4'), ('2')`,
  ],
  audit_log_by_actor: [
    'SELECT at, action, entity, entity_id, ip FROM audit_log WHERE actor_id = $1 ORDER BY at DESC LIMIT 50',
    some('audit_log_2025_06 t', 'actor_id::text', 'actor_id IS NOT NULL'),
  ],
  audit_log_by_entity: [
    'SELECT at, actor_id, action, changes FROM audit_log WHERE entity = $1 AND entity_id = $2 ORDER BY at DESC LIMIT 20',
    some('audit_log_2025_06 t', 'entity, entity_id::text', `entity <> 'user'`),
  ],
  craftsmen_by_craft: [
    `SELECT id, display_name, rating, languages FROM craftsmen WHERE craft_id = $1 AND rating >= $2
      ORDER BY rating DESC, id LIMIT 24`,
    some('craftsmen t', `craft_id::text, '4'`),
  ],
  craftsmen_display_name_trgm: [
    'SELECT id, display_name, craft_id FROM craftsmen WHERE display_name ILIKE $1 ORDER BY display_name LIMIT 10',
    `VALUES ('%chevalier%'), ('%atelier zoë%')`,
  ],
  workshops_by_craftsman: [
    'SELECT "Nr", "Name", "Ort", "Öffnungszeiten" FROM "Werkstätten" WHERE "handwerkerId" = $1',
    some('craftsmen t', 'id::text'),
  ],
  products_of_craft: [
    `SELECT id, slug, name, price FROM products WHERE craft_id = $1 AND status = 'active' ORDER BY created_at DESC LIMIT 24`,
    some('products t', 'craft_id::text'),
  ],
  products_of_craftsman: [
    `SELECT id, slug, name, price FROM products WHERE craftsman_id = $1 AND status = 'active' ORDER BY created_at DESC LIMIT 12`,
    some('products t', 'craftsman_id::text'),
  ],
  products_name_trgm: [
    `SELECT id, slug, name, price FROM products WHERE name ILIKE $1 AND status = 'active' ORDER BY created_at DESC LIMIT 24`,
    `VALUES ('%teekanne%'), ('%schaukelpferd, zinn%')`,
  ],
  products_attributes: [
    `SELECT id, slug, name, price FROM products WHERE attributes @> $1 AND status = 'active' ORDER BY price LIMIT 24`,
    `VALUES ('{"farbe": "blau", "einzelstück": true}'), ('{"maße": {"h": 30, "b": 40}}')`,
  ],
  reviews_by_user: [
    'SELECT id, product_id, rating, title, created_at FROM reviews WHERE user_id = $1 ORDER BY created_at DESC',
    some('reviews t', 'user_id::text'),
  ],
  wishlists_by_product: [
    'SELECT count(*) FROM wishlists WHERE product_id = $1',
    some('wishlists t', 'product_id::text'),
  ],
  order_items_by_product: [
    `SELECT other.product_id, count(*) AS times FROM order_items i
       JOIN order_items other ON other.order_id = i.order_id AND other.product_id <> i.product_id
      WHERE i.product_id = $1 GROUP BY other.product_id ORDER BY times DESC, other.product_id LIMIT 6`,
    some('order_items t', 'product_id::text'),
  ],
  orders_by_user: [
    'SELECT id, number, status, total, placed_at FROM orders WHERE user_id = $1 ORDER BY placed_at DESC LIMIT 20',
    some('orders t', 'user_id::text'),
  ],
  orders_by_number: [
    'SELECT id, user_id, status, total, shipping FROM orders WHERE number = $1',
    some('orders t', 'number'),
  ],
  orders_to_pack: [
    `SELECT id, number, total, placed_at FROM orders WHERE status IN ('placed', 'paid') ORDER BY placed_at LIMIT 50`,
    'SELECT',
  ],
  payments_by_order: [
    'SELECT id, method, status, amount, paid_at FROM payments WHERE order_id = $1 ORDER BY id',
    some('orders t', 'id::text'),
  ],
  payments_by_reference: [
    'SELECT id, order_id, status FROM payments WHERE provider_reference = $1',
    some('payments t', 'provider_reference', 'provider_reference IS NOT NULL'),
  ],
  course_sessions_by_start: [
    `SELECT id, during, seats FROM course_sessions WHERE course_id = $1 AND lower(during) >= $2 AND cancelled_at IS NULL
      ORDER BY lower(during) LIMIT 10`,
    some('course_sessions t', `course_id::text, '2025-06-01'`),
  ],
  bookings_by_user: [
    `SELECT b.id, b.status, b.seats, s.during, c.title FROM bookings b JOIN course_sessions s ON s.id = b.session_id
       JOIN courses c ON c.id = s.course_id WHERE b.user_id = $1 ORDER BY b.booked_at DESC LIMIT 20`,
    some('bookings t', 'user_id::text'),
  ],
  courses_by_craft: [
    'SELECT id, title, price, duration FROM courses WHERE craft_id = $1 AND language = $2 ORDER BY price LIMIT 24',
    some('courses t', 'craft_id::text, language::text'),
  ],
  pages_by_craft: [
    `SELECT p.id, p.slug, t.title FROM content.pages p JOIN content.translations t ON t.page_id = p.id AND t.language = $2
      WHERE p.craft_id = $1 AND p.published_at <= $3 ORDER BY p.published_at DESC LIMIT 10`,
    some('content.pages t', `craft_id::text, 'de', '2026-01-01'`, 'craft_id IS NOT NULL'),
  ],
  translations_search: [
    `SELECT t.page_id, t.title, ts_rank(t.search, q) AS rank FROM content.translations t, websearch_to_tsquery('german', $1) q
      WHERE t.language = 'de' AND t.search @@ q ORDER BY rank DESC, t.page_id LIMIT 20`,
    `VALUES ('Geigenbogen Kirschholz'), ('"punziert" Messing Sammler')`,
  ],
  translations_keywords: [
    'SELECT page_id, title FROM content.translations WHERE keywords @> ARRAY[$1] AND language = $2 ORDER BY title LIMIT 20',
    `VALUES ('mariage', 'fr'), ('büro', 'de')`,
  ],
  translations_title_trgm: [
    'SELECT page_id, title FROM content.translations WHERE language = $1 AND title ILIKE $2 ORDER BY title LIMIT 20',
    `VALUES ('fr', '%théière%'), ('en', '%rocking horse, p%')`,
  ],
  courses_french_words: [
    `SELECT id, title, price FROM courses
      WHERE to_tsvector('french', title || ' ' || description) @@ plainto_tsquery('french', $1) AND language = 'fr' LIMIT 24`,
    `VALUES ('panier osier'), ('couteau corne forgé')`,
  ],
};

/** Values of rows that are there, by chance and the same each time. */
function some(source: string, columns: string, where = 'true'): string {
  return `SELECT ${columns} FROM ${source} WHERE ${where} ORDER BY md5(t::text) LIMIT 2`;
}

async function statementOf([sql, values]: readonly [string, string]): Promise<ProvableStatement> {
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
  for (const [name, [sql]] of Object.entries(asked)) {
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
