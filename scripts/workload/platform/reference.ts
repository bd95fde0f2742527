/**
 * The secondary indexes that somebody who knows this platform and PostgreSQL would give it by hand: each for a statement
 * of the workload, partial where the code asks for one state only, in the order that is asked for, GIN for what is inside
 * of values, and none for what a key or a small table serves as well.
 */
export const referenceIndexes: readonly string[] = [
  // Authentication and roles
  'CREATE INDEX ON sessions (user_id, started_at DESC)',
  'CREATE INDEX ON sessions (expires_at)',
  'CREATE INDEX ON user_roles (role_id, granted_at DESC)',
  'CREATE INDEX ON users (created_at DESC)',
  'CREATE INDEX ON users USING gin (display_name gin_trgm_ops)',
  'CREATE INDEX ON audit_log (actor_id, at DESC)',
  'CREATE INDEX ON audit_log (entity_id, entity, at DESC)',
  // Craftsmen
  'CREATE INDEX ON craftsmen (craft_id, rating DESC)',
  'CREATE INDEX ON craftsmen USING gin (display_name gin_trgm_ops)',
  'CREATE INDEX ON "Werkstätten" ("Ort")',
  'CREATE INDEX ON "Werkstätten" ("handwerkerId")',
  // Catalogue
  `CREATE INDEX ON products (craft_id, created_at DESC) WHERE status = 'active'`,
  `CREATE INDEX ON products (craft_id, price) WHERE status = 'active'`,
  'CREATE INDEX ON products (craftsman_id, status, created_at DESC)',
  'CREATE INDEX ON products USING gin (name gin_trgm_ops)',
  `CREATE INDEX ON products (created_at DESC) WHERE status = 'active'`,
  'CREATE INDEX ON products USING gin (attributes jsonb_path_ops)',
  'CREATE INDEX ON reviews (user_id, created_at DESC)',
  'CREATE INDEX ON reviews (language, helpful_votes DESC) WHERE rating = 5',
  'CREATE INDEX ON wishlists (product_id)',
  'CREATE INDEX ON order_items (product_id)',
  // Orders
  'CREATE INDEX ON orders (user_id, placed_at DESC)',
  'CREATE INDEX ON orders (number)',
  'CREATE INDEX ON orders (placed_at)',
  `CREATE INDEX ON orders (placed_at) WHERE status IN ('placed', 'paid')`,
  'CREATE INDEX ON payments (order_id)',
  'CREATE INDEX ON payments (provider_reference)',
  `CREATE INDEX ON payments (id) WHERE status = 'pending'`,
  // Bookings
  'CREATE INDEX ON course_sessions (course_id, lower(during)) WHERE cancelled_at IS NULL',
  'CREATE INDEX ON bookings (user_id, booked_at DESC)',
  `CREATE INDEX ON bookings (booked_at DESC) WHERE status = 'requested'`,
  'CREATE INDEX ON courses (craft_id, language, price)',
  'CREATE INDEX ON courses (craftsman_id)',
  'CREATE INDEX ON courses USING gin (tags)',
  // Content, in its languages
  'CREATE INDEX ON content.pages (craft_id, published_at DESC)',
  'CREATE INDEX ON content.pages (published_at DESC)',
  'CREATE INDEX ON content.pages (author_id)',
  'CREATE INDEX ON content.translations USING gin (search)',
  'CREATE INDEX ON content.translations USING gin (keywords)',
  'CREATE INDEX ON content.translations USING gin (title gin_trgm_ops)',
  `CREATE INDEX ON courses USING gin (to_tsvector('french', title || ' ' || description)) WHERE language = 'fr'`,
  // Messages and traffic
  'CREATE INDEX ON messages (thread_id, sent_at)',
  'CREATE INDEX ON messages (recipient_id, sent_at DESC)',
  'CREATE INDEX ON page_views (path, viewed_at)',
  'CREATE INDEX ON page_views USING brin (viewed_at)',
  'CREATE INDEX ON page_views (user_id, viewed_at DESC) WHERE user_id IS NOT NULL',
];
