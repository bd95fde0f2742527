import { type ApplicationStatement, from, given } from '../statement.ts';

/** Who is it, what may they do, and what did they do. */
export const accountStatements: readonly ApplicationStatement[] = [
  {
    name: 'sign in',
    calls: 6_000,
    sql: 'SELECT id, password_hash, language FROM users WHERE email = $1',
    values: from('users t', 'email::text'),
  },
  {
    name: 'session of a request',
    calls: 200_000,
    sql: `SELECT s.user_id, u.display_name, u.language FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.token_hash = $1 AND s.expires_at > $2`,
    values: from('sessions t', `token_hash::text, '2026-01-01 12:00+00'`),
  },
  {
    name: 'roles of a user',
    calls: 60_000,
    sql: 'SELECT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = $1',
    values: from('users t', 'id::text'),
  },
  {
    name: 'devices of a user',
    calls: 3_000,
    sql: 'SELECT ip, user_agent, started_at, expires_at FROM sessions WHERE user_id = $1 ORDER BY started_at DESC LIMIT 10',
    values: from('sessions t', 'user_id::text'),
  },
  {
    name: 'session goes on',
    calls: 20_000,
    sql: 'UPDATE sessions SET expires_at = $2 WHERE token_hash = $1',
    values: from('sessions t', `token_hash::text, '2026-02-03 12:00+00'`),
  },
  {
    name: 'sessions that are over',
    calls: 288,
    sql: 'DELETE FROM sessions WHERE expires_at < $1',
    values: given(['2026-01-01 01:00+00'], ['2026-01-01 02:00+00']),
  },
  {
    name: 'seen again',
    calls: 20_000,
    sql: 'UPDATE users SET last_seen_at = $2 WHERE id = $1',
    values: from('users t', `id::text, '2026-01-01 12:00+00'`),
  },
  {
    name: 'users with a role',
    calls: 300,
    sql: `SELECT u.id, u.display_name, ur.granted_at FROM user_roles ur JOIN users u ON u.id = ur.user_id
           WHERE ur.role_id = $1 ORDER BY ur.granted_at DESC LIMIT 50`,
    values: given(['3'], ['4'], ['2']),
  },
  {
    name: 'newest users',
    calls: 200,
    sql: 'SELECT id, email, display_name, created_at FROM users ORDER BY created_at DESC LIMIT 50',
  },
  {
    name: 'user by a part of the name',
    calls: 500,
    sql: 'SELECT id, email, display_name FROM users WHERE display_name ILIKE $1 ORDER BY display_name, id LIMIT 20',
    values: given(['%lefèvre%'], ['%heidi korb%'], ['%zoë%']),
  },
  {
    name: 'readers of the newsletter',
    calls: 400,
    sql: 'SELECT id, email, display_name FROM users WHERE newsletter AND language = $1 AND id > $2 ORDER BY id LIMIT 500',
    values: given(['fr', '0'], ['de', '40000'], ['en', '20000']),
  },
  {
    name: 'what a user did',
    calls: 600,
    sql: 'SELECT at, action, entity, entity_id, ip FROM audit_log WHERE actor_id = $1 ORDER BY at DESC LIMIT 50',
    values: from('audit_log_2025_06 t', 'actor_id::text', 'actor_id IS NOT NULL'),
  },
  {
    name: 'history of a thing',
    calls: 2_000,
    sql: 'SELECT at, actor_id, action, changes FROM audit_log WHERE entity = $1 AND entity_id = $2 ORDER BY at DESC LIMIT 20',
    values: from('audit_log_2025_06 t', 'entity, entity_id::text', `entity <> 'user'`),
  },
  {
    name: 'audit entry',
    calls: 60_000,
    sql: `INSERT INTO audit_log (at, actor_id, action, entity, entity_id, changes)
          VALUES ($1, $2, 'update', 'order', $3, '{"status": {"old": "paid", "new": "shipped"}}')`,
    values: from('orders t', `'2025-12-31 23:00+00', user_id::text, id::text`),
  },
];

export const craftsmanStatements: readonly ApplicationStatement[] = [
  {
    name: 'craftsmen of a craft, the best first',
    calls: 20_000,
    sql: `SELECT id, display_name, rating, languages FROM craftsmen WHERE craft_id = $1 AND rating >= $2
           ORDER BY rating DESC, id LIMIT 24`,
    values: from('craftsmen t', `craft_id::text, '4'`),
  },
  {
    name: 'craftsman by a part of the name',
    calls: 4_000,
    sql: 'SELECT id, display_name, craft_id FROM craftsmen WHERE display_name ILIKE $1 ORDER BY display_name LIMIT 10',
    values: given(['%chevalier%'], ['%atelier zoë%'], ['%stein%']),
  },
  {
    name: 'craftsmen of a town',
    calls: 8_000,
    sql: `SELECT m.id, m.display_name, m.rating, w."Name" FROM "Werkstätten" w JOIN craftsmen m ON m.id = w."handwerkerId"
           WHERE w."Ort" = $1 ORDER BY m.rating DESC NULLS LAST LIMIT 24`,
    values: from('"Werkstätten" t', '"Ort"'),
  },
  {
    name: 'craftsmen who speak a language',
    calls: 1_500,
    sql: `SELECT id, display_name FROM craftsmen WHERE languages @> ARRAY[$1]::language_code[] AND craft_id = $2
           ORDER BY display_name LIMIT 24`,
    values: from('craftsmen t', `'fr', craft_id::text`),
  },
  {
    name: 'craftsman behind an account',
    calls: 9_000,
    sql: 'SELECT id, craft_id, display_name FROM craftsmen WHERE user_id = $1',
    values: from('craftsmen t', 'user_id::text'),
  },
  {
    name: 'workshops of a craftsman',
    calls: 15_000,
    sql: 'SELECT "Nr", "Name", "Ort", "Öffnungszeiten" FROM "Werkstätten" WHERE "handwerkerId" = $1',
    values: from('craftsmen t', 'id::text'),
  },
  {
    name: 'workshops without steps',
    calls: 500,
    sql: 'SELECT "Nr", "Name" FROM "Werkstätten" WHERE "Ort" = $1 AND "barrierefrei?" AND "Plätze" >= $2 ORDER BY "Plätze" DESC',
    values: from('"Werkstätten" t', `"Ort", '12'`),
  },
  {
    name: 'things a craftsman offers',
    calls: 15_000,
    sql: `SELECT count(*) FROM products WHERE craftsman_id = $1 AND status = 'active'`,
    values: from('products t', 'craftsman_id::text'),
  },
];

export const messageStatements: readonly ApplicationStatement[] = [
  {
    name: 'a conversation',
    calls: 4_000,
    sql: 'SELECT id, sender_id, body, sent_at, read_at FROM messages WHERE thread_id = $1 ORDER BY sent_at',
    values: from('messages t', 'thread_id::text'),
  },
  {
    name: 'unread messages',
    calls: 25_000,
    sql: 'SELECT count(*) FROM messages WHERE recipient_id = $1 AND read_at IS NULL',
    values: from('messages t', 'recipient_id::text'),
  },
  {
    name: 'inbox',
    calls: 3_000,
    sql: 'SELECT id, thread_id, sender_id, sent_at, read_at FROM messages WHERE recipient_id = $1 ORDER BY sent_at DESC LIMIT 25',
    values: from('messages t', 'recipient_id::text'),
  },
  {
    name: 'message is sent',
    calls: 1_200,
    sql: `INSERT INTO messages (thread_id, sender_id, recipient_id, body) VALUES ($1, $2, $3, 'Vielen Dank, das passt gut.')`,
    values: from('messages t', 'thread_id::text, recipient_id::text, sender_id::text'),
  },
];
